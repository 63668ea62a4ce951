# buildLayeredImage: the same as streamLayeredImage, as an archive in the store. There it takes as much room as the image;
# streamLayeredImage takes none.
#
#   compressor    none, gz (the default) or zstd, for the archive as a whole
{
  archived,
  lib,
  streamLayeredImage,
}:
lib.makeOverridable (
  {
    name,
    compressor ? "gz",
    ...
  }@arguments:
  archived {
    inherit compressor;
    stream = streamLayeredImage (builtins.removeAttrs arguments [ "compressor" ]);
    archiveName = "${baseNameOf name}.tar";
    image = name;
    passthru = arguments.passthru or { };
    meta = arguments.meta or { };
  }
)

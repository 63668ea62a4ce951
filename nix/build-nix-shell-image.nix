# buildNixShellImage: the same as streamNixShellImage, as an archive in the store.
#
#   compressor    none, gz (the default) or zstd
{ archived, streamNixShellImage }:
{
  drv,
  compressor ? "gz",
  ...
}@arguments:
archived {
  inherit compressor;
  stream = streamNixShellImage (builtins.removeAttrs arguments [ "compressor" ]);
  archiveName = "${drv.name}-env.tar";
  image = drv.name;
}

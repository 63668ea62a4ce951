# buildLayeredImage: the same as streamLayeredImage, as an archive in the store. There it takes as much room as the image;
# streamLayeredImage takes none.
#
#   compressor    none, gz (the default) or zstd, for the archive as a whole
{
  compressors,
  lib,
  runCommand,
  streamLayeredImage,
}:
lib.makeOverridable (
  {
    name,
    compressor ? "gz",
    ...
  }@arguments:
  let
    stream = streamLayeredImage (builtins.removeAttrs arguments [ "compressor" ]);
    compress = compressors compressor name;
  in
  runCommand "${baseNameOf name}.tar${compress.extension}" {
    inherit (stream) imageName;
    nativeBuildInputs = compress.inputs;
    passthru = {
      inherit (stream) imageTag conf description copyTo push load inspect;
      inherit stream;
    }
    // arguments.passthru or { };
    meta = arguments.meta or { };
  } ''
    set -o pipefail
    ${stream} --no-cache --quiet | ${compress.command} > "$out"
  ''
)

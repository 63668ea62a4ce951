# The output of a stream program, as an archive in the store, which takes as much room there as the image.
#
#   stream        an image of streamLayeredImage's kind
#   archiveName   what the store path is called, without the ending for the compressor
#   compressor    none, gz or zstd, for the archive as a whole
#   image         what errors call the image
#   passthru, meta
{ compressors, runCommand }:
{
  stream,
  archiveName,
  compressor,
  image,
  passthru ? { },
  meta ? { },
}:
let
  compress = compressors compressor image;
in
runCommand "${archiveName}${compress.extension}" {
  inherit (stream) imageName;
  inherit meta;
  nativeBuildInputs = compress.inputs;
  passthru = {
    inherit (stream) imageTag conf description copyTo push load inspect;
    inherit stream;
  }
  // passthru;
} ''
  set -o pipefail
  ${stream} --no-cache --quiet | ${compress.command} > "$out"
''

# buildNixShellImage: the same as streamNixShellImage, as an archive in the store.
#
#   compressor    none, gz (the default) or zstd
{
  compressors,
  runCommand,
  streamNixShellImage,
}:
{
  drv,
  compressor ? "gz",
  ...
}@arguments:
let
  stream = streamNixShellImage (builtins.removeAttrs arguments [ "compressor" ]);
  compress = compressors compressor drv.name;
in
runCommand "${drv.name}-env.tar${compress.extension}" {
  inherit (stream) imageName;
  nativeBuildInputs = compress.inputs;
  passthru = {
    inherit (stream) imageTag conf description copyTo push load inspect;
    inherit stream;
  };
} ''
  set -o pipefail
  ${stream} --no-cache --quiet | ${compress.command} > "$out"
''

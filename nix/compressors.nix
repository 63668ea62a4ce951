# How an archive is compressed as a whole: by name, the ending of its file, the packages, and the command, which reads
# stdin and writes stdout.
#
#   compressors compressor image    the entry, or an error that names the image
{ pigz, zstd }:
let
  known = {
    none = {
      extension = "";
      inputs = [ ];
      command = "cat";
    };
    gz = {
      extension = ".gz";
      inputs = [ pigz ];
      command = "pigz -p $NIX_BUILD_CORES -nTR";
    };
    zstd = {
      extension = ".zst";
      inputs = [ zstd ];
      command = "zstd -T$NIX_BUILD_CORES";
    };
  };
in
compressor: image:
known.${compressor}
  or (throw "the image ${image}: compressor must be one of ${toString (builtins.attrNames known)}, not ${compressor}")

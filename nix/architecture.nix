# The default processor architecture of images, by Go's name for it.
{ stdenv }:
let
  cpu = builtins.head (builtins.split "-" stdenv.hostPlatform.system);
  names = {
    x86_64 = "amd64";
    aarch64 = "arm64";
    i686 = "386";
    armv5tel = "arm";
    armv6l = "arm";
    armv7l = "arm";
    powerpc64le = "ppc64le";
    loongarch64 = "loong64";
  };
in
names.${cpu} or cpu

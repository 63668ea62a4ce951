# pullImage: an image out of a registry, as a docker-archive in the store. The arguments are those of
# dockerTools.pullImage:
#
#   imageName, imageDigest            which image: its name, and the digest of its manifest or index
#   hash (or sha256)                  of the result, which is another file than skopeo's
#   os, arch                          for which platform
#   finalImageName, finalImageTag     the name in the archive
#   tlsVerify                         false: also from a registry without a certificate that is trusted
#   name                              the derivation's
#
#   authFile                          a file with credentials, as `docker login` writes it: its place on the machine that
#                                     builds, where the sandbox must show it. It does not become part of the store
{
  cacert,
  defaultArchitecture,
  lib,
  runCommand,
  strake,
}:
{
  imageName,
  imageDigest,
  hash ? "",
  sha256 ? "",
  os ? "linux",
  arch ? defaultArchitecture,
  finalImageName ? imageName,
  finalImageTag ? "latest",
  tlsVerify ? true,
  authFile ? null,
  name ? builtins.replaceStrings [ "/" ":" ] [ "-" "-" ] "docker-image-${finalImageName}-${finalImageTag}.tar",
}:
assert lib.assertMsg (os == "linux") "pullImage: strake makes images for Linux only, not for ${os}";
runCommand name {
  inherit imageDigest;
  imageName = finalImageName;
  imageTag = finalImageTag;
  outputHashMode = "flat";
  outputHashAlgo = if hash == "" then "sha256" else null;
  outputHash = if hash == "" then sha256 else hash;
  impureEnvVars = [
    "http_proxy"
    "https_proxy"
    "ftp_proxy"
    "all_proxy"
    "no_proxy"
  ];
  SSL_CERT_FILE = "${cacert}/etc/ssl/certs/ca-bundle.crt";
  nativeBuildInputs = [ strake ];
} ''
  strake copy --no-cache --quiet --arch ${lib.escapeShellArg arch} ${lib.optionalString (!tlsVerify) "--tls-verify=false"} \
    ${lib.optionalString (authFile != null) "--authfile ${lib.escapeShellArg (toString authFile)}"} \
    ${lib.escapeShellArg "docker://${imageName}@${imageDigest}"} \
    "docker-archive:$out:${finalImageName}:${finalImageTag}"
''

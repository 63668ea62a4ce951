# exportImage: the file system of an image as one flat tar archive, as `docker export` writes that of a container. No
# virtual machine is started for it.
#
#   fromImage                      the image: an archive, or one that streams
#   fromImageName, fromImageTag    which of several in the archive
#   name                           the result's
#   diskSize, useFUSEOverlayFS     mean nothing here
{
  archiveOf,
  lib,
  runCommand,
  strake,
}:
{
  fromImage,
  fromImageName ? null,
  fromImageTag ? null,
  name ? fromImage.name,
  diskSize ? null,
  useFUSEOverlayFS ? null,
}:
let
  picked = lib.optionalString (fromImageName != null && fromImageTag != null) ":${fromImageName}:${fromImageTag}";
in
runCommand name { nativeBuildInputs = [ strake ]; } ''
  strake export --no-cache ${lib.escapeShellArg "docker-archive:${archiveOf fromImage}${picked}"} -o "$out"
''

# An image as a docker-archive in the store, whatever it is: a path or a derivation that is one already, or a derivation
# that streams one.
{ runCommand }:
image:
if image.isExe or false then
  runCommand "${baseNameOf image.imageName}.tar" {
    inherit (image) imageName;
    passthru = { inherit (image) imageTag; };
  } ''${image} --no-cache --quiet > "$out"''
else
  image

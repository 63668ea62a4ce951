# fleet: several images, planned together so that they share layers.
#
#   fleet [ image… ]          the images, as streamLayeredImage makes them, each with layers that the others have, too
#   fleet { name = image; … } the same by name
#
# The images are planned one by one first, and from their closures one lock file is made, by which each of them is
# planned again.
{
  lib,
  runCommand,
  strake,
}:
images:
let
  list = if builtins.isList images then images else builtins.attrValues images;
  fewest = builtins.foldl' (least: image: if image.maxLayers < least then image.maxLayers else least) 125 list;
  layeringLock = runCommand "fleet.lock" { nativeBuildInputs = [ strake ]; } ''
    # Under names in the store they would stand for their own closures.
    ${lib.concatMapStringsSep "\n" (image: "cp ${image.conf} ${baseNameOf image.conf}") list}
    strake layers --fleet *.json --key closure \
      --max-layers ${toString (fewest - 1)} --lock "$out" --update-lock > /dev/null
  '';
  together = image: image.override { inherit layeringLock; };
in
if builtins.isList images then map together images else builtins.mapAttrs (_: together) images

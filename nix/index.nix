# index: images for several platforms under one name (docs/platforms.md).
#
#   index [ image… ]    the same image for each platform
#
# The result is a program that pushes them, and has copyTo and push, as images have them.
{ actions }:
images:
let
  all = actions "--index ${toString (map (image: "${image.conf}") images)}";
in
all.push // { inherit (all) copyTo push; }

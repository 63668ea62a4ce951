# How layers are decided, as options of strake.
#
#   layering          auto | popularity | cost | each | one
#   maxLayers         so many layers in all
#   layeringPipeline  a list of operations, or a JSON file with one; it alone decides then
#   layeringLock      a lock file, as image.updateLock writes it; with cost only
#   fleet             a file of all layers of several images (fleet.nix); with cost only
{ lib, writeText }:
{
  layering,
  maxLayers ? 100,
  layeringPipeline ? null,
  layeringLock ? null,
}:
let
  pipeline =
    if builtins.isList layeringPipeline then
      writeText "layering-pipeline.json" (builtins.toJSON layeringPipeline)
    else
      layeringPipeline;
in
if layeringPipeline != null then
  [
    "--pipeline"
    "${pipeline}"
  ]
else
  [
    "--strategy"
    layering
    "--max-layers"
    (toString maxLayers)
  ]
  ++ lib.optionals (layeringLock != null) [
    "--lock"
    "${layeringLock}"
  ]

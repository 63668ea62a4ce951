# How layers are decided, as options of strake.
#
#   layering          auto | popularity | cost | each | one
#   maxLayers         maximum number of layers in all
#   layeringPipeline  a list of operations, or a JSON file with one; it alone decides then
#   layeringLock      a lock file, as image.updateLock writes it; with cost only
#   mostPopular       so many layers of store paths: the most popular alone, the others together, as nix2container does. It
#                     alone decides then
{ lib, writeText }:
{
  layering ? null,
  maxLayers ? 100,
  mostPopular ? null,
  layeringPipeline ?
    if mostPopular == null then
      null
    else
      [
        [ "popularity_contest" ]
        [
          "limit_layers"
          mostPopular
        ]
      ],
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

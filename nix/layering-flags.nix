# How layers are decided, as options of strake.
#
#   layering          auto | popularity | cost | each | one; null: as nix2container does, the most popular store paths alone
#                     and the others together
#   maxLayers         so many layers in all; with null, of store paths
#   layeringPipeline  a list of operations, or a JSON file with one; it alone decides then
#   layeringLock      a lock file, as image.updateLock writes it; with cost only
{ lib, writeText }:
{
  layering,
  maxLayers ? 100,
  layeringPipeline ? null,
  layeringLock ? null,
}:
let
  mostPopular = [
    [ "popularity_contest" ]
    [
      "limit_layers"
      maxLayers
    ]
  ];
  wanted = if layeringPipeline == null && layering == null then mostPopular else layeringPipeline;
  pipeline =
    if builtins.isList wanted then
      writeText "layering-pipeline.json" (builtins.toJSON wanted)
    else
      wanted;
in
if wanted != null then
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

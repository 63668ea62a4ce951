# buildLayer: layers that are planned, and described, by themselves, so that what else changes in an image does not touch
# them. The arguments are those of nix2container's buildLayer:
#
#   deps          packages, which are in the layer with all that they need
#   copyToRoot    a package or a list of them, whose trees are copied to the image's root, each in a layer; what they need
#                 is in the store, they themselves only if something refers to them
#   perms         [ { path; regex; mode; uid; gid; } … ]: modes and owners for what is copied from path and matches regex
#   layers        layers by buildLayer: what is in them is left out of this one
#   maxLayers     maximum number of layers for deps
#   ignore        a store path that is left out
#   metadata      what the history says of these layers: created_by, author, comment
#   reproducible  false: packages whose bytes differ from machine to machine, so that they are not described
#   contents      the old name of copyToRoot
#   materializeEtc   as for nix2container.buildImage
#
# and layering, with maxLayers, for other layers than the most popular ones (layering-flags.nix).
#
# The result is a conf (docs/conf.md) of just these layers, with `nestedLayers`: all that it needs below it.
{
  copiedOf,
  customisationsOf,
  defaultArchitecture,
  layeringFlags,
  lib,
  makeConf,
}:
{
  deps ? [ ],
  copyToRoot ? null,
  ignore ? null,
  layers ? [ ],
  reproducible ? true,
  perms ? [ ],
  maxLayers ? 1,
  contents ? null,
  metadata ? {
    created_by = "strake";
  },
  layering ? null,
  materializeEtc ? true,
}:
let
  copied = copiedOf "buildLayer" { inherit copyToRoot contents; };
  nestedLayers = lib.unique (lib.concatMap (layer: layer.nestedLayers ++ [ layer ]) layers);
in
assert builtins.isList copied;
makeConf {
  baseName = "layer";
  tag = "layer";
  created = "1970-01-01T00:00:01Z";
  mtime = "1970-01-01T00:00:01Z";
  conf = {
    architecture = defaultArchitecture;
    config = { };
    os = "linux";
    store_dir = builtins.storeDir;
    from_image = null;
    repo_tag = "layer";
    uid = 0;
    gid = 0;
    uname = "root";
    gname = "root";
    inherit metadata;
    customisation = customisationsOf { inherit copied perms materializeEtc; };
  };
  roots = deps ++ copied;
  inherit copied;
  excluded = lib.optional (ignore != null) ignore;
  flags = layeringFlags (
    if layering == null then
      { mostPopular = maxLayers; }
    else
      {
        inherit layering;
        maxLayers = maxLayers + builtins.length copied;
      }
  );
  without = nestedLayers;
  described = reproducible;
  passthru = {
    inherit nestedLayers;
  };
}

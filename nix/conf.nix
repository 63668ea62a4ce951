# An image's conf (docs/conf.md): a derivation with one JSON file.
#
#   baseName    the derivation's name is ${baseName}-conf.json
#   conf        the conf as an attribute set, without store_layers, closure, created, mtime, and without the tag
#   tag         the tag; the hash of the derivation's store path if null
#   created, mtime   times, as date -d takes them, or "now"
#   roots       what the image's store holds, with all that it needs; none if it holds no store paths
#   excluded    paths among these that are not to be in the image
#   flags       options that say how layers are decided (layering-flags.nix)
#   copied      paths that are in the image's store only if something refers to them
#   below       confs whose layers become the image's lowest
#   without     confs whose store paths are left out
#   described   find out all layers' digests and sizes, and write them into the conf
#   known       described confs, in which layers may be known already
{
  jobs,
  lib,
  runCommand,
  strake,
}:
{
  baseName,
  conf,
  tag,
  created,
  mtime,
  roots,
  excluded ? [ ],
  copied ? [ ],
  flags,
  below ? [ ],
  without ? [ ],
  described ? false,
  known ? [ ],
  passthru ? { },
}:
let
  inherit (lib) concatMap escapeShellArgs optionalString;

  arguments =
    flags
    ++ concatMap (path: [ "--exclude" "${path}" ]) excluded
    ++ concatMap (path: [ "--copied" "${path}" ]) copied
    ++ concatMap (file: [ "--below" "${file}" ]) below
    ++ concatMap (file: [ "--without" "${file}" ]) without;

  derivation = runCommand "${baseName}-conf.json" {
    __structuredAttrs = true;
    exportReferencesGraph.graph = roots ++ below ++ without;
    incomplete = builtins.toJSON conf;
    inherit created mtime;
    nativeBuildInputs = [ strake ];
    # Planning is quick; describing reads all store paths, wherever they are.
    preferLocalBuild = !described;
    passthru = passthru // {
      imageTag =
        if tag != null then
          tag
        else
          builtins.head (builtins.split "-" (baseNameOf (builtins.unsafeDiscardStringContext derivation.outPath)));
    };
  } ''
    target=''${out:-''${outputs[out]}}
    ${
      if tag != null then
        "tag=${lib.escapeShellArg tag}"
      else
        ''
          tag=''${target##*/}
          tag=''${tag%%-*}
        ''
    }
    for time in created mtime; do
      [ "''${!time}" = now ] || printf -v "$time" %s "$(date -u -Iseconds -d "''${!time}")"
    done
    printf %s "$incomplete" > incomplete.json
    strake plan --conf incomplete.json --tag "$tag" --created "$created" --mtime "$mtime" \
      ${optionalString (roots != [ ]) ''--graph "''${NIX_ATTRS_JSON_FILE:-.attrs.json}" --key graph''} \
      ${escapeShellArgs arguments} -o ${if described then "plan.json" else ''"$target"''}
    ${optionalString described ''
      set -o pipefail
      # A build's output is a terminal, where strake would draw a bar.
      strake describe plan.json --no-cache ${jobs} -o "$target" \
        ${escapeShellArgs (concatMap (file: [ "--known" "${file}" ]) known)} 2>&1 | cat
    ''}
  '';
in
derivation

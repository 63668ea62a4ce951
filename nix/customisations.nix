# nix2container's copyToRoot and perms as customisations (docs/conf.md): one for each tree, so that a rule touches only
# what comes from its path.
#
#   copied    packages whose trees are copied to the root
#   perms     [ { path; regex; mode; uid; gid; } … ]: regex is matched anywhere in a file's name in the image. Owners that
#             are not said are root, as in nix2container
#   materializeEtc    whether files take the place of /etc/passwd and /etc/group where these would be links into the store
{ lib }:
{
  copied,
  perms ? [ ],
  materializeEtc ? true,
}:
let
  paths = map (path: "${path}") copied;
  astray = builtins.filter (perm: !builtins.elem "${perm.path}" paths) perms;
  rule =
    perm:
    {
      # nix2container matches against the name in the store.
      regex =
        let
          regex = perm.regex or ".*";
          bare = lib.removePrefix "^${perm.path}" regex;
        in
        if bare != regex then "^${bare}" else lib.removePrefix "${perm.path}" regex;
      uid = perm.uid or 0;
      gid = perm.gid or 0;
    }
    // (if perm ? mode then { inherit (perm) mode; } else { });
in
if astray != [ ] then
  throw "perms are for what copyToRoot names; ${(builtins.head astray).path} is not among it, and store paths keep their modes"
else
  map (path: {
    root = path;
    materialize_etc = materializeEtc;
    rules = map rule (builtins.filter (perm: "${perm.path}" == path) perms);
  }) paths

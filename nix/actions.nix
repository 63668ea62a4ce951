# Operations on an image, as programs for `nix run`: three lines each, all arguments go on to strake.
#
#   actions conf    for a conf in the store, described or not, with or without its store paths at hand; or for whatever
#                   else `strake copy` is given before destinations
{
  strake,
  writeProgram,
}:
conf:
let
  program = "${strake}/bin/strake";
  script =
    name: text:
    writeProgram name ''
      set -euo pipefail
      ${text}
    '';
  # Destinations come first, to distinguish them from the values of options and, for an index, from its images.
  copy = ''
    set -- "$@" --
    while :; do
      case "$1" in -*) break ;; *) set -- "$@" "$1"; shift ;; esac
    done
    exec ${program} copy ${conf} "$@"
  '';
in
{
  # copyTo DEST… [OPTIONS]: to any destinations that strake knows (docs/copy.md).
  copyTo = script "copy-to" copy;

  # push docker://REGISTRY/NAME:TAG… [OPTIONS]: to a registry.
  push = script "push" ''
    case "''${1-}" in docker://*) ;; *) echo "usage: push docker://REGISTRY/NAME:TAG… [OPTIONS]" >&2; exit 2 ;; esac
    ${copy}
  '';

  # load [OPTIONS]: into the container engine that is there, or that --to names; only the layers that it lacks.
  load = script "load" ''exec ${program} load ${conf} "$@"'';

  # stream [OPTIONS] > FILE: a docker-archive.
  stream = script "stream" ''exec ${program} stream ${conf} "$@"'';

  # inspect [OPTIONS]: what is in it.
  inspect = script "inspect" ''exec ${program} inspect ${conf} "$@"'';
}

# An image: an executable that writes it to stdout as a docker-archive, with all that can be asked of it.
#
#   baseName    the derivation's name is stream-${baseName}
#   imageName   the image's name without tag
#   conf        its conf (conf.nix)
#   known       described confs, in which layers may be known already
#   lockFlags   options for updateLock
#
# The result:
#
#   imageName, imageTag, isExe, conf    as in dockerTools
#   copyTo, push, load, stream, inspect    programs (actions.nix)
#   updateLock FILE    a program that writes the lock file for layeringLock
#   description   the conf with all layers' digests and sizes, without any reference to a store path: who has it knows
#                 the image, and can push what a registry has already; it has copyTo, push and inspect, too
{
  actions,
  lib,
  runCommand,
  buildShell,
  jobs,
  strake,
  writeProgram,
}:
{
  baseName,
  imageName,
  conf,
  known ? [ ],
  lockFlags ? [ ],
  passthru ? { },
  meta ? { },
}:
let
  doings = actions conf;

  description = runCommand "${baseName}-description.json" {
    nativeBuildInputs = [ strake ];
    passthru = { inherit (actions description) copyTo push inspect; };
  } ''
    set -o pipefail
    # A build's output is a terminal, where strake would draw a bar.
    strake describe ${conf} --no-cache ${jobs} --detached -o "$out" \
      ${lib.escapeShellArgs (lib.concatMap (file: [ "--known" "${file}" ]) known)} 2>&1 | cat
  '';

  # The closure as it was planned stands in the conf. That is read from stdin, since a store path stands for its own.
  updateLock = writeProgram "update-lock" ''
    set -euo pipefail
    exec ${strake}/bin/strake layers - --key closure --strategy cost --lock "''${1:-layers.lock}" --update-lock \
      ${lib.escapeShellArgs lockFlags} < ${conf} > /dev/null
  '';
in
runCommand "stream-${baseName}" {
  inherit conf imageName meta;
  preferLocalBuild = true;
  passthru =
    doings
    // {
      inherit (conf) imageTag;
      inherit conf description updateLock;
      # Functions that take images can tell that this one is a program, not a file.
      isExe = true;
    }
    // passthru;
} ''
  {
    echo '#!${buildShell}'
    echo 'exec ${strake}/bin/strake stream ${conf} "$@"'
  } > "$out"
  chmod +x "$out"
''

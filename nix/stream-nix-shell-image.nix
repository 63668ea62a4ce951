# streamNixShellImage: an image in which one finds what nix-shell would set up for a derivation.
#
#   drv              the derivation; not one with structured attributes
#   name, tag        the image's; default ${drv.name}-env
#   uid, gid         who one is in it
#   homeDirectory    and where at home
#   shell            a bash
#   command, run     what to do there, as nix-shell's --command and --run; only one of them
#
# buildDerivation, a command in it, runs the derivation's builder.
{
  bashInteractive,
  binSh,
  cacert,
  fakeNss,
  lib,
  streamLayeredImage,
  usrBinEnv,
  writeShellScriptBin,
  writeText,
}:
{
  drv,
  name ? drv.name + "-env",
  tag ? null,
  uid ? 1000,
  gid ? 1000,
  homeDirectory ? "/build",
  shell ? "${bashInteractive}/bin/bash",
  command ? null,
  run ? null,
}:
assert lib.assertMsg (
  !(drv.drvAttrs.__structuredAttrs or false)
) "streamNixShellImage: ${drv.name} has structured attributes, which cannot be set up as variables";
assert lib.assertMsg (
  command == null || run == null
) "streamNixShellImage: give command or run, not both";
let
  inherit (lib) concatMapStringsSep escapeShellArg mapAttrsToList optionalString;

  # Where a build runs in Nix's sandbox.
  buildDirectory = "/build";

  # An attribute as the builder gets it. A path is copied to the store, which toString would not do.
  variable =
    value:
    if builtins.isPath value then
      "${value}"
    else if builtins.isList value then
      builtins.concatStringsSep " " (map variable value)
    else
      toString value;

  builder = writeShellScriptBin "buildDerivation" ''
    exec ${escapeShellArg (variable drv.drvAttrs.builder)} ${
      concatMapStringsSep " " (argument: escapeShellArg (variable argument)) drv.drvAttrs.args
    }
  '';

  attributes = builtins.listToAttrs (
    mapAttrsToList (
      name: value:
      if builtins.elem name (drv.drvAttrs.passAsFile or [ ]) then
        {
          name = "${name}Path";
          value = writeText "attribute-${name}" (variable value);
        }
      else
        {
          inherit name;
          value = variable value;
        }
    ) drv.drvAttrs
  );
  # Where the outputs would be; they need not be there.
  outputs = builtins.listToAttrs (
    map (output: {
      name = output;
      value = builtins.unsafeDiscardStringContext drv.${output}.outPath;
    }) (drv.outputs or [ "out" ])
  );

  path = "${dirOf shell}:${lib.makeBinPath [ builder ]}";

  # The environment of a build in the sandbox (Nix 2.8, LocalDerivationGoal::initEnv), but for PATH and HOME.
  environment =
    {
      PATH = path;
      HOME = homeDirectory;
      NIX_STORE = builtins.storeDir;
      NIX_BUILD_CORES = "1";
      SSL_CERT_FILE = "${cacert}/etc/ssl/certs/ca-bundle.crt";
      NIX_SSL_CERT_FILE = "${cacert}/etc/ssl/certs/ca-bundle.crt";
    }
    // attributes
    // outputs
    // builtins.listToAttrs (
      map
        (name: {
          inherit name;
          value = buildDirectory;
        })
        [
          "NIX_BUILD_TOP"
          "TMPDIR"
          "TEMPDIR"
          "TMP"
          "TEMP"
          "PWD"
        ]
    )
    // {
      TERM = "xterm-256color";
    };

  # The script that nix-shell has its bash read.
  start = writeText "nix-shell-rc" ''
    unset PATH
    dontAddDisableDepTrack=1
    [ -e "$stdenv/setup" ] && source "$stdenv/setup"
    PATH=${path}:"$PATH"
    SHELL=${escapeShellArg shell}
    BASH=${escapeShellArg shell}
    set +e
    [ -n "$PS1" ] && [ -z "$NIX_SHELL_PRESERVE_PROMPT" ] && PS1='\n\[\033[1;32m\][nix-shell:\w]\$\[\033[0m\] '
    if [ "$(type -t runHook)" = function ]; then runHook shellHook; fi
    unset NIX_ENFORCE_PURITY
    shopt -u nullglob
    shopt -s execfail
    ${optionalString (command != null) command}
    ${optionalString (run != null) run}
    ${optionalString (command != null || run != null) "exit"}
  '';

  owned = paths: map (path: { inherit path uid gid; }) paths;
in
streamLayeredImage {
  inherit name tag;
  contents = [
    binSh
    usrBinEnv
    (fakeNss.override {
      extraPasswdLines = [ "nixbld:x:${toString uid}:${toString gid}:Build user:${homeDirectory}:/noshell" ];
      extraGroupLines = [ "nixbld:!:${toString gid}:" ];
    })
  ];
  # The user is to have the whole store, as after installing Nix for one user.
  customisation = {
    entries =
      map
        (path: {
          inherit path;
          directory = true;
        })
        [
          "/nix/store"
          "/nix/var/nix"
          "/etc/nix"
          buildDirectory
        ];
    rules = owned [
      "/nix{,/**}"
      "/etc/nix"
      buildDirectory
    ];
  };
  config = {
    User = "${toString uid}:${toString gid}";
    Cmd = if run == null then [ shell "--rcfile" "${start}" ] else [ shell "${start}" ];
    WorkingDir = buildDirectory;
    Env = mapAttrsToList (name: value: "${name}=${toString value}") environment;
  };
}

# A small nixpkgs: what nix/default.nix says that it needs and no more, over the programs of the machine that runs the
# tests. Its packages have no dependencies but each other; what is to run in a container is busybox, which is static.
#
#   program    strake's place on this machine
{ program }:
let
  system = builtins.currentSystem;
  inherit (builtins) concatMap concatStringsSep filter isList map replaceStrings toString;

  lib = rec {
    inherit (builtins) concatMap concatStringsSep;
    assertMsg = condition: message: condition || throw message;
    concatMapStringsSep = separator: function: list: concatStringsSep separator (map function list);
    escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
    escapeShellArgs = concatMapStringsSep " " escapeShellArg;
    imap0 = function: list: builtins.genList (at: function at (builtins.elemAt list at)) (builtins.length list);
    makeBinPath = concatMapStringsSep ":" (package: "${package}/bin");
    makeOverridable =
      function: arguments:
      let
        result = function arguments;
      in
      result // { override = change: makeOverridable function (arguments // change); };
    mapAttrsToList = function: set: map (name: function name set.${name}) (builtins.attrNames set);
    optional = condition: value: optionals condition [ value ];
    optionalAttrs = condition: set: if condition then set else { };
    optionals = condition: list: if condition then list else [ ];
    optionalString = condition: text: if condition then text else "";
    removePrefix =
      prefix: text:
      let
        length = builtins.stringLength prefix;
      in
      if builtins.substring 0 length text == prefix then builtins.substring length (-1) text else text;
    toList = value: if isList value then value else [ value ];
    toLower =
      let
        letters = text: filter (letter: letter != [ ] && letter != "") (builtins.split "" text);
      in
      replaceStrings (letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (letters "abcdefghijklmnopqrstuvwxyz");
    unique = builtins.foldl' (list: value: if builtins.elem value list then list else list ++ [ value ]) [ ];
  };

  # The initial environment of a build: attributes as variables, and a PATH.
  setup = ''
    set -eo pipefail
    if [ -e .attrs.sh ]; then . ./.attrs.sh; fi
    export PATH=$inputs:/usr/bin:/bin NIX_BUILD_CORES=''${NIX_BUILD_CORES:-1} SOURCE_DATE_EPOCH=1
    eval "$buildCommand"
  '';

  runCommand =
    name: attributes: script:
    let
      result = derivation (
        {
          inherit name system;
          builder = "/bin/bash";
          args = [
            "-c"
            setup
          ];
          buildCommand = script;
          inputs = lib.makeBinPath (attributes.nativeBuildInputs or [ ]);
        }
        // removeAttrs attributes [
          "nativeBuildInputs"
          "passthru"
          "meta"
        ]
      );
      passthru = attributes.passthru or { };
    in
    result
    // passthru
    // {
      inherit passthru;
      meta = attributes.meta or { };
    };

  writeScript =
    name: text:
    runCommand name {
      inherit text;
      passAsFile = [ "text" ];
    } ''cp "$textPath" "$out"; chmod 555 "$out"'';

  nothing = runCommand "nothing" { } ''mkdir "$out"'';
in
rec {
  inherit lib runCommand writeScript;
  stdenv.hostPlatform = { inherit system; };

  writeText =
    name: text:
    runCommand name {
      inherit text;
      passAsFile = [ "text" ];
    } ''cp "$textPath" "$out"; chmod 444 "$out"'';

  writeShellScriptBin =
    name: text:
    runCommand name {
      text = ''
        #!${runtimeShell}
        ${text}
      '';
      passAsFile = [ "text" ];
      meta.mainProgram = name;
    } ''mkdir -p "$out/bin"; cp "$textPath" "$out/bin/${name}"; chmod 555 "$out/bin/${name}"'';

  symlinkJoin =
    {
      name,
      paths,
      postBuild ? "",
      ...
    }@arguments:
    runCommand name
      (
        removeAttrs arguments [
          "name"
          "postBuild"
        ]
        // {
          inherit paths;
        }
      )
      ''
        mkdir -p "$out"
        for path in $paths; do lndir -silent "$path" "$out"; done
        ${postBuild}
      '';

  closureInfo =
    { rootPaths }:
    runCommand "closure-info" {
      __structuredAttrs = true;
      exportReferencesGraph.closure = rootPaths;
    } ''
      mkdir "''${outputs[out]}"
      jq -r '.closure | map([.path, .narHash, .narSize, "", (.references | length)] + .references) | add | .[]' \
        .attrs.json > "''${outputs[out]}/registration"
    '';

  # Found in the machine's own directories.
  coreutils = busybox;
  fakeroot = runCommand "fakeroot" { } ''
    mkdir -p "$out/bin"
    ln -s "$(realpath "$(command -v fakeroot)")" "$out/bin/fakeroot"
  '';
  # Under another root these must be there as well, but are no part of it.
  proot = runCommand "proot" { } ''
    mkdir -p "$out/bin"
    {
      echo '#!/bin/sh'
      echo 'export TAR_OPTIONS="--exclude=./usr --exclude=./lib --exclude=./lib64"'
      echo 'exec /usr/bin/proot --bind=/usr --bind=/lib --bind=/lib64 "$@"'
    } > "$out/bin/proot"
    chmod +x "$out/bin/proot"
  '';
  rsync = nothing;
  zstd = nothing;
  pigz = runCommand "pigz" { } ''
    mkdir -p "$out/bin"
    printf '#!/bin/sh\nexec gzip -n\n' > "$out/bin/pigz"
    chmod +x "$out/bin/pigz"
  '';
  shadow = nothing;

  # Of bash there is the machine's, which needs the machine's C library, so no container runs it.
  bash = runCommand "bash-5" { } ''mkdir -p "$out/bin"; cp /bin/bash "$out/bin/bash"; ln -s bash "$out/bin/sh"'';
  bashInteractive = bash;
  runtimeShell = "${busybox}/bin/sh";

  busybox = runCommand "busybox-1.35" { } ''
    mkdir -p "$out/bin"
    cp "$(command -v busybox)" "$out/bin/busybox"
    for applet in cat chmod cp date diff echo env false find grep httpd id ls mkdir readlink rm sh sleep stat test touch true tr wc; do
      ln -s busybox "$out/bin/$applet"
    done
  '';

  hello = runCommand "hello-2.12" { inherit greeting; } ''
    mkdir -p "$out/bin"
    printf '#!%s/bin/sh\ncat %s/share/greeting\n' ${busybox} "$greeting" > "$out/bin/hello"
    sed -i "s|^cat|${busybox}/bin/cat|" "$out/bin/hello"
    chmod +x "$out/bin/hello"
  '';

  greeting = runCommand "greeting-1.0" { } ''mkdir -p "$out/share"; echo 'Hello, world!' > "$out/share/greeting"'';

  cacert = runCommand "cacert" { } ''mkdir -p "$out/etc/ssl/certs"; echo none > "$out/etc/ssl/certs/ca-bundle.crt"'';

  # Started from where it was built.
  strake = runCommand "strake" { } ''
    mkdir -p "$out/bin"
    printf '#!/bin/sh\nexec ${program} "$@"\n' > "$out/bin/strake"
    chmod +x "$out/bin/strake"
  '';
}

# A layer that is packed in a build: a directory with layer.tar, and its SHA-256 in checksum, as dockerTools makes it and
# strake takes it (docs/conf.md, customisation_layer).
#
# It is needed where commands make the files; what can be said by rules is better said by rules (permissions that are
# declared need neither fakeroot nor a tar archive in the store).
#
#   contents          directories whose trees are linked at the root
#   copied            directories whose trees are copied to the root, and
#   keepDirlinks      whether links to directories are kept in doing so; otherwise they become directories
#   database          whether to register the contents, and all that they and `registered` need, in a Nix database
#   registered        more that is to be registered
#   unregistered      paths among these that are not in the image
#   materializeEtc    whether files take the place of /etc/passwd and /etc/group where these would be links into the store
#   extraCommands     commands to run in the tree
#   fakeRootCommands  commands to run in it as root, or as what seems to be root
#   enableFakechroot  whether the tree is / for these
#   owner             options of tar for owners
{
  closureInfo,
  fakeroot,
  lib,
  proot,
  rsync,
  stdenv,
  strake,
  symlinkJoin,
}:
{
  baseName,
  contents ? [ ],
  copied ? [ ],
  keepDirlinks ? false,
  database ? false,
  registered ? [ ],
  unregistered ? [ ],
  materializeEtc ? false,
  extraCommands ? "",
  fakeRootCommands ? "",
  enableFakechroot ? false,
  owner ? "--numeric-owner",
}:
let
  inherit (lib) concatMap escapeShellArgs optional optionalString;
  storeDir = builtins.storeDir;
  roots = contents ++ copied;

  # The arguments that dockerTools gives tar, so that the archive has the same bytes.
  pack = excluded: ''
    tar --create --file "$out/layer.tar" --format=gnu --sort=name ${owner} --mtime="@''${SOURCE_DATE_EPOCH:-1}" \
      --hard-dereference ${escapeShellArgs (map (directory: "--exclude=.${directory}") excluded)} .
  '';
  # The commands get the environment of the build.
  asRoot = commands: ''
    set -e
    if [ -e "''${NIX_ATTRS_SH_FILE-}" ]; then . "$NIX_ATTRS_SH_FILE"; fi
    if [ -e "''${stdenv-}/setup" ]; then . "$stdenv/setup"; fi
    ${commands}
  '';
  outside = [
    "/dev"
    "/proc"
    "/sys"
    storeDir
  ];
  packed =
    if enableFakechroot then
      ''
        export asRoot=${lib.escapeShellArg (asRoot ''
          eval "$fakeRootCommands"
          ${pack outside}
        '')}
        proot -r "$tree" ${escapeShellArgs (map (directory: "--bind=${directory}/:${directory}/!") outside)} --pwd=/ \
          fakeroot bash -c "$asRoot"
      ''
    else
      ''
        export asRoot=${lib.escapeShellArg (asRoot ''
          cd "$tree"
          eval "$fakeRootCommands"
          ${pack [ ]}
        '')}
        fakeroot bash -c "$asRoot"
      '';
in
assert lib.assertMsg (enableFakechroot -> !(stdenv.hostPlatform.isDarwin or false))
  "the image ${baseName}: enableFakechroot needs proot, which there is only on Linux";
symlinkJoin {
  name = "${baseName}-customisation-layer";
  paths = contents;
  inherit extraCommands fakeRootCommands;
  nativeBuildInputs =
    [ fakeroot ]
    ++ optional enableFakechroot proot
    ++ optional (copied != [ ]) rsync
    ++ optional database strake;
  postBuild = ''
    export tree=$PWD/tree
    mv "$out" "$tree"
    mkdir "$out"
    cd "$tree"
    ${optionalString (copied != [ ]) ''
      for directory in ${escapeShellArgs (map (directory: "${directory}") copied)}; do
        rsync -a${if keepDirlinks then "K" else "k"} "$directory/" ./
      done
      chmod ug+w .
    ''}
    ${optionalString database ''
      strake nix-database \
        --graph ${closureInfo { rootPaths = roots ++ registered; }}/registration \
        ${escapeShellArgs (
          concatMap (path: [ "--root" "${path}" ]) roots
          ++ concatMap (path: [ "--exclude" "${path}" ]) unregistered
        )} .
    ''}
    ${optionalString materializeEtc ''
      case "$(readlink etc || true)" in
        ${storeDir}/*)
          if [ -d etc ]; then
            target=$(readlink etc)
            rm etc
            mkdir etc
            find "$target/" -mindepth 1 -maxdepth 1 -exec ln -s -t etc {} +
          fi
          ;;
      esac
      for file in etc/passwd etc/group; do
        case "$(readlink "$file" || true)" in
          ${storeDir}/*)
            if [ -f "$file" ]; then
              install -m 644 "$file" "$file.new"
              mv "$file.new" "$file"
            fi
            ;;
        esac
      done
    ''}
    (eval "$extraCommands")
    cd "$tree"
    ${packed}
    sha256sum "$out/layer.tar" | cut -d ' ' -f 1 > "$out/checksum"
  '';
}

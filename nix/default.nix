# The library: functions that make container images from Nix expressions, on strake.
#
#   pkgs     nixpkgs, or anything that has the attributes listed below; nothing else of it is used
#   strake   the program; unless given, it is built with pkgs
#
# One file for each function, documented where it stands. A file says in its argument list which of the others, and
# which parts of pkgs, it uses.
{
  pkgs,
  strake ? (pkgs.buildPackages or pkgs).callPackage ./package.nix { },
}:
let
  # Packages in images: for the platform that they run on.
  needs = {
    inherit (pkgs)
      bashInteractive
      cacert
      closureInfo
      coreutils
      lib
      runCommand
      runtimeShell
      shadow
      stdenv
      symlinkJoin
      writeShellScriptBin
      writeText
      ;
    # nixpkgs' own, where it has one: images that hold it stay the same.
    fakeNss = pkgs.fakeNss or (call ./fake-nss.nix);
  };

  # Build tools and programs for the user: for the platform that builds.
  tools =
    let
      buildPackages = pkgs.buildPackages or pkgs;
    in
    {
      inherit (buildPackages)
        fakeroot
        pigz
        proot
        rsync
        zstd
        ;
      buildShell = buildPackages.runtimeShell;
      writeProgram = buildPackages.writeShellScriptBin;
    };

  scope = needs // tools // internal // functions // { inherit strake; };

  call =
    file:
    let
      function = import file;
    in
    function (builtins.intersectAttrs (builtins.functionArgs function) scope);

  # The helpers that the functions share.
  internal = {
    actions = call ./actions.nix;
    archiveOf = call ./archive-of.nix;
    archived = call ./archived.nix;
    compressors = call ./compressors.nix;
    copiedOf = call ./copied.nix;
    customisationsOf = call ./customisations.nix;
    customisationLayer = call ./customisation-layer.nix;
    defaultArchitecture = call ./architecture.nix;
    jobs = import ./jobs.nix;
    layeringFlags = call ./layering-flags.nix;
    makeConf = call ./conf.nix;
    makeImage = call ./image.nix;
  };

  functions = {
    # The functions of dockerTools.
    binSh = call ./bin-sh.nix;
    buildImage = call ./build-image.nix;
    buildImageWithNixDb = arguments: functions.buildImage (arguments // { includeNixDB = true; });
    buildLayeredImage = call ./build-layered-image.nix;
    buildLayeredImageWithNixDb = arguments: functions.buildLayeredImage (arguments // { includeNixDB = true; });
    buildNixShellImage = call ./build-nix-shell-image.nix;
    caCertificates = call ./ca-certificates.nix;
    exportImage = call ./export-image.nix;
    inherit (needs) fakeNss;
    mergeImages = call ./merge-images.nix;
    pullImage = call ./pull-image.nix;
    shadowSetup = call ./shadow-setup.nix;
    streamLayeredImage = call ./stream-layered-image.nix;
    streamNixShellImage = call ./stream-nix-shell-image.nix;
    usrBinEnv = call ./usr-bin-env.nix;

    # The functions of nix2container.
    buildLayer = call ./build-layer.nix;
    nix2container = {
      inherit (functions) buildLayer pullImage;
      buildImage = call ./nix2container-image.nix;
    };

    # The functions that neither has.
    fleet = call ./fleet.nix;
    index = call ./index.nix;
  };
in
functions // { inherit strake; }

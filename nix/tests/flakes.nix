# Flakes with inputs that need no network: a nixpkgs of the small packages, and strake's own flake.
#
#   flake    the directory of one, or null for strake's own
{
  program,
  flake ? null,
}:
let
  small = import ./pkgs.nix { inherit program; };
  # Where strake would be built with Rust there is the one that is tested.
  pkgs = small // {
    callPackage = _: _: small.strake;
    pkgsCross.aarch64-multiplatform = pkgs // {
      stdenv.hostPlatform.system = "aarch64-linux";
      buildPackages = pkgs;
    };
  };
  genAttrs =
    names: value:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = value name;
      }) names
    );
  nixpkgs = {
    lib = { inherit genAttrs; };
    legacyPackages = genAttrs [
      "x86_64-linux"
      "aarch64-linux"
    ] (_: pkgs);
  };
  strake = (import ../../flake.nix).outputs {
    self = strake;
    inherit nixpkgs;
  };
  outputs = if flake == null then strake else (import (flake + "/flake.nix")).outputs { inherit nixpkgs strake; };
in
outputs
// {
  # The inputs of a flake.
  inputs = { inherit nixpkgs strake; };

  # The overlay's additions to packages.
  overlaid =
    let
      final = pkgs // added // { buildPackages = final; };
      added = strake.overlays.default final pkgs;
    in
    added;

  # The arguments that package.nix gives to Rust's builder.
  package = import ../package.nix {
    lib = small.lib // {
      licenses = {
        mit = "MIT";
        asl20 = "Apache-2.0";
      };
      platforms.linux = [ "x86_64-linux" ];
    };
    stdenv = {
      buildPlatform.canExecute = _: true;
      hostPlatform = { };
    };
    installShellFiles = "installShellFiles";
    rustPlatform.buildRustPackage = arguments: arguments;
  };
}

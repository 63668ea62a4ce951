# Without flakes: the functions of docs/nix.md, and `strake`, the program.
#
#   import (fetchTarball …) { inherit pkgs; }
{
  pkgs ? import <nixpkgs> { },
  strake ? (pkgs.buildPackages or pkgs).callPackage ./nix/package.nix { },
}:
import ./nix { inherit pkgs strake; }

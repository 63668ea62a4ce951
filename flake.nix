{
  description = "Container images, laid straight over a Nix store";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = function: nixpkgs.lib.genAttrs systems (system: function nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        strake = pkgs.callPackage ./nix/package.nix { };
        default = strake;
      });

      # { pkgs, strake ? … }: the functions of docs/nix.md.
      lib = import ./nix;

      # pkgs.strake, and pkgs.strakeTools, which has the functions.
      overlays.default = final: _: {
        strake = final.callPackage ./nix/package.nix { };
        strakeTools = import ./nix {
          pkgs = final;
          inherit (final.buildPackages) strake;
        };
      };

      templates.default = {
        path = ./templates/minimal;
        description = "An image of a package, to be loaded or pushed";
      };
    };
}

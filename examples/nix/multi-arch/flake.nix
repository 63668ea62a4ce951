# The same image for several platforms under one name: aarch64 is cross-compiled on x86_64-linux.
#
#   nix run .#all -- docker://registry.example.org/app:v1
#
# With a builder for aarch64-linux the image is nixpkgs' own build: packages.aarch64-linux.image.
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.strake.url = "github:OWNER/strake";
  inputs.strake.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, strake, ... }:
    let
      images = pkgs: strake.lib { inherit pkgs; };
      image =
        pkgs:
        (images pkgs).streamLayeredImage {
          name = "multi-arch";
          tag = "latest";
          config.Cmd = [ "${pkgs.hello}/bin/hello" ];
        };
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      native = nixpkgs.lib.genAttrs systems (system: {
        image = image nixpkgs.legacyPackages.${system};
      });
    in
    {
      packages = native // {
        x86_64-linux = native.x86_64-linux // rec {
          cross = image nixpkgs.legacyPackages.x86_64-linux.pkgsCross.aarch64-multiplatform;
          all = (images nixpkgs.legacyPackages.x86_64-linux).index [
            native.x86_64-linux.image
            cross
          ];
        };
      };
    };
}

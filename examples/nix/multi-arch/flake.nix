# The same image for several platforms: nix build .#packages.aarch64-linux.image builds on such a machine, or a builder;
# .#cross builds it on x86_64-linux. Each is pushed under a tag of its own:
#
#   nix run .#packages.x86_64-linux.image.push -- docker://registry.example.org/app:v1-amd64
#   nix run .#cross.push -- docker://registry.example.org/app:v1-arm64
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.strake.url = "github:OWNER/strake";
  inputs.strake.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, strake, ... }:
    let
      image =
        pkgs:
        (strake.lib { inherit pkgs; }).streamLayeredImage {
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
        x86_64-linux = native.x86_64-linux // {
          cross = image nixpkgs.legacyPackages.x86_64-linux.pkgsCross.aarch64-multiplatform;
        };
      };
    };
}

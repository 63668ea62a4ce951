# nix run .#image.load                                        into docker or podman
# nix run .#image.push -- docker://registry.example.org/app:v1   to a registry
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.strake.url = "github:OWNER/strake";
  inputs.strake.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, strake, ... }:
    let
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      images = strake.lib { inherit pkgs; };
    in
    {
      packages.${system}.image = images.streamLayeredImage {
        name = "app";
        config.Cmd = [ "${pkgs.hello}/bin/hello" ];
      };
    };
}

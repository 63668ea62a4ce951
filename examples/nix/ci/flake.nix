# An image that a CI pushes when something is published; see push.yml for GitHub, and docs/nix.md.
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

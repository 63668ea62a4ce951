# Layers by hand: what changes together is together, and each is described by itself, once, for all images that have it.
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

      # Lowest, and the same in all images of the team.
      system-layer = images.buildLayer {
        deps = [ pkgs.busybox ];
        metadata.created_by = "the platform team";
      };
      # What the application needs, without what is below.
      libraries = images.buildLayer {
        deps = [ pkgs.hello ];
        layers = [ system-layer ];
        maxLayers = 10;
      };
      app = pkgs.writeShellScriptBin "app" ''
        echo "The application says:"
        exec ${pkgs.hello}/bin/hello
      '';
    in
    {
      packages.${system}.image = images.nix2container.buildImage {
        name = "layers";
        tag = "latest";
        layers = [ libraries ];
        # What is left: the application, in the uppermost layer.
        config.Cmd = [ "${app}/bin/app" ];
      };
    };
}

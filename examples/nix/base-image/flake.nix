# An image on a base image. The base is pulled by digest: `strake pin alpine:3.20` prints it, and Nix says what the hash
# should have been the first time.
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

      base = images.pullImage {
        imageName = "docker.io/library/alpine";
        imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
        hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
      };
      onBase = fromImage: images.streamLayeredImage {
        name = "on-base";
        tag = "latest";
        inherit fromImage;
        # Entrypoint, user, labels and all; dockerTools takes over the environment only.
        inheritConfig = "all";
        config.Cmd = [ "${pkgs.hello}/bin/hello" ];
      };
    in
    {
      packages.${system} = {
        image = onBase base;

        # The base may be an image of one's own, too.
        onOwn = onBase (images.streamLayeredImage {
          name = "own-base";
          contents = [ pkgs.busybox ];
          config.Env = [ "PATH=/bin" ];
        });
      };
    };
}

# A program on a shell, both of which one finds in /bin: nix run .#image.load && docker run --rm shell-app
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
        name = "shell-app";
        tag = "latest";
        contents = [
          pkgs.busybox
          pkgs.hello
        ];
        config = {
          Cmd = [ "/bin/hello" ];
          Env = [ "PATH=/bin" ];
        };
      };
    };
}

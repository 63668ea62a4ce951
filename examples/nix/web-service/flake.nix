# A web service that is not root, with a home, a writable /tmp and a place for data. Owners and modes are declared: no
# command is run as root, neither really nor seemingly.
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

      site = pkgs.runCommand "site" { } ''
        mkdir -p "$out"
        echo 'Hello from a container' > "$out/index.html"
      '';
    in
    {
      packages.${system}.image = images.streamLayeredImage {
        name = "web-service";
        tag = "latest";
        contents = [
          (images.fakeNss.override {
            extraPasswdLines = [ "web:x:1000:1000::/var/lib/web:/noshell" ];
            extraGroupLines = [ "web:x:1000:" ];
          })
        ];
        customisation = {
          entries = map (path: { inherit path; directory = true; }) [
            "/tmp"
            "/var/lib/web"
          ];
          rules = [
            { path = "/tmp"; mode = "1777"; }
            { path = "/var/lib/web"; uid = 1000; gid = 1000; mode = "750"; }
          ];
        };
        config = {
          User = "web";
          WorkingDir = "/var/lib/web";
          ExposedPorts."8080/tcp" = { };
          Cmd = [ "${pkgs.busybox}/bin/httpd" "-f" "-p" "8080" "-h" "${site}" ];
        };
      };
    };
}

# An image for each behaviour that nixpkgs' own tests of dockerTools check.
{
  pkgs,
  busybox,
  dockerTools,
}:
let
  inherit (dockerTools) buildImage buildLayeredImage streamLayeredImage;
  inherit (pkgs) hello runCommand;
  layered = buildLayeredImage {
    name = "layered";
    tag = "latest";
    contents = [
      hello
      busybox
    ];
    extraCommands = "echo extra > extraCommands";
    config.Cmd = [ "${hello}/bin/hello" ];
  };
  sh = "${busybox}/bin/sh";
in
rec {
  inherit layered;
  helloOnRoot = streamLayeredImage {
    name = "hello";
    tag = "latest";
    contents = [
      hello
    ];
    config.Cmd = [ "hello" ];
    config.Env = [ "PATH=/bin" ];
  };
}

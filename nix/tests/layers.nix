# Images of layers that are planned by themselves.
#
#   version    what changes in the application, and in nothing else
{
  pkgs,
  busybox,
  dockerTools,
  version,
}:
let
  inherit (dockerTools) buildLayer nix2container streamLayeredImage;
  inherit (pkgs) runCommand;
in
rec {
  library = runCommand "library" { } ''mkdir -p "$out/lib"; echo ${busybox} > "$out/lib/uses"'';
  app = runCommand "app" { } ''
    mkdir -p "$out/bin"
    printf '#!%s/bin/sh\n# %s\n%s/bin/echo version %s\n' ${busybox} ${library} ${busybox} ${version} > "$out/bin/app"
    chmod +x "$out/bin/app"
  '';
  root = runCommand "root" { } ''
    mkdir -p "$out/bin" "$out/home/jane" "$out/tmp"
    ln -s ${busybox}/bin/* "$out/bin/"
    echo secret > "$out/home/jane/key"
  '';

  # The C library of it all.
  bottom = buildLayer {
    deps = [ busybox ];
    metadata = {
      created_by = "the tests";
      author = "somebody";
    };
  };
  middle = buildLayer {
    deps = [ library ];
    layers = [ bottom ];
  };
  top = buildLayer {
    deps = [ app ];
    layers = [ middle ];
  };

  image = nix2container.buildImage {
    name = "by-layers";
    tag = version;
    layers = [
      # Twice is once.
      top
      middle
    ];
    copyToRoot = root;
    perms = [
      {
        path = root;
        regex = "^${root}/home/jane";
        mode = "0700";
        uid = 1000;
        gid = 100;
      }
      {
        path = root;
        regex = "/tmp$";
        mode = "1777";
      }
    ];
    config.Cmd = [ "${app}/bin/app" ];
    initializeNixDatabase = true;
    nixUid = 1000;
  };

  # A store path that is at the root and refers to itself, and one that nothing needs.
  selfish = runCommand "selfish" { } ''mkdir "$out"; echo "$out" > "$out/self"'';
  selfless = runCommand "selfless" { } ''mkdir "$out"; echo ${busybox} > "$out/other"'';
  copies = buildLayer {
    copyToRoot = [
      selfish
      selfless
    ];
  };

  # Planned layers, one image above layers by themselves.
  web = streamLayeredImage {
    name = "web";
    tag = "latest";
    contents = [
      app
      pkgs.hello
    ];
    layering = "cost";
    layers = [ bottom ];
  };
  worker = streamLayeredImage {
    name = "worker";
    tag = "latest";
    contents = [ app ];
    layering = "cost";
  };
  both = dockerTools.fleet {
    inherit worker;
    web = web.override { layers = [ ]; };
  };
  # After a version of which the description was kept.
  after = file: worker.override { knownLayers = [ file ]; };
  locked = file: worker.override { layeringLock = file; };
  described = web.override { describe = true; };
}

# An image for each behaviour that nixpkgs' own test of dockerTools checks, and for what there is besides.
{
  pkgs,
  busybox,
  dockerTools,
}:
let
  inherit (dockerTools) buildImage buildLayeredImage streamLayeredImage;
  inherit (pkgs) hello runCommand;

  directory = name: runCommand name { } ''mkdir -p "$out/share"; echo ${name} > "$out/share/${name}"'';
  sh = "${busybox}/bin/sh";
in
rec {
  # Packages, for what the tests name.
  inherit busybox hello;

  helloOnRoot = streamLayeredImage {
    name = "hello";
    tag = "latest";
    contents = [ hello ];
    config.Cmd = [ "hello" ];
    config.Env = [ "PATH=/bin" ];
  };
  helloOnRootNoStore = helloOnRoot.override { includeStorePaths = false; };

  # A stable date, a tag, an archive.
  shell = buildImage {
    name = "shell";
    tag = "latest";
    copyToRoot = busybox;
    config.Env = [ "PATH=/bin" ];
  };
  shellNoTag = buildImage {
    name = "shell-no-tag";
    copyToRoot = busybox;
  };
  shellNoTagLayered = buildLayeredImage {
    name = "shell-no-tag-layered";
    contents = busybox;
  };
  shellNoTagStream = streamLayeredImage {
    name = "shell-no-tag-stream";
    contents = busybox;
  };
  shellZstd = shell.override {
    name = "shell-zstd";
    compressor = "zstd";
  };
  shellPlain = shell.override {
    name = "shell-plain";
    compressor = "none";
  };
  unstableDate = buildImage {
    name = "unstable-date";
    tag = "latest";
    copyToRoot = busybox;
    created = "now";
  };
  unstableDateLayered = streamLayeredImage {
    name = "unstable-date-layered";
    tag = "latest";
    contents = busybox;
    created = "now";
  };
  dated = streamLayeredImage {
    name = "Dated";
    tag = "latest";
    contents = busybox;
    created = "2001-02-03 04:05:06 UTC";
    mtime = "@86400";
    uid = 7;
    gid = 8;
    uname = "seven";
    gname = "eight";
  };

  layered = buildLayeredImage {
    name = "layered";
    tag = "latest";
    contents = [
      hello
      busybox
    ];
    extraCommands = ''echo "(extraCommand)" > extraCommands'';
    config.Cmd = [ "${hello}/bin/hello" ];
  };
  another = buildLayeredImage {
    name = "another";
    tag = "latest";
    config.Cmd = [ "${hello}/bin/hello" ];
  };
  onTop = buildImage {
    name = "layered-on-top";
    tag = "latest";
    fromImage = layered;
    extraCommands = "mkdir example-output; chmod 777 example-output";
    config = {
      WorkingDir = "/example-output";
      Cmd = [
        sh
        "-c"
        "echo hello > foo; ${busybox}/bin/cat foo"
      ];
    };
  };
  onTopLayered = buildLayeredImage {
    name = "layered-on-top-layered";
    tag = "latest";
    # An image that streams may be a base image, too.
    fromImage = layered.stream;
    inherit (onTop.buildArgs) extraCommands config;
  };
  layersOrder =
    let
      layer =
        number: base: files:
        buildImage {
          name = "l${toString number}";
          tag = "latest";
          fromImage = base;
          copyToRoot = if number == 3 then busybox else null;
          extraCommands = "mkdir -p tmp; for file in ${files}; do echo layer${toString number} > tmp/$file; done";
          config.Env = [ "PATH=/bin" ];
        };
    in
    layer 3 (layer 2 (layer 1 null "layer1 layer2 layer3") "layer2 layer3") "layer3";

  parent = buildImage {
    name = "parent";
    tag = "latest";
    config.Env = [
      "FROM_PARENT=true"
      "LAST_LAYER=parent"
      "PATH=/bin"
    ];
  };
  child = buildImage {
    name = "child";
    tag = "latest";
    fromImage = parent;
    copyToRoot = [ busybox ];
    config.Env = [
      "FROM_CHILD=true"
      "LAST_LAYER=child"
    ];
  };
  childLayered = buildLayeredImage {
    name = "child-layered";
    tag = "latest";
    fromImage = parent;
    contents = [ busybox ];
    inherit (child.buildArgs) config;
  };

  childOfAll = streamLayeredImage {
    name = "child-of-all";
    tag = "latest";
    fromImage = layered;
    contents = [ hello ];
    inheritConfig = "all";
    skipBasePaths = true;
  };

  twoLayers = streamLayeredImage {
    name = "two-layers";
    tag = "latest";
    contents = [
      busybox
      hello
    ];
    config.Cmd = [ "${hello}/bin/hello" ];
    maxLayers = 2;
  };
  bulk = twoLayers.override { name = "bulk"; };
  bulkOnBase = buildLayeredImage {
    name = "bulk-on-base";
    tag = "latest";
    fromImage = twoLayers;
    contents = [
      busybox
      hello
      (directory "one")
      (directory "two")
    ];
    maxLayers = 4;
  };
  tooFewLayers = buildLayeredImage {
    name = "too-few-layers";
    fromImage = twoLayers;
    maxLayers = 3;
  };
  popular = twoLayers.override {
    name = "popular";
    layeringPipeline = [
      [ "popularity_contest" ]
      [
        "limit_layers"
        2
      ]
    ];
  };

  noStorePaths = buildLayeredImage {
    name = "no-store-paths";
    tag = "latest";
    # A copy, which refers to nothing.
    extraCommands = "cp -r ${busybox}/* .; chmod -R u+w .";
    config.Env = [ "PATH=/bin" ];
  };

  storeSymlink =
    let
      target = directory "target";
      symlink = runCommand "symlink" { } "ln -s ${target} $out";
    in
    streamLayeredImage {
      name = "store-symlink";
      tag = "latest";
      contents = [
        busybox
        symlink
      ];
      passthru = { inherit symlink; };
    };

  prefixed = streamLayeredImage {
    name = "registry-1.docker.io/prefixed";
    tag = "latest";
    config.Cmd = [ "${hello}/bin/hello" ];
  };

  user = "app:x:999:999::/home/app:/bin/sh";
  withUser = streamLayeredImage {
    name = "with-user";
    tag = "latest";
    contents = [
      busybox
      (dockerTools.fakeNss.override {
        extraPasswdLines = [ user ];
        extraGroupLines = [ "app:x:999:" ];
      })
    ];
  };

  fakeRoot = streamLayeredImage {
    name = "fake-root";
    tag = "latest";
    contents = [ busybox ];
    fakeRootCommands = ''
      mkdir -p ./home/jane ./hello
      chown 1000:100 ./home/jane
      chmod 2750 ./home/jane
      ln -s ${hello}/bin/hello ./hello/greet
    '';
  };
  fakeChroot = streamLayeredImage {
    name = "fake-chroot";
    tag = "latest";
    contents = [ busybox ];
    fakeRootCommands = "mkdir -p /data; chown 12:34 /data";
    enableFakechroot = true;
  };
  # The same without commands.
  declared = streamLayeredImage {
    name = "declared";
    tag = "latest";
    contents = [ busybox ];
    customisation = {
      entries = [
        {
          path = "/home/jane";
          directory = true;
        }
        {
          path = "/tmp";
          directory = true;
        }
        {
          path = "/hello/greet";
          symlink = "${hello}/bin/hello";
        }
      ];
      rules = [
        {
          path = "/home/jane";
          uid = 1000;
          gid = 100;
          mode = "2750";
        }
        {
          path = "/tmp";
          mode = "1777";
        }
      ];
    };
  };

  withDatabase = dockerTools.buildLayeredImageWithNixDb {
    name = "with-database";
    tag = "latest";
    contents = [
      busybox
      hello
    ];
    config.Cmd = [ "${directory "configured"}/share/configured" ];
    compressor = "none";
  };
  withDatabaseInOne = dockerTools.buildImageWithNixDb {
    name = "with-database-in-one";
    tag = "latest";
    copyToRoot = [
      busybox
      hello
    ];
    compressor = "none";
  };

  cross = streamLayeredImage {
    name = "cross";
    tag = "latest";
    contents = hello;
    architecture = "arm64";
  };

  merged = dockerTools.mergeImages [
    shell
    shellNoTag
    shellZstd
    fakeRoot
  ];
  exported = dockerTools.exportImage { fromImage = layersOrder; };

  certificates = streamLayeredImage {
    name = "certificates";
    tag = "latest";
    contents = [
      busybox
      dockerTools.caCertificates
      dockerTools.binSh
      dockerTools.usrBinEnv
    ];
  };

  # A path that is no package.
  withPath = streamLayeredImage {
    name = "with-path";
    tag = "latest";
    contents = [
      busybox
      ./files
    ];
  };
  withPathCopied = buildImage {
    name = "with-path-copied";
    tag = "latest";
    copyToRoot = [
      busybox
      ./files
    ];
  };

  nixShell = dockerTools.streamNixShellImage {
    drv = derivation {
      name = "built";
      system = builtins.currentSystem;
      builder = sh;
      args = [
        "-c"
        ''echo "$greeting in $PWD as $(id -u)" > "$out"''
      ];
      greeting = "Hello, builder!";
      PATH = "${busybox}/bin";
    };
    tag = "latest";
    shell = sh;
    run = ''buildDerivation && cat "$out"'';
  };

  asRoot = buildImage {
    name = "as-root";
    runAsRoot = "mkdir /data";
  };
}

# buildImage: an image as an archive in the store, of two layers: the store paths in one, and above it the files at the
# root. The arguments are those of dockerTools.buildImage:
#
#   name, tag, created, architecture, config, compressor, meta   as for buildLayeredImage
#   fromImage                       the base image; fromImageName and fromImageTag say which of several in the archive
#   copyToRoot                      a package or a list of them, whose trees are copied to the root
#   keepContentsDirlinks            whether links to directories in them stay links; otherwise they become directories
#   contents                        the old name of copyToRoot
#   extraCommands                   commands that are run in the tree at the root
#   uid, gid                        who owns that tree
#   includeNixDB                    whether the store paths are registered in a Nix database
#   runAsRoot                       is refused: there is no virtual machine
#   diskSize, buildVMMemorySize, useFUSEOverlayFS     mean nothing without one
#
# and layering, maxLayers, layeringPipeline and layeringLock as for streamLayeredImage, so that store paths need not be
# in one layer, and materializeEtc.
{
  archiveOf,
  archived,
  copiedOf,
  customisationLayer,
  defaultArchitecture,
  layeringFlags,
  lib,
  makeConf,
  makeImage,
  writeText,
}:
lib.makeOverridable (
  {
    name,
    tag ? null,
    fromImage ? null,
    fromImageName ? null,
    fromImageTag ? null,
    copyToRoot ? null,
    keepContentsDirlinks ? false,
    config ? null,
    architecture ? defaultArchitecture,
    extraCommands ? "",
    uid ? 0,
    gid ? 0,
    runAsRoot ? null,
    diskSize ? null,
    buildVMMemorySize ? null,
    useFUSEOverlayFS ? null,
    created ? "1970-01-01T00:00:01Z",
    compressor ? "gz",
    includeNixDB ? false,
    contents ? null,
    meta ? { },
    passthru ? { },
    layering ? "one",
    maxLayers ? 100,
    layeringPipeline ? null,
    layeringLock ? null,
    materializeEtc ? false,
  }@arguments:
  assert lib.assertMsg (runAsRoot == null) ''
    the image ${name}: runAsRoot would need a virtual machine, which strake does not start.
    Files with owners, modes and capabilities are declared, without root: use streamLayeredImage with
      customisation = {
        entries = [ { path = "/data"; directory = true; } ];
        rules = [ { path = "/data"; uid = 999; gid = 999; mode = "750"; } ];
      };
    or nix2container.buildImage with perms. For users and groups there is fakeNss. Where commands are needed,
    fakeRootCommands of streamLayeredImage run them as if they were root; with enableFakechroot the tree is / for them.'';
  let
    baseName = baseNameOf name;
    imageName = lib.toLower name;
    copied = copiedOf "the image ${name}" { inherit copyToRoot contents; };
    run = if config == null then { } else config;

    baseJson = writeText "${baseName}-config.json" (builtins.toJSON run);
    packed = customisationLayer {
      inherit baseName copied extraCommands materializeEtc;
      keepDirlinks = keepContentsDirlinks;
      database = includeNixDB;
      registered = [ baseJson ];
      unregistered = [ baseJson ];
      owner = "--owner=${toString uid} --group=${toString gid}";
    };
    base = archiveOf fromImage;
    picked = lib.optionalString (fromImageName != null && fromImageTag != null) ":${fromImageName}:${fromImageTag}";

    conf = makeConf {
      inherit baseName tag created;
      mtime = "1970-01-01T00:00:01Z";
      conf = {
        inherit architecture;
        config = run;
        os = "linux";
        store_dir = builtins.storeDir;
        from_image = if fromImage == null then null else "${base}${picked}";
        repo_tag = imageName;
        customisation_layer = "${packed}";
        uid = 0;
        gid = 0;
        uname = "root";
        gname = "root";
      };
      roots = [
        baseJson
        packed
      ];
      excluded = [
        baseJson
        packed
      ];
      flags = layeringFlags {
        inherit layering maxLayers layeringPipeline layeringLock;
      };
    };
    stream = makeImage { inherit baseName imageName conf meta; };
  in
  assert builtins.isList copied;
  archived {
    inherit stream compressor meta;
    archiveName = "docker-image-${baseName}.tar";
    image = name;
    passthru = {
      buildArgs = arguments;
      layer = packed;
    }
    // passthru;
  }
)

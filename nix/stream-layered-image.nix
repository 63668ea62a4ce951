# streamLayeredImage: an executable that writes an image as a docker-archive to stdout.
#
# The arguments are those of dockerTools.streamLayeredImage, and for the same arguments the image is the same, byte for
# byte:
#
#   name, tag          the image's name (made lower case) and tag, by default a hash
#   fromImage          a base image, of which Env is inherited
#   contents           a package or a list of them, whose trees are linked at the image's root
#   config             what a container is started with; all store paths in it are in the image
#   architecture       by Go's name for it
#   created, mtime     times, or "now"
#   uid, gid, uname, gname   who owns the store paths
#   maxLayers          maximum number of layers in all, with those of the base image and one for all but store paths
#   extraCommands      commands that are run in the tree at the image's root
#   fakeRootCommands   the same as what seems to be root; with enableFakechroot the tree is / for them
#   includeStorePaths  whether the store paths are in the image
#   includeNixDB       whether they are registered in a Nix database in it
#   layeringPipeline   how layers are decided (docs/layers.md): a list, or a JSON file
#   passthru, meta, debug
#
# These are more:
#
#   layering           auto (what dockerTools does), cost, popularity, each or one
#   layeringLock       with cost: a lock file, which updateLock writes
#   layers             layers by buildLayer, below the others, with their contents
#   knownLayers        descriptions of earlier versions (the file of image.description): layers that are in them are not
#                      hashed again to be described
#   inheritConfig      how much of the base image's config goes on: env (what dockerTools does) or all
#   skipBasePaths      whether store paths that the base image holds are left out
#   customisation      files with owners, modes and capabilities, as docs/conf.md says: without commands, without fakeroot
#   materializeEtc     whether files take the place of /etc/passwd and /etc/group where these would be links into the store;
#                      with customisation they do, without it the image is dockerTools'
#   describe           whether building the image finds out all its digests, too; see docs/nix.md
{
  archiveOf,
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
    contents ? [ ],
    config ? { },
    architecture ? defaultArchitecture,
    created ? "1970-01-01T00:00:01Z",
    mtime ? "1970-01-01T00:00:01Z",
    uid ? 0,
    gid ? 0,
    uname ? "root",
    gname ? "root",
    maxLayers ? 100,
    extraCommands ? "",
    fakeRootCommands ? "",
    enableFakechroot ? false,
    includeStorePaths ? true,
    includeNixDB ? false,
    passthru ? { },
    meta ? { },
    layeringPipeline ? null,
    debug ? false,
    layering ? if layeringLock != null then "cost" else "auto",
    layeringLock ? null,
    layers ? [ ],
    knownLayers ? [ ],
    inheritConfig ? "env",
    skipBasePaths ? false,
    customisation ? null,
    materializeEtc ? customisation != null,
    describe ? false,
  }:
  assert lib.assertMsg (maxLayers > 1) "the image ${name}: maxLayers must be greater than 1, not ${toString maxLayers}";
  assert lib.assertMsg (
    customisation == null || (extraCommands == "" && fakeRootCommands == "" && !includeNixDB)
  ) "the image ${name}: customisation takes the place of extraCommands, fakeRootCommands and includeNixDB";
  let
    baseName = baseNameOf name;
    imageName = lib.toLower name;
    contentsList = lib.toList contents;

    # The config as a file, so that what it names is in the image.
    baseJson = writeText "${baseName}-base.json" (
      builtins.toJSON {
        inherit config architecture;
        os = "linux";
      }
    );

    packed = customisationLayer {
      inherit
        baseName
        enableFakechroot
        extraCommands
        fakeRootCommands
        materializeEtc
        ;
      contents = contentsList;
      database = includeNixDB;
      registered = [ baseJson ];
      unregistered = [ baseJson ];
    };
    described = { materialize_etc = materializeEtc; } // customisation // {
      contents = map (path: "${path}") contentsList ++ customisation.contents or [ ];
    };
    # Paths in a description must be in the image's store.
    describedJson = writeText "${baseName}-customisation.json" (builtins.toJSON described);
    files = if customisation == null then packed else describedJson;
    allLayers = lib.unique (lib.concatMap (layer: layer.nestedLayers ++ [ layer ]) layers);

    conf = makeConf {
      inherit baseName tag created mtime;
      conf = {
        inherit architecture config uid gid uname gname;
        os = "linux";
        store_dir = builtins.storeDir;
        from_image = if fromImage == null then null else "${archiveOf fromImage}";
        repo_tag = imageName;
      }
      // lib.optionalAttrs (inheritConfig != "env") { "inherit" = inheritConfig; }
      // lib.optionalAttrs skipBasePaths { skip_base_paths = true; }
      // (if customisation == null then { customisation_layer = "${packed}"; } else { customisation = described; });
      roots = lib.optionals includeStorePaths [
        baseJson
        files
      ];
      excluded = lib.optionals includeStorePaths [
        baseJson
        files
      ];
      flags = layeringFlags {
        inherit layering maxLayers layeringPipeline layeringLock;
      };
      below = allLayers;
      described = describe;
      known = allLayers ++ knownLayers;
    };
  in
  makeImage {
    inherit baseName imageName conf meta;
    known = allLayers ++ knownLayers;
    lockFlags = [
      "--max-layers"
      (toString (maxLayers - 1))
    ];
    passthru = passthru // {
      inherit layers maxLayers;
    };
  }
)

# nix2container.buildImage: an image of layers by buildLayer, and what is left. The arguments are those of nix2container's
# buildImage:
#
#   name, tag              as for streamLayeredImage
#   config                 what a container is started with; all store paths in it are in the image
#   layers                 layers by buildLayer, which lie lowest, those that they need before them
#   copyToRoot, perms, maxLayers, contents   as for buildLayer: for what is not in `layers`
#   fromImage              a base image, of which Env is inherited
#   arch                   the processor architecture, by Go's name for it
#   initializeNixDatabase  whether all store paths are registered in a Nix database, which belongs to nixUid and nixGid
#   created, meta
#
# and materializeEtc (true: see docs/nix.md), layering, layeringLock, knownLayers and describe as for streamLayeredImage;
# images are described by default.
#
# The result is that of streamLayeredImage, with nix2container's names for programs: copyToDockerDaemon, copyToPodman and
# copyToRegistry, which use the image's own name.
{
  archiveOf,
  copiedOf,
  customisationsOf,
  defaultArchitecture,
  layeringFlags,
  lib,
  makeConf,
  makeImage,
  strake,
  writeProgram,
  writeText,
}:
lib.makeOverridable (
  {
    name,
    tag ? null,
    config ? { },
    layers ? [ ],
    copyToRoot ? null,
    fromImage ? null,
    arch ? defaultArchitecture,
    perms ? [ ],
    maxLayers ? 1,
    initializeNixDatabase ? false,
    nixUid ? 0,
    nixGid ? 0,
    created ? "0001-01-01T00:00:00Z",
    contents ? null,
    meta ? { },
    materializeEtc ? true,
    layering ? if layeringLock != null then "cost" else null,
    layeringLock ? null,
    knownLayers ? [ ],
    describe ? true,
  }:
  let
    baseName = baseNameOf name;
    imageName = lib.toLower name;
    copied = copiedOf "the image ${name}" { inherit copyToRoot contents; };
    allLayers = lib.unique (lib.concatMap (layer: layer.nestedLayers ++ [ layer ]) layers);
    configJson = writeText "${baseName}-config.json" (builtins.toJSON config);
    # As many as streamLayeredImage, where there is a choice.
    most = if maxLayers == 1 then 100 else maxLayers;

    conf = makeConf {
      inherit baseName tag created;
      mtime = "1970-01-01T00:00:01Z";
      conf = {
        inherit config;
        architecture = arch;
        os = "linux";
        store_dir = builtins.storeDir;
        from_image = if fromImage == null then null else "${archiveOf fromImage}";
        repo_tag = imageName;
        uid = 0;
        gid = 0;
        uname = "root";
        gname = "root";
        customisation =
          customisationsOf { inherit copied perms materializeEtc; }
          ++ lib.optional initializeNixDatabase {
            # Without a list, all that nothing else in the image needs.
            nix_database.roots = [ ];
            rules = [
              {
                path = "/nix{,/**}";
                uid = nixUid;
                gid = nixGid;
              }
            ];
          };
      };
      roots = [ configJson ] ++ copied;
      inherit copied;
      excluded = [ configJson ];
      flags = layeringFlags (
        if layering == null then
          { mostPopular = maxLayers; }
        else
          {
            inherit layering layeringLock;
            maxLayers = most;
          }
      );
      below = allLayers;
      described = describe;
      known = allLayers ++ knownLayers;
    };

    named =
      program: command:
      writeProgram program ''
        set -euo pipefail
        ${command}
      '';
    image = makeImage {
      inherit baseName imageName conf meta;
      known = allLayers ++ knownLayers;
      lockFlags = [
        "--max-layers"
        (toString (most - 1))
      ];
      passthru = {
        inherit layers fromImage;
        copyToDockerDaemon = named "copy-to-docker-daemon" ''exec ${strake}/bin/strake load ${conf} --to docker "$@"'';
        copyToPodman = named "copy-to-podman" ''exec ${strake}/bin/strake load ${conf} --to podman "$@"'';
        copyToRegistry = named "copy-to-registry" ''
          exec ${strake}/bin/strake copy ${conf} docker://${imageName}:${conf.imageTag} "$@"'';
      };
    };
  in
  assert builtins.isList copied;
  image
)

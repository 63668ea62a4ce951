//! Tests of strake's promises against real programs.

/// How the tests start strake.
mod strake;

/// Known archives come out as they always have: whatever the locale, threads, user, cache, or hard links.
mod golden;

/// Any tree of files gives what Python's tarfile gives.
mod differential;

/// Base images: compressed ones, and ones that are broken or mean harm.
mod base_image;

/// Base images in all forms, what goes on of their configs, and store paths that they hold.
mod bases;

/// Images on a base image in Docker, beside those that docker build makes.
mod bases_docker;

/// Confs that are wrong in any one place.
mod conf;

/// The conf's files besides store paths become a layer.
mod customisation;

/// Layers out of references graphs.
mod layers;

/// Confs out of store paths and flags.
mod plan;

/// Files that change, outputs that end, processes that are killed.
mod faults;

/// The digest cache, and the command for it.
mod cache;

/// Messages, their streams and exit codes.
mod terminal;

/// Errors about misuse that would make a wrong image without notice, and accepted forms.
mod misuse;

/// The output of `-h` and `--help`.
mod help;

/// The exact messages about wrong values and about registries that refuse.
mod values;

/// Standard streams that are closed, full or without a reader.
mod streams;

/// Third-party strings have no effect on a terminal.
mod outside_text;

/// Docker, podman, skopeo and umoci take the archives.
mod peers;

/// Images in all forms go into all forms, and stay what they are.
mod copy;

/// skopeo, umoci, podman and docker take what strake copies, and strake takes what they wrote.
mod copy_peers;

/// Links in /etc that runtimes do not follow.
mod etc;

/// Names of images, as those that take layouts and archives look for them.
mod names;

/// The image specification's schemas hold for what strake writes.
mod schemas;

/// Layouts that are broken or mean harm.
mod copy_hostile;

/// The results of `strake verify` for layers with any defect in their bytes.
mod verify_layers;

/// Its results for docker-archives and layouts in archives that programs read differently.
mod verify_archives;

/// Layers that are compressed on their way.
mod compress;

/// Images that are there for several platforms.
mod platforms;

/// Such images are copied, and made of several.
mod platforms_copy;

/// A platform that is asked for is the one that comes, in whatever form the image is, or it is an error that says what there is.
mod platform_asked;

/// Copies that are killed, have no room, or meet.
mod copy_faults;

/// Images flat, and several in one archive.
mod flat;

/// Input that decompresses to much more than its size needs no more memory.
mod limits;

/// The checks of the fuzz targets.
#[expect(unreachable_pub, reason = "it is another crate's source")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

/// The fuzz targets' checks, over their seeds.
mod fuzz_seeds;

/// Files are written where they are meant to be, and what others could have put somewhere is not believed.
mod files;

/// Images go to registries and come back, with the same digest whatever way they take.
mod registry;

/// The requests of a push, and those that are avoided.
mod registry_push;

/// Compressed blobs of layers are learnt from registries, which may state wrong ones or have lost them.
mod registry_learning;

/// Tags: a push learns from those that are there; they are listed, given and deleted.
mod registry_tags;

/// Indexes that are in a registry get images for more platforms, several at once.
mod registry_index;

/// Registries that fail while images go to them: the image is complete there, or the command says that it is not.
mod registry_faults;

/// Images that come from registries: connections that break, and wrong answers.
mod registry_pull;

/// Layers are what their images say, or nothing is made of them.
mod diff_ids;

/// Credentials from files, programs and options, and the hosts that receive them.
mod registry_auth;

/// Credentials, certificates and files for each side of a copy; passwords that are on no command line.
mod registry_sides;

/// TLS: CA certificates and client certificates; proxies.
mod registry_tls;

/// distribution and crane's registry take images and give them back; skopeo, crane, docker and podman take what strake pushed, and
/// strake takes what they pushed.
mod registry_peers;

/// A real Nix store.
mod nix;

/// Closures out of a Nix store's database, and databases in images.
mod registered;

/// Images that strake has planned, in Docker.
mod planned;

/// The Nix library, evaluated and built over a small nixpkgs of its own.
mod nix_library;

/// The checks of nixpkgs' own test of dockerTools, for the library's images, in Docker.
mod nix_docker;

/// Layers that are planned and described by themselves, and who needs to hold what.
mod nix_layers;

/// strake's flake, its template and the examples, without a network.
mod nix_flakes;

/// The library's images in registries.
mod nix_registry;

/// The documentation's examples work.
mod docs;

/// The rules of ARCHITECTURE.md.
mod architecture;

/// Every command of the README and of the five-minute pages, from nothing.
mod first_hour;

/// The parts of an installation: completions, man pages, workflows; the output of tests/run.
mod install;

/// Images go into Docker, podman, containerd and clusters: only what is missing there.
mod load;

/// Engines that fail while they load, and ways to them.
mod load_faults;

/// The same into newer engines, which only `tests/run --all` has.
mod load_newer;

//! What can be said about images that are copied and looked at.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Arg, Args, ValueEnum};
use strake_image::compression::{Compression, CompressionError};
use strake_image::{Platform, PlatformPick};

use super::help::{DESTINATIONS, PLACES, SOURCE, SOURCE_AND_DESTINATIONS, SOURCES, end};
use super::{BuildArgs, DestinationArgs, Plan, RegistryArgs, SourceArgs, UploadArgs, Writing};
use crate::values;

/// The format of a manifest: its media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManifestFormat {
    /// The OCI image specification's format
    Oci,
    /// Docker's schema 2
    Docker,
}

/// How layers are compressed that are not, if they are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compress(pub(crate) Option<Compression>);

impl FromStr for Compress {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, CompressionError> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|compression| Self(Some(compression))) }
    }
}

/// Which of several images for several platforms is meant.
#[derive(Debug, Args)]
pub(crate) struct Arch {
    /// Short for --platform linux/ARCH; for a CONF or store paths, the architecture of the image
    #[arg(long, value_parser = values::architecture, hide_short_help = true)]
    pub(crate) arch: Option<String>,
    #[command(flatten)]
    pub(crate) one: OnePlatform,
}

impl Arch {
    /// The platform that is asked for.
    pub(crate) fn wanted(&self) -> Option<PlatformPick> {
        self.one.wanted(self.arch.as_deref())
    }
}

/// How an image is opened that stands alone in a command.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    #[command(flatten)]
    pub(crate) arch: Arch,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// One platform.
#[derive(Debug, Default, Args)]
pub(crate) struct OnePlatform {
    /// Only the image for this platform [default: all]
    ///
    /// The platform is OS/ARCH or OS/ARCH/VARIANT, as Go calls them: linux/arm64, linux/arm/v7.
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "arch", value_parser = values::platform)]
    pub(crate) platform: Option<Platform>,
}

impl OnePlatform {
    /// The platform that is asked for; `arch` may say it, too.
    pub(crate) fn wanted(&self, arch: Option<&str>) -> Option<PlatformPick> {
        self.platform.clone().or_else(|| arch.map(Platform::linux)).map(PlatformPick::Only)
    }
}

#[derive(Debug, Args)]
#[command(override_usage = "strake copy [OPTIONS] <SOURCE> <DEST>...")]
#[command(after_long_help = end(&[PLACES, DESTINATIONS], [
    "strake copy ./result docker://registry.example.org/team/app:1.0",
    "strake copy --platform linux/arm64 docker://debian:12 oci:debian",
]))]
#[command(mut_args(without_plans))]
pub(crate) struct Copy {
    /// The image, and where it goes to: its layers are read once for all destinations
    #[arg(required = true, num_args = 1.., value_names = ["SOURCE", "DEST"], help = SOURCE_AND_DESTINATIONS)]
    pub(crate) places: Vec<PathBuf>,
    /// Where it goes to, if everything before -- is what is copied
    #[arg(last = true, value_name = "DEST", hide_short_help = true)]
    pub(crate) behind: Vec<PathBuf>,
    /// Make an index of images for several platforms
    ///
    /// The images are all but the last argument, or all before --.
    #[arg(long, conflicts_with = "platform")]
    pub(crate) index: bool,
    /// With --index: add the images to the index DEST in a registry
    ///
    /// Images for the same platforms are replaced.
    #[arg(long, requires = "index", conflicts_with_all = ["dry_run", "format"], hide_short_help = true)]
    pub(crate) update: bool,
    /// Manifest format in an OCI layout or a registry [default: that of the image, else oci]
    #[arg(long, value_enum, value_name = "FORMAT", hide_short_help = true)]
    pub(crate) format: Option<ManifestFormat>,
    /// Add an annotation to the manifest in an OCI layout or a registry (repeat for more)
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::assignment, hide_short_help = true)]
    pub(crate) annotation: Vec<String>,
    /// List what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A tag in the registry whose compressed layers are used again, besides those pushed, latest, main and the newest
    #[arg(long, value_name = "TAG", value_parser = values::tag, hide_short_help = true)]
    pub(crate) previous: Option<String>,
    /// Write the manifest's digest to FILE
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) digest_file: Option<PathBuf>,
    /// gzip (the default for registries), zstd or none
    ///
    /// Layers that are compressed stay as they are. A level may stand behind the name: gzip:1 to gzip:12, zstd:1 to zstd:19. In a
    /// docker-archive layers stay as they are. The default is none unless DEST is a registry.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) compress: Option<Compress>,
    #[command(flatten)]
    pub(crate) one: OnePlatform,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) uploads: UploadArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// For store paths: what the image is to be. Of an image that is there for several platforms --arch says which
    #[command(flatten)]
    pub(crate) plan: Plan,
}

/// Leaves what store paths are to be out of `-h`.
pub(super) fn without_plans(option: Arg) -> Arg {
    match option.get_help_heading() {
        Some("Image" | "Container" | "Layers") => option.hide_short_help(true),
        _ => option,
    }
}

#[allow(clippy::struct_excessive_bools)] // Each switch stands for itself.
#[derive(Debug, Args)]
#[command(after_long_help = end(&[PLACES], [
    "strake inspect docker://debian:12 --platform linux/arm64",
    "strake inspect --json oci:debian",
]))]
#[command(mut_args(without_plans))]
pub(crate) struct Inspect {
    /// The image
    #[arg(required = true, value_name = "SOURCE", help = SOURCE)]
    pub(crate) source: Vec<PathBuf>,
    /// Print names, digests, sizes, annotations, layers and config as JSON
    #[arg(long, conflicts_with_all = ["config", "manifest", "raw"])]
    pub(crate) json: bool,
    /// Print only the config
    #[arg(long, conflicts_with = "manifest")]
    pub(crate) config: bool,
    /// Print only the manifest, as it would be in an OCI layout
    #[arg(long)]
    pub(crate) manifest: bool,
    /// Print the manifest, or with --config the config, as it is stored
    #[arg(long)]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) opening: ImageArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = end(&[PLACES], [
    "strake merge docker-archive:one.tar oci:two -o both.tar",
    "strake merge oci:one oci:two | docker load",
]))]
#[command(mut_args(without_plans))]
pub(crate) struct Merge {
    /// The images
    #[arg(required = true, value_name = "SOURCE", help = SOURCES)]
    pub(crate) sources: Vec<PathBuf>,
    /// Write to FILE [default: stdout]
    ///
    /// The file appears when it is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) opening: ImageArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = end(&[PLACES], [
    "strake export docker://debian:12 -o rootfs.tar",
    "strake export oci:app | tar -t",
]))]
#[command(mut_args(without_plans))]
pub(crate) struct Export {
    /// The image
    #[arg(required = true, value_name = "SOURCE", help = SOURCE)]
    pub(crate) source: Vec<PathBuf>,
    /// Write to FILE [default: stdout]
    ///
    /// The file appears when it is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    #[command(flatten)]
    pub(crate) one: OnePlatform,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    /// For store paths: what the image is to be. Of an image that is there for several platforms --arch says which
    #[command(flatten)]
    pub(crate) plan: Plan,
}

#[derive(Debug, Args)]
// Nothing that was found out earlier counts, so the cache is not used in any case.
#[command(mut_arg("no_cache", |no_cache| no_cache.hide(true)))]
#[command(after_long_help = end(&[PLACES], [
    "strake verify docker-archive:image.tar",
    "strake verify --json docker://registry.example.org/team/app:1.0",
]))]
#[command(mut_args(without_plans))]
pub(crate) struct Verify {
    /// The image
    #[arg(required = true, value_name = "SOURCE", help = SOURCE)]
    pub(crate) source: Vec<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) opening: ImageArgs,
}

#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake pin debian:12",
    "strake pin --json registry.example.org/team/app:1.0",
]))]
pub(crate) struct Pin {
    /// Name of the image, like registry.example.org/team/hello:1.0, with or without `docker://`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Print JSON, a platform a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

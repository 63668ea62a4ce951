//! What can be said about images that are copied and looked at.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use strake_image::compression::{Compression, CompressionError};
use strake_image::{Platform, PlatformPick};

use super::{BuildArgs, EXIT_CODES, Plan, RegistryArgs, Writing};
use crate::values;

const PLACES: &str = "\
An image is a CONF or store paths, as strake stream takes them, or one of
  docker-archive:FILE[:NAME|:@N]  a docker-archive, by default its first image
  oci:DIR[:NAME]                  an OCI image layout
  oci-archive:FILE[:NAME]         a tar archive of one
  hybrid-archive:FILE[:NAME|:@N]  a tar archive of one that Docker reads as well
  docker://NAME[:TAG][@DIGEST]    an image in a registry
  docker-daemon:NAME[:TAG]        an image in Docker
  containers-storage:NAME[:TAG]   an image in podman's storage
A FILE, a DIR or stdin (-) without such a word in front is what its content says";

const DESTINATIONS: &str = "\
A destination is one of these, - for a docker-archive on stdout, or one of
  containerd:[NAMESPACE/]NAME[:TAG], k3s:NAME[:TAG]
  kind:[CLUSTER/]NAME[:TAG], minikube:[PROFILE/]NAME[:TAG]";

/// Whose media types a manifest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManifestFormat {
    /// The OCI image specification's
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
    /// For Linux on this processor architecture, by Go's name for it. For a CONF or store paths: what it is for
    #[arg(long, value_parser = values::architecture)]
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
    pub(crate) build: BuildArgs,
    #[command(flatten)]
    pub(crate) arch: Arch,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// One platform.
#[derive(Debug, Default, Args)]
pub(crate) struct OnePlatform {
    /// Only the image for this platform; an error if there is none [default: all platforms]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "arch", value_parser = values::platform)]
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
#[command(after_help = format!("{PLACES}\n\n{DESTINATIONS}\n\n{EXIT_CODES}"))]
pub(crate) struct Copy {
    /// The image, and where it goes to: its layers are read once for all destinations
    #[arg(required = true, num_args = 1.., value_names = ["SOURCE", "DEST"])]
    pub(crate) places: Vec<PathBuf>,
    /// Where it goes to, if everything before -- is what is copied
    #[arg(last = true, value_name = "DEST")]
    pub(crate) behind: Vec<PathBuf>,
    /// Make an index of several images, each for another platform: all but the last argument, or all before --
    #[arg(long, conflicts_with = "platform")]
    pub(crate) index: bool,
    /// With --index: add the images to the index that DEST, in a registry, leads to, or replace those for the same platforms
    #[arg(long, requires = "index", conflicts_with_all = ["dry_run", "format"])]
    pub(crate) update: bool,
    /// Whose media types the manifest in an OCI layout or a registry has [default: those that the image comes with, else oci]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<ManifestFormat>,
    /// Write an annotation into the manifest in an OCI layout or a registry (repeat for more)
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::assignment)]
    pub(crate) annotation: Vec<String>,
    /// Say what would be sent to registries, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also learn from this tag what layers the registry has compressed, besides those pushed, latest, main and the newest
    #[arg(long, value_name = "TAG", value_parser = values::tag)]
    pub(crate) previous: Option<String>,
    /// Write the manifest's digest into FILE
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) digest_file: Option<PathBuf>,
    /// Compress layers that are not compressed: none, gzip, zstd, or with a level as gzip:1 to gzip:12, zstd:1 to zstd:19. In
    /// a docker-archive layers stay as they are [default: gzip into registries, else none]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) compress: Option<Compress>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    #[command(flatten)]
    pub(crate) one: OnePlatform,
    /// For store paths: what the image is to be. Of an image that is there for several platforms --arch says which
    #[command(flatten)]
    pub(crate) plan: Plan,
}

#[allow(clippy::struct_excessive_bools)] // Each switch stands for itself.
#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub(crate) struct Inspect {
    /// The image
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) source: Vec<PathBuf>,
    /// As JSON: names, digests, layers and config
    #[arg(long, conflicts_with_all = ["config", "manifest", "raw"])]
    pub(crate) json: bool,
    /// Only the config
    #[arg(long, conflicts_with = "manifest")]
    pub(crate) config: bool,
    /// Only the manifest, as it would be in an OCI layout
    #[arg(long)]
    pub(crate) manifest: bool,
    /// Not set out for people: the bytes as they are where the image comes from, by default the manifest's
    #[arg(long)]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) opening: ImageArgs,
}

#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub(crate) struct Merge {
    /// The images
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,
    /// Write into FILE, which appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) opening: ImageArgs,
}

#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub(crate) struct Export {
    /// The image
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) source: Vec<PathBuf>,
    /// Write into FILE, which appears when it is whole
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
#[command(after_help = PLACES)]
pub(crate) struct Verify {
    /// The image
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) source: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) opening: ImageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Pin {
    /// The image's name, like registry.example.org/team/hello:1.0, with or without docker:// before it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// As JSON, a platform a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

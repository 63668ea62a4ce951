//! What can be said about loading images into engines.

use std::path::PathBuf;

use clap::Args;

use super::copy::Compress;
use super::{BuildArgs, EXIT_CODES, OnePlatform, Plan, RegistryArgs, Writing};
use crate::engine_place::EngineKind;
use crate::values;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Load {
    /// The image: a CONF or store paths, or an image in any form that strake copy takes
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) source: Vec<PathBuf>,
    /// The container engine: docker, podman, containerd[=NAMESPACE], kind[=CLUSTER], k3s or minikube[=PROFILE] [default: the one
    /// that is there]
    #[arg(long, value_name = "ENGINE")]
    pub(crate) to: Option<EngineKind>,
    /// Name and tag of the image there, instead of its own (repeat for more)
    #[arg(short = 't', long = "repo-tag", value_name = "NAME:TAG", value_parser = values::repo_tag)]
    pub(crate) repo_tag: Vec<String>,
    /// Run the image when it is loaded, with the arguments after --
    #[arg(long)]
    pub(crate) run: bool,
    /// A command in front of the engine's own, with spaces between its words: ssh HOST, sudo, docker exec -i NODE
    #[arg(long, value_name = "COMMAND")]
    pub(crate) via: Option<String>,
    /// Compress layers that are not compressed, so that a later push by the engine is smaller: none, gzip, zstd, or with a level
    #[arg(long, value_name = "FORMAT", default_value = "none")]
    pub(crate) compress: Compress,
    /// With --run: arguments for the container
    #[arg(last = true, value_name = "ARGUMENT", requires = "run")]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    #[command(flatten)]
    pub(crate) one: OnePlatform,
    /// For store paths: what the image is to be
    #[command(flatten)]
    pub(crate) plan: Plan,
}

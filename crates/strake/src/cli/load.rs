//! What can be said about loading images into engines.

use std::path::PathBuf;

use clap::Args;

use super::copy::{Compress, without_plans};
use super::help::{PLACES, SOURCE, end};
use super::{BuildArgs, OnePlatform, Plan, RegistryArgs, Writing};
use crate::engine_place::EngineKind;
use crate::values;

#[derive(Debug, Args)]
#[command(after_long_help = end(&[PLACES], [
    "strake load ./result --entrypoint hello -t hello:1 --run",
    "strake load docker://debian:12 --to kind",
]))]
#[command(mut_args(without_plans))]
pub(crate) struct Load {
    /// The image
    #[arg(required = true, value_name = "SOURCE", help = SOURCE)]
    pub(crate) source: Vec<PathBuf>,
    /// docker, podman, containerd, kind, k3s or minikube
    ///
    /// The default is the engine that is found.
    /// A namespace, cluster or profile may follow: containerd=k8s.io, kind=CLUSTER, minikube=PROFILE.
    #[arg(long, value_name = "ENGINE")]
    pub(crate) to: Option<EngineKind>,
    /// Name and tag in the engine (repeat for more)
    #[arg(short = 't', long = "repo-tag", value_name = "NAME:TAG", value_parser = values::repo_tag)]
    pub(crate) repo_tag: Vec<String>,
    /// Run the image, with the arguments after --
    #[arg(long)]
    pub(crate) run: bool,
    /// Command in front of the engine's own, such as ssh HOST, sudo or docker exec -i NODE
    #[arg(long, value_name = "COMMAND", hide_short_help = true)]
    pub(crate) via: Option<String>,
    /// Compress layers, so that a later push by the engine is smaller: none, gzip or zstd, with a level as in gzip:9
    #[arg(long, value_name = "FORMAT", default_value = "none", hide_short_help = true)]
    pub(crate) compress: Compress,
    /// With --run: arguments for the container
    #[arg(last = true, value_name = "ARGUMENT", requires = "run", hide_short_help = true)]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) one: OnePlatform,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// For store paths: what the image is to be
    #[command(flatten)]
    pub(crate) plan: Plan,
}

//! What can be said on the command line.

mod build;
mod copy;
mod load;
mod planning;
mod registry;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use build::{BuildArgs, Writing};
pub(crate) use copy::{Arch, Copy, Export, Inspect, ManifestFormat, Merge, OnePlatform, Pin, Verify};
pub(crate) use load::Load;
pub(crate) use planning::{Config, Format, GraphKey, Inherit, Layering, Layers, Plan, PlanCommand, Strategy};
pub(crate) use registry::{Delete, ListTags, RegistryArgs, Tag};

use crate::output;
use crate::report::Style;
use crate::values;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong command line, \
                          141 the reader of the output went away before it was whole.";

/// Lays container images straight over a Nix store
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write an image as a docker-archive, to stdout or into a file
    #[command(after_help = EXIT_CODES)]
    Stream(Box<Stream>),
    /// Decide which store paths of a closure share a layer
    #[command(after_help = EXIT_CODES)]
    Layers(Box<Layers>),
    /// Write down what an image is to be: a conf.json
    Plan(Box<PlanCommand>),
    /// Find out the digests and sizes of a conf's layers, and write the conf with them
    #[command(after_help = EXIT_CODES)]
    Describe(Box<Describe>),
    /// Copy an image from one form to others
    Copy(Box<Copy>),
    /// Load an image into Docker, podman, containerd or a cluster: only the layers that are missing there
    Load(Box<Load>),
    /// Show what is in an image
    Inspect(Box<Inspect>),
    /// See whether an image is all that it says it is
    Verify(Box<Verify>),
    /// Find the digests of an image in a registry, for each platform
    Pin(Box<Pin>),
    /// List the tags of a repository in a registry
    #[command(after_help = EXIT_CODES)]
    ListTags(Box<ListTags>),
    /// Give an image in a registry more tags
    #[command(after_help = EXIT_CODES)]
    Tag(Box<Tag>),
    /// Delete an image from a registry
    #[command(after_help = EXIT_CODES)]
    Delete(Box<Delete>),
    /// Put several images into one docker-archive
    #[command(after_help = EXIT_CODES)]
    Merge(Box<Merge>),
    /// Write an image's file system as one tar archive
    #[command(after_help = EXIT_CODES)]
    Export(Box<Export>),
    /// Write a Nix database in which a closure is registered
    #[command(after_help = EXIT_CODES)]
    NixDatabase(NixDatabase),
    /// Look at the remembered layer digests, or clean them up
    Cache {
        #[command(subcommand)]
        action: CacheAction,
    },
    /// Write a script with which a shell completes strake's commands and options
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page for strake and one for each of its commands, as packages need them
    #[command(hide = true)]
    Man {
        /// Into this directory, which exists
        directory: PathBuf,
    },
}

impl Command {
    /// How to speak to the user.
    pub(crate) fn style(&self) -> Style {
        match self {
            Self::Stream(arguments) => arguments.style(),
            Self::Describe(arguments) => arguments.style(),
            Self::Copy(arguments) => arguments.writing.style(),
            Self::Load(arguments) => arguments.writing.style(),
            Self::Merge(arguments) => arguments.writing.style(),
            _ => Style::Lines,
        }
    }

    /// Whether it has something to write to stdout.
    pub(crate) fn writes_to_stdout(&self) -> bool {
        let is_stdout = |output: &Option<PathBuf>| output::is_stdout(output.as_deref());
        match self {
            Self::Stream(arguments) => is_stdout(&arguments.output),
            Self::Merge(arguments) => is_stdout(&arguments.output),
            Self::Export(arguments) => is_stdout(&arguments.output),
            Self::Plan(arguments) => arguments.output.is_none(),
            Self::Describe(arguments) => arguments.output.is_none(),
            Self::Copy(arguments) => {
                arguments.places.iter().skip(1).chain(&arguments.behind).any(|place| place == Path::new("-"))
            }
            Self::Layers(_)
            | Self::Inspect(_)
            | Self::Verify(_)
            | Self::Pin(_)
            | Self::ListTags(_)
            | Self::Tag(_)
            | Self::Delete(_)
            | Self::Completions { .. }
            | Self::Cache { .. } => true,
            Self::Load(_) | Self::NixDatabase(_) | Self::Man { .. } => false,
        }
    }
}

#[allow(clippy::struct_excessive_bools)] // Each switch stands for itself.
#[derive(Debug, Args)]
pub(crate) struct Stream {
    /// The image: a conf.json as strake plan or nixpkgs' dockerTools writes it, or - for stdin; or store paths
    #[arg(required = true, value_name = "CONF|PATH")]
    pub(crate) image: Vec<PathBuf>,
    /// Name and tag of the image, instead of the plan's
    #[arg(short = 't', long, alias = "repo_tag", value_name = "NAME:TAG", value_parser = values::repo_tag)]
    pub(crate) repo_tag: Option<String>,
    /// Write into FILE, which appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    #[command(flatten)]
    pub(crate) writing: Writing,
    /// For store paths: what the image is to be
    #[command(flatten)]
    pub(crate) plan: Plan,
    /// The words of nixpkgs' script
    #[arg(skip)]
    pub(crate) script: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// The image: a conf, or - for stdin; or store paths
    #[arg(required = true, value_name = "CONF|PATH")]
    pub(crate) image: Vec<PathBuf>,
    /// Name and tag of the image, instead of the conf's
    #[arg(short = 't', long, value_name = "NAME:TAG", value_parser = values::repo_tag)]
    pub(crate) repo_tag: Option<String>,
    /// A conf that is described already: layers that are in it are not digested again (repeat for more)
    #[arg(long, value_name = "CONF")]
    pub(crate) known: Vec<PathBuf>,
    /// Write the conf in a way in which Nix finds no references in it
    #[arg(long)]
    pub(crate) detached: bool,
    /// Write into FILE, which appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// For store paths: what the image is to be
    #[command(flatten)]
    pub(crate) plan: Plan,
}

#[derive(Debug, Args)]
pub(crate) struct NixDatabase {
    /// The directory that is to be an image's root: the database is at nix/var/nix/db below it
    pub(crate) directory: PathBuf,
    /// The closure's references graph, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) graph: PathBuf,
    #[command(flatten)]
    pub(crate) key: GraphKey,
    /// A store path that the garbage collector is to keep, with all that it needs (repeat for more)
    #[arg(long, value_name = "PATH")]
    pub(crate) root: Vec<String>,
    /// Leave a store path out (repeat for more)
    #[arg(long, value_name = "PATH")]
    pub(crate) exclude: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// List what is remembered
    Show {
        /// As JSON, an entry a line
        #[arg(long)]
        json: bool,
    },
    /// Forget what was not used for some time
    Prune {
        /// That time, in days
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        older_than: u32,
    },
    /// Forget everything
    Clear,
}

/// This program is strake under the name of nixpkgs' script: it generates a Docker image from a set of store paths
#[derive(Debug, Parser)]
#[command(name = "stream_layered_image", infer_long_args = true)]
pub(crate) struct Script {
    /// JSON file that says what is to be in the image, which is written to stdout
    conf: PathBuf,
    /// Override the `RepoTags` from the configuration
    #[arg(short = 't', long = "repo_tag")]
    repo_tag: Option<String>,
}

impl Describe {
    /// How to speak to the user.
    pub(crate) fn style(&self) -> Style {
        if self.quiet { Style::Quiet } else { Style::Lines }
    }
}

impl Stream {
    /// How to speak to the user.
    pub(crate) fn style(&self) -> Style {
        if self.script { Style::Script } else { self.writing.style() }
    }
}

impl From<Script> for Stream {
    fn from(script: Script) -> Self {
        Self {
            image: vec![script.conf],
            repo_tag: script.repo_tag,
            output: None,
            build: BuildArgs::default(),
            writing: Writing::default(),
            plan: Plan::default(),
            script: true,
        }
    }
}

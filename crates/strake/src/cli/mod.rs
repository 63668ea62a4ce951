//! What can be said on the command line.

mod build;
mod copy;
mod foreign;
mod help;
mod load;
mod planning;
mod registry;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use build::{BuildArgs, Messages, Writing};
pub(crate) use copy::{Arch, Copy, Export, Inspect, ManifestFormat, Merge, OnePlatform, Pin, Verify};
pub(crate) use foreign::hint;
pub(crate) use load::Load;
pub(crate) use planning::{Config, Format, GraphKey, Inherit, Layering, Layers, Plan, PlanCommand, Strategy};
pub(crate) use registry::{
    Delete, DestinationArgs, ListTags, RegistryArgs, Side, SourceArgs, Tag, UploadArgs,
};

use crate::output;
use crate::report::Style;
use crate::values;
use help::end;

/// Builds container images directly from a Nix store
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = end(&[], [
    "strake stream ./result --entrypoint hello -t hello:1 | docker load",
    "strake copy ./result docker://registry.example.org/team/app:1.0",
]))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write an image as a docker-archive, to stdout or a file
    Stream(Box<Stream>),
    /// Decide which store paths of a closure share a layer
    Layers(Box<Layers>),
    /// Plan an image and write it as a conf
    Plan(Box<PlanCommand>),
    /// Compute the layer digests of a conf, and add them to it
    Describe(Box<Describe>),
    /// Copy an image between registries, engines, layouts and archives
    Copy(Box<Copy>),
    /// Load an image into Docker, podman, containerd or a cluster
    Load(Box<Load>),
    /// Show what is in an image
    Inspect(Box<Inspect>),
    /// Check an image: sizes, digests, layers, names
    Verify(Box<Verify>),
    /// Print the digests of an image in a registry, for each platform
    Pin(Box<Pin>),
    /// List the tags of a repository in a registry
    ListTags(Box<ListTags>),
    /// Give an image in a registry more tags
    Tag(Box<Tag>),
    /// Delete an image from a registry
    Delete(Box<Delete>),
    /// Write several images as one docker-archive
    Merge(Box<Merge>),
    /// Write an image's file system as one tar archive
    Export(Box<Export>),
    /// Write a Nix database in which a closure is registered
    NixDatabase(NixDatabase),
    /// Show or clean up the digest cache
    #[command(after_long_help = end(&[], ["strake cache show", "strake cache prune --older-than 7"]))]
    Cache {
        #[command(subcommand)]
        action: CacheAction,
    },
    /// Write a shell's completions for strake
    #[command(after_long_help = end(&[], [
        "strake completions bash > ~/.local/share/bash-completion/completions/strake",
        "strake completions fish > ~/.config/fish/completions/strake.fish",
    ]))]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write man pages for strake and its commands
    #[command(hide = true, after_long_help = end(&[], ["strake man man1", "strake man /usr/share/man/man1"]))]
    Man {
        /// Directory to write into, which must exist
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
            Self::Verify(arguments) if arguments.json => Style::Json,
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

#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake stream ./result --entrypoint hello -t hello:1 | docker load",
    "strake stream conf.json -o image.tar",
]))]
pub(crate) struct Stream {
    /// Store paths, a conf.json, or - for a conf on stdin
    ///
    /// A conf.json is what strake plan or nixpkgs' dockerTools writes.
    #[arg(required = true, value_name = "CONF|PATH")]
    pub(crate) image: Vec<PathBuf>,
    /// Name and tag of the image, instead of the plan's
    #[arg(short = 't', long, alias = "repo_tag", value_name = "NAME:TAG", value_parser = values::repo_tag)]
    pub(crate) repo_tag: Option<String>,
    /// Write to FILE [default: stdout]
    ///
    /// The file appears when it is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// For store paths: what the image is to be
    #[command(flatten)]
    pub(crate) plan: Plan,
    /// The words of nixpkgs' script
    #[arg(skip)]
    pub(crate) script: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake describe conf.json -o described.json",
    "strake describe conf.json --known described.json --detached -o new.json",
]))]
#[command(mut_args(copy::without_plans))]
pub(crate) struct Describe {
    /// The image: a conf, or - for stdin; or store paths
    #[arg(required = true, value_name = "CONF|PATH")]
    pub(crate) image: Vec<PathBuf>,
    /// Name and tag of the image, instead of the conf's
    #[arg(short = 't', long, value_name = "NAME:TAG", value_parser = values::repo_tag)]
    pub(crate) repo_tag: Option<String>,
    /// A described conf, whose layers are not hashed again (repeat for more)
    #[arg(long, value_name = "CONF")]
    pub(crate) known: Vec<PathBuf>,
    /// Write the conf so that Nix finds no references in it
    #[arg(long)]
    pub(crate) detached: bool,
    /// Write to FILE [default: stdout]
    ///
    /// The file appears when it is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) messages: Messages,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    /// For store paths: what the image is to be
    #[command(flatten)]
    pub(crate) plan: Plan,
}

#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake nix-database root --graph graph.json",
    "strake nix-database root --graph attrs.json --key closure",
]))]
pub(crate) struct NixDatabase {
    /// Root directory of the image: the database is written to nix/var/nix/db in it
    pub(crate) directory: PathBuf,
    /// The closure's references graph, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) graph: PathBuf,
    #[command(flatten)]
    pub(crate) key: GraphKey,
    /// A root of the garbage collector: a store path that is kept with its closure (repeat for more)
    #[arg(long, value_name = "PATH")]
    pub(crate) root: Vec<String>,
    /// Leave a store path out (repeat for more)
    #[arg(long, value_name = "PATH")]
    pub(crate) exclude: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// List what is cached
    #[command(after_long_help = end(&[], ["strake cache show", "strake cache show --json"]))]
    Show {
        /// Print JSON, an entry a line
        #[arg(long)]
        json: bool,
    },
    /// Remove entries that were not used for some time
    #[command(after_long_help = end(&[], ["strake cache prune", "strake cache prune --older-than 7"]))]
    Prune {
        /// That time, in days
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        older_than: u32,
    },
    /// Remove all entries
    #[command(after_long_help = end(&[], ["strake cache clear", "STRAKE_CACHE_DIR=cache strake cache clear"]))]
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
        self.messages.style()
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

//! What can be said about layers and plans.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::EXIT_CODES;
use crate::values;

/// How store paths share layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// What is expected to change together, so that updates send the fewest bytes
    Cost,
    /// What nixpkgs' dockerTools does today
    Auto,
    /// The most popular paths alone, the rest together: what dockerTools did before
    Popularity,
    /// A layer for each path while there is room
    Each,
    /// Everything in one layer
    One,
}

/// Output of `strake layers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A list of lists of store paths
    Json,
    /// Store paths, one a line, layer by layer
    Lines,
    /// A table of layers for people
    Table,
    /// A picture: a bar for each layer, as long as the layer is large
    Svg,
}

/// What an image takes over from its base image's config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Inherit {
    /// The environment, as in dockerTools
    Env,
    /// All of it, as in a Dockerfile
    All,
}

/// How layers are decided.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Layers")]
pub(crate) struct Layering {
    /// How store paths share layers [default: cost]
    #[arg(long, value_enum, value_name = "STRATEGY", conflicts_with = "pipeline")]
    pub(crate) strategy: Option<Strategy>,
    /// So many layers at most [default: 100]
    #[arg(long, value_name = "N", value_parser = values::layers())]
    pub(crate) max_layers: Option<usize>,
    /// A layering pipeline as in dockerTools' layeringPipeline: a JSON file, or - for stdin. It alone decides the layers
    #[arg(long, value_name = "FILE", conflicts_with = "max_layers")]
    pub(crate) pipeline: Option<PathBuf>,
    /// Leave a store path out (repeat for more)
    #[arg(long, value_name = "PATH")]
    pub(crate) exclude: Vec<String>,
    /// Keep the layers of an earlier plan, which are in FILE, as far as all their paths are still wanted
    #[arg(long, value_name = "FILE", conflicts_with = "pipeline")]
    pub(crate) lock: Option<PathBuf>,
    /// Write the layers into the file that --lock names; it need not be there yet
    #[arg(long, requires = "lock")]
    pub(crate) update_lock: bool,
    /// A layer of its own for a store path, or for several with commas between (repeat for more such layers)
    #[arg(long, value_name = "PATH,…", conflicts_with = "pipeline")]
    pub(crate) isolate: Vec<String>,
    /// A store path that changes often, like the image's own code (repeat for more)
    #[arg(long, value_name = "PATH", conflicts_with = "pipeline")]
    pub(crate) volatile: Vec<String>,
    /// How often packages change: a JSON object from package names to whole numbers, 1 being usual
    #[arg(long, value_name = "FILE", conflicts_with = "pipeline")]
    pub(crate) rates: Option<PathBuf>,
}

/// Where a closure is read from.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct GraphKey {
    /// Which of several graphs in a JSON object is meant
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Layers {
    /// References graphs: JSON of exportReferencesGraph, closureInfo or `nix path-info --json -r`, a registration, or -
    /// for stdin; or store paths, whose closure the store's database gives
    #[arg(required = true, value_name = "GRAPH")]
    pub(crate) graphs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) key: GraphKey,
    /// What to write
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: Format,
    /// Plan several images together, a graph each, so that they share layers; writes an object with a list for each graph
    #[arg(long, conflicts_with_all = ["pipeline", "strategy", "isolate", "volatile", "rates", "exclude", "format"])]
    pub(crate) fleet: bool,
    /// Directory below which the store lies: /nix/store is at DIR/nix/store
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) store_root: PathBuf,
    #[command(flatten)]
    pub(crate) layering: Layering,
}

/// What a conf says already.
const PLANNED_ANEW: [&str; 21] = [
    "roots",
    "name",
    "contents",
    "root",
    "customisation",
    "nix_database",
    "materialize_etc",
    "from",
    "arch",
    "owner",
    "no_store_paths",
    "file",
    "entrypoint",
    "cmd",
    "env",
    "user",
    "workdir",
    "expose",
    "label",
    "volume",
    "stop_signal",
];

/// What an image is to be.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct Plan {
    /// The image's name [default: the first store path's]
    #[arg(long, value_parser = values::image_name)]
    pub(crate) name: Option<String>,
    /// Its tag [default: a hash of the plan]
    #[arg(long, value_parser = values::tag)]
    pub(crate) tag: Option<String>,
    /// A store path whose tree is linked at the image's root: bin/hello becomes /bin/hello (repeat for more)
    #[arg(long, value_name = "PATH")]
    pub(crate) contents: Vec<PathBuf>,
    /// A directory whose tree is copied to the image's root
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// More files, and rules for owners, modes, times and capabilities: JSON, see docs/conf.md, key customisation
    #[arg(long, value_name = "FILE")]
    pub(crate) customisation: Option<PathBuf>,
    /// Register the image's store paths in a Nix database in it
    #[arg(long)]
    pub(crate) nix_database: bool,
    /// Whether files take the place of /etc/passwd and /etc/group where these would be links into the store [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) materialize_etc: Option<bool>,
    /// The base image: a docker-archive, or a place such as oci:DIR
    #[arg(long, value_name = "IMAGE")]
    pub(crate) from: Option<String>,
    /// How much of the base image's config goes on [default: env]
    #[arg(long, value_enum, value_name = "WHAT", requires = "from")]
    pub(crate) inherit: Option<Inherit>,
    /// Leave out store paths that the base image holds
    #[arg(long, requires = "from")]
    pub(crate) skip_base_paths: bool,
    /// The processor architecture, by Go's name for it [default: this machine's]
    #[arg(long, value_parser = values::architecture)]
    pub(crate) arch: Option<String>,
    /// The time of creation: now, or ISO 8601 [default: 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) created: Option<String>,
    /// The modification time of everything: now, or ISO 8601 [default: 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) mtime: Option<String>,
    /// Who owns the store paths [default: 0:0]
    #[arg(long, value_name = "UID[:GID]", value_parser = values::owner)]
    pub(crate) owner: Option<(u32, u32)>,
    /// Do not put store paths into the image, which must find them in another way
    #[arg(long, conflicts_with = "nix_database")]
    pub(crate) no_store_paths: bool,
    /// Read the closure from a references graph rather than from the store's database; - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) graph: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: GraphKey,
    #[command(flatten)]
    pub(crate) config: Config,
    #[command(flatten)]
    pub(crate) layering: Layering,
}

/// What a container is started with.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Container")]
pub(crate) struct Config {
    /// The config to begin with, as JSON: {"Entrypoint": […], …}
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What a container runs: a word (repeat for more), or all as a JSON list
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) entrypoint: Vec<String>,
    /// Its arguments unless it is given others: a word (repeat for more), or all as a JSON list
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) cmd: Vec<String>,
    /// An environment variable (repeat for more)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub(crate) env: Vec<String>,
    /// The user that it runs as
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// The directory that it starts in
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// A port that it listens on (repeat for more)
    #[arg(long, value_name = "PORT[/PROTOCOL]", value_parser = values::exposed)]
    pub(crate) expose: Vec<String>,
    /// A label (repeat for more)
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub(crate) label: Vec<String>,
    /// A directory that outlives the container (repeat for more)
    #[arg(long, value_name = "DIR")]
    pub(crate) volume: Vec<String>,
    /// The signal that stops it
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct PlanCommand {
    /// Store paths that are to be in the image, with all that they need; with --graph none means: all of it
    #[arg(value_name = "PATH")]
    pub(crate) roots: Vec<PathBuf>,
    /// Directory below which the store lies: /nix/store is at DIR/nix/store
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) store_root: PathBuf,
    /// Write into FILE, which appears when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the JSON schema of a plan instead
    #[arg(long, exclusive = true)]
    pub(crate) schema: bool,
    /// Complete a conf that has everything but its layers of store paths; its `repo_tag` may lack the tag
    #[arg(long, value_name = "FILE", conflicts_with_all = PLANNED_ANEW)]
    pub(crate) conf: Option<PathBuf>,
    /// In a conf to be completed: leave a store path out unless something refers to it (repeat for more)
    #[arg(long, value_name = "PATH", requires = "conf")]
    pub(crate) copied: Vec<String>,
    /// In a conf to be completed: begin with the layers of this conf (repeat for more, the lowest first)
    #[arg(long, value_name = "FILE", requires = "conf")]
    pub(crate) below: Vec<PathBuf>,
    /// In a conf to be completed: leave out the store paths that are in the layers of this conf (repeat for more)
    #[arg(long, value_name = "FILE", requires = "conf")]
    pub(crate) without: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) plan: Plan,
}

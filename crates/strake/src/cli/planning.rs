//! What can be said about layers and plans.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::help::{BASE, end};
use crate::values;

/// How store paths share layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// Paths that are expected to change together share a layer, so that updates send the fewest bytes
    Cost,
    /// The rules of nixpkgs' dockerTools
    Auto,
    /// The most popular paths alone, the rest together: the earlier rules of dockerTools
    Popularity,
    /// A layer for each path, up to the maximum number of layers
    Each,
    /// All paths in one layer
    One,
}

/// Output of `strake layers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A list of lists of store paths
    Json,
    /// Store paths, one a line, layer by layer
    Lines,
    /// A table with the size and largest packages of each layer
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
    #[arg(long, value_enum, value_name = "STRATEGY", conflicts_with = "pipeline", hide_short_help = true)]
    pub(crate) strategy: Option<Strategy>,
    /// Maximum number of layers [default: 100]
    #[arg(long, value_name = "N", value_parser = values::layers(), hide_short_help = true)]
    pub(crate) max_layers: Option<usize>,
    /// Layering pipeline as in dockerTools' layeringPipeline: a JSON file, or - for stdin. It alone decides the layers
    #[arg(long, value_name = "FILE", conflicts_with = "max_layers", hide_short_help = true)]
    pub(crate) pipeline: Option<PathBuf>,
    /// Leave a store path out (repeat for more)
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    pub(crate) exclude: Vec<String>,
    /// Lock file: its layers are kept as long as all their paths are in the closure
    #[arg(long, value_name = "FILE", conflicts_with = "pipeline", hide_short_help = true)]
    pub(crate) lock: Option<PathBuf>,
    /// Write the layers to the lock file, which need not exist
    #[arg(long, requires = "lock", hide_short_help = true)]
    pub(crate) update_lock: bool,
    /// A layer for just this store path, or these, with commas between them (repeat for more such layers)
    #[arg(long, value_name = "PATH,…", conflicts_with = "pipeline", hide_short_help = true)]
    pub(crate) isolate: Vec<String>,
    /// A store path that changes as often as the image's own code (repeat for more)
    #[arg(long, value_name = "PATH", conflicts_with = "pipeline", hide_short_help = true)]
    pub(crate) volatile: Vec<String>,
    /// How often packages change: a JSON object from package names to whole numbers; 1 is usual
    #[arg(long, value_name = "FILE", conflicts_with = "pipeline", hide_short_help = true)]
    pub(crate) rates: Option<PathBuf>,
}

/// Where a closure is read from.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct GraphKey {
    /// Name of the graph, where a JSON object has several
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake layers ./result --format table",
    "strake layers graph.json --strategy popularity --max-layers 60",
]))]
#[command(mut_arg("strategy", |strategy| strategy.hide_short_help(false)))]
#[command(mut_arg("max_layers", |max_layers| max_layers.hide_short_help(false)))]
#[command(mut_arg("lock", |lock| lock.hide_short_help(false)))]
#[command(mut_arg("update_lock", |update| update.hide_short_help(false)))]
pub(crate) struct Layers {
    /// Store paths, or references graphs (- for stdin)
    ///
    /// A references graph is JSON of exportReferencesGraph, closureInfo or `nix path-info --json -r`, or a registration. The
    /// closure of store paths is read from the store's database.
    #[arg(required = true, value_name = "GRAPH")]
    pub(crate) graphs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) key: GraphKey,
    /// Output format
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: Format,
    /// Plan several images together, a graph each, so that they share layers
    ///
    /// The output is an object with a list of layers for each graph.
    #[arg(long, conflicts_with_all = ["pipeline", "strategy", "isolate", "volatile", "rates", "exclude", "format"])]
    pub(crate) fleet: bool,
    /// Directory that contains the store: /nix/store is at DIR/nix/store
    #[arg(long, value_name = "DIR", default_value = "/", hide_short_help = true)]
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
    /// Name of the image [default: the first store path's]
    #[arg(long, value_parser = values::image_name, hide_short_help = true)]
    pub(crate) name: Option<String>,
    /// Tag of the image [default: a hash of the plan]
    #[arg(long, value_parser = values::tag, hide_short_help = true)]
    pub(crate) tag: Option<String>,
    /// Link a store path's tree at the root (repeat for more)
    ///
    /// bin/hello in the store path becomes /bin/hello.
    #[arg(long, value_name = "PATH")]
    pub(crate) contents: Vec<PathBuf>,
    /// Copy a directory's tree to the image's root
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) root: Option<PathBuf>,
    /// More files, and rules for owners, modes, times and capabilities: JSON, see docs/conf.md, key customisation
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) customisation: Option<PathBuf>,
    /// Add a Nix database in which the image's store paths are registered
    #[arg(long, hide_short_help = true)]
    pub(crate) nix_database: bool,
    /// Write /etc/passwd and /etc/group as files where they would be links into the store [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, hide_short_help = true)]
    pub(crate) materialize_etc: Option<bool>,
    /// Base image
    #[arg(long, value_name = "IMAGE", help = BASE)]
    pub(crate) from: Option<String>,
    /// What the image takes over from the base image's config [default: env]
    #[arg(long, value_enum, value_name = "WHAT", requires = "from", hide_short_help = true)]
    pub(crate) inherit: Option<Inherit>,
    /// Leave out store paths that are in the base image
    #[arg(long, requires = "from", hide_short_help = true)]
    pub(crate) skip_base_paths: bool,
    /// Processor architecture, as Go calls it [default: this machine's]
    #[arg(long, value_parser = values::architecture, hide_short_help = true)]
    pub(crate) arch: Option<String>,
    /// Creation time: now, or ISO 8601 [default: 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "TIME", value_parser = values::time, hide_short_help = true)]
    pub(crate) created: Option<String>,
    /// Modification time of all files: now, or ISO 8601 [default: 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "TIME", value_parser = values::time, hide_short_help = true)]
    pub(crate) mtime: Option<String>,
    /// Owner of the store paths [default: 0:0]
    #[arg(long, value_name = "UID[:GID]", value_parser = values::owner, hide_short_help = true)]
    pub(crate) owner: Option<(u32, u32)>,
    /// Leave the store paths out: containers get them in another way, such as a volume
    #[arg(long, conflicts_with = "nix_database", hide_short_help = true)]
    pub(crate) no_store_paths: bool,
    /// Read the closure from a references graph instead of the store's database; - for stdin
    #[arg(long, value_name = "FILE", hide_short_help = true)]
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
    /// Config to begin with, as JSON: {"Entrypoint": […], …}
    #[arg(long = "config", value_name = "FILE", hide_short_help = true)]
    pub(crate) file: Option<PathBuf>,
    /// Program to run: a word (repeat for more), or JSON
    ///
    /// JSON is a list of strings, such as `["/bin/hello", "--greeting"]`.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) entrypoint: Vec<String>,
    /// Default arguments, in the same form
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) cmd: Vec<String>,
    /// Environment variable (repeat for more)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub(crate) env: Vec<String>,
    /// User that a container runs as
    #[arg(long, value_name = "USER[:GROUP]", hide_short_help = true)]
    pub(crate) user: Option<String>,
    /// Working directory
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) workdir: Option<String>,
    /// Port that a container listens on (repeat for more)
    #[arg(long, value_name = "PORT[/PROTOCOL]", value_parser = values::exposed, hide_short_help = true)]
    pub(crate) expose: Vec<String>,
    /// Label (repeat for more)
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment, hide_short_help = true)]
    pub(crate) label: Vec<String>,
    /// Volume: a directory that outlives the container (repeat for more)
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) volume: Vec<String>,
    /// Signal that stops a container
    #[arg(long, value_name = "SIGNAL", hide_short_help = true)]
    pub(crate) stop_signal: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake plan ./result --contents ./result --entrypoint /bin/app -o conf.json",
    "strake plan ./result --from docker://debian:12 --inherit all -o conf.json",
]))]
#[command(mut_arg("name", |name| name.hide_short_help(false)))]
#[command(mut_arg("tag", |tag| tag.hide_short_help(false)))]
pub(crate) struct PlanCommand {
    /// Store paths: the image has their closure [default with --graph: all paths of the graph]
    #[arg(value_name = "PATH")]
    pub(crate) roots: Vec<PathBuf>,
    /// Directory that contains the store: /nix/store is at DIR/nix/store
    #[arg(long, value_name = "DIR", default_value = "/", hide_short_help = true)]
    pub(crate) store_root: PathBuf,
    /// Write to FILE [default: stdout]
    ///
    /// The file appears when it is complete.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the JSON schema of a conf instead
    #[arg(long, exclusive = true, hide_short_help = true)]
    pub(crate) schema: bool,
    /// Complete a conf that has everything but its layers of store paths; its `repo_tag` may lack the tag
    #[arg(long, value_name = "FILE", conflicts_with_all = PLANNED_ANEW, hide_short_help = true)]
    pub(crate) conf: Option<PathBuf>,
    /// With --conf: leave a store path out unless another path refers to it (repeat for more)
    #[arg(long, value_name = "PATH", requires = "conf", hide_short_help = true)]
    pub(crate) copied: Vec<String>,
    /// With --conf: begin with the layers of this conf (repeat for more, the lowest first)
    #[arg(long, value_name = "FILE", requires = "conf", hide_short_help = true)]
    pub(crate) below: Vec<PathBuf>,
    /// With --conf: leave out the store paths that are in the layers of this conf (repeat for more)
    #[arg(long, value_name = "FILE", requires = "conf", hide_short_help = true)]
    pub(crate) without: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) plan: Plan,
}

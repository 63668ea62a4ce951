//! `pipeline`: layers by rules that somebody wrote down.
//!
//! The `layeringPipeline` of nixpkgs' dockerTools (`flatten_references_graph`), with the same layers, so what was tuned
//! for it still works. A pipeline is a list of operations, each a list of its name and its arguments. The closure goes
//! into the first, what comes out of it into the second, and what is there at the end is flattened: each graph is a
//! layer, and empty ones are dropped.
//!
//! # Data
//!
//! A *graph* is some of the paths, in order: at first by size, the smallest first, equals by name of the store path. Its
//! references are those between its own paths. A *list* holds graphs, lists or parts; *parts* hold such things by name,
//! in order: `main`, `common`, `rest`.
//!
//! # Operations
//!
//! | operation | from | to | |
//! | --- | --- | --- | --- |
//! | `popularity_contest` | graph | list | a graph for each path, as [`super::popularity()`] orders them |
//! | `split_every n` | graph | list | graphs of `n` paths, in order |
//! | `subcomponent_out paths` | graph | parts | `main`: the paths and all that they need; `rest` |
//! | `subcomponent_in paths` | graph | parts | `main`: the paths and all that needs them; `rest` |
//! | `split_paths specs` | graph | parts | `main`: the paths and what only they need; `common`: what the rest needs too; `rest`. Empty ones are not there. A spec is a path, or `{"children_of": paths}` for what these refer to |
//! | `remove_paths paths` | graph | graph | without these, which are then in no layer |
//! | `limit_layers n` | list | list | the first `n - 1` things, and one graph of all others, which may be empty |
//! | `flatten` | list, parts | list | without lists and parts in it |
//! | `reverse` | list | list | from the last to the first |
//! | `reorder keys` | any | same | the parts in this order, then the other ones; what is not parts stays as it is |
//! | `over key operation` | parts | parts | the operation, on one of the parts |
//! | `map operation` | list | list | the operation, on each thing in it |
//! | `pipe operations` | any | any | several operations as one |
//!
//! Paths and keys that are not there are ignored, but for the key of `over`. A string in a place where `split_paths`,
//! `subcomponent_out`, `subcomponent_in` or `reorder` take a list names nothing (the original takes it letter by
//! letter). Two operations forget references, as they do there: `split_paths` those to the paths that it has split off,
//! and `limit_layers` those between the graphs that it makes into one.
//!
//! Where the original breaks down on a whole graph at the end of a pipeline, we make it a layer. It takes `split_every`
//! with a number below 0 and loses all paths; we say that it is wrong.
//!
//! # Example
//!
//! `app` (1 byte) needs `lib` (3), `tool` (2) needs `lib` too:
//!
//! ```text
//!     ["split_paths", ["/nix/store/…-app"]]     main: app    common: lib    rest: tool
//!     ["over", "rest", ["split_every", 10]]     main: app    common: lib    rest: [tool]
//!     ["reorder", ["common"]]                   common: lib    main: app    rest: [tool]
//!     ["flatten"]                               lib | app | tool
//!     ["limit_layers", 2]                       lib | app, tool
//! ```

mod data;
mod error;
mod graph;
mod op;
mod parse;
mod run;

pub use error::{PipelineError, Place, Problem};
pub use op::Pipeline;
pub use parse::parse;

use super::Group;
use crate::closure::Closure;

impl Pipeline {
    /// Puts the paths of the closure into layers.
    pub fn run(&self, closure: &Closure) -> Result<Vec<Group>, PipelineError> {
        run::run(self, closure)
    }
}

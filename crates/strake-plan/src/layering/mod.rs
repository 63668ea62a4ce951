//! Layering: which store paths share a layer.
//!
//! A strategy is a pure function from a closure and a number of layers to groups. Each has a module of its own, which
//! begins with what it does, why, and a worked example.

mod auto;
mod budget;
mod cost;
mod each;
pub mod lock;
mod one;
mod options;
pub mod pipeline;
mod popularity;

pub use auto::auto;
pub use budget::{BudgetError, DEFAULT_MAX_LAYERS, MAX_LAYERS, budget, check_count};
pub use cost::{CostError, CostOptions, PLANNER_VERSION, cost, fleet};
pub use each::each;
pub use one::one;
pub use options::{LayeringError, LayeringOptions, Strategy, fleet_layers, layers};
pub use popularity::{popularity, popularity_counts, popularity_order};

use crate::closure::Closure;
use crate::graph::Node;

/// The store paths that share a layer, by their nodes in the closure, in the order in which the layer holds them.
/// Never empty.
pub type Group = Vec<Node>;

/// The order of a closure's paths by name, and by hash only among equal names: a new hash alone moves no path.
/// dockerTools orders the paths in a layer in this way.
pub struct Rank(Vec<u32>);

impl Rank {
    /// Ranks the paths of a closure.
    pub fn new(closure: &Closure) -> Self {
        let mut order: Vec<Node> = closure.graph().nodes().collect();
        // Paths are in the order of their whole names, so among equal names the node tells the hash.
        order.sort_unstable_by_key(|&node| (closure.path(node).path.name(), node));
        let mut ranks = vec![0; order.len()];
        for (&node, rank) in order.iter().zip(0..) {
            ranks[node as usize] = rank;
        }
        Self(ranks)
    }

    /// The path's place, from 0.
    pub fn of(&self, node: Node) -> u32 {
        self.0[node as usize]
    }
}

/// All paths, by name.
fn by_name(closure: &Closure) -> Group {
    let rank = Rank::new(closure);
    let mut all: Group = closure.graph().nodes().collect();
    all.sort_unstable_by_key(|&node| rank.of(node));
    all
}

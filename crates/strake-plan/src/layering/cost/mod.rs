//! `cost`: paths that are expected to change together share a layer, so that updates send few bytes.
//!
//! # What is minimised
//!
//! A store path's name changes whenever anything in its closure changes, so a layer must be sent again when anything in
//! the union of its paths' closures has changed. With a weight for each path, which stands for how often it changes by
//! itself, the cost of a layer is its size times the weight of that union, and the cost of an image is the sum over
//! its layers. It is least if each path has a layer of its own; the budget says how many layers there may be.
//!
//! # How
//!
//! 1. The largest paths, half as many as there may be layers, get layers of their own: largest-first is what makes
//!    images of different closures share bytes. (Half is the knee of a measured curve: 0.5 to 0.7 are about equal.)
//! 2. All other paths begin as items of their own. While there are too many, the two items whose union costs least more
//!    than both apart become one ("agglomerative clustering", Ward 1963, with this cost in place of variance).
//! 3. The layers are put in order: clients know a layer by all that lie below it, so what changes least lies lowest. The
//!    image's own paths come last; within that, weight per byte (Smith's rule, which is optimal for such sums).
//!
//! Weights: each path counts 1, or its rate where the user gives a table. A path that at most [`OWN_USERS`] paths need
//! (itself included) is taken for the image's own code or configuration and counts [`OWN_WEIGHT`] more, as releases are
//! more frequent than updates of packages. Sizes are rounded to powers of two, so that a few per cent of growth do
//! not move a path. Ties go by name, never by hash. The constants were tuned on 8 images made of Debian packages over
//! 3.4 years of updates and held on 20 others; bench/README.md has the figures.
//!
//! # Memory
//!
//! Without history the plan is a function of the closure alone, and one path more can displace others. Given the layers of
//! the last plan, those whose paths are all still wanted are kept as items; breaking one up costs its bytes, which are
//! weighed against [`HORIZON`] future updates. The unbroken head of kept layers stays in its order.
//!
//! # Size
//!
//! Up to [`EXACT`] items every pair is compared: quadratic memory of 4 bytes, cubic time over 64. Beyond that the
//! smaller paths are put into bundles first, see [`bundle`]. They have few bytes, so little is lost.
//!
//! # Example
//!
//! `app` (1 MB) needs `lib` (1 MB) and `data` (64 MB); `lib` needs `libc` (32 MB). With three layers, one path is
//! single: `data`. Of the rest, all of which count as own code here, `libc` and `lib` differ by one path and `lib` and
//! `app` by two; but putting `libc` with `lib` sends 32 MB more whenever `lib` changes, putting `lib` with `app` sends 1
//! MB more when `app` or `data` does. So `app` and `lib` share a layer. The paths that most others need come first:
//! `libc` (three) | `data` (two) | `app`, `lib`.

mod bundle;
mod fleet;
mod items;
mod merge;
mod order;
mod weights;

use std::collections::{BTreeMap, HashSet};

use super::Group;
use crate::closure::Closure;
use crate::graph::{Node, NodeSet};
pub use fleet::fleet;
use items::Items;
use weights::{Index, Weights};

/// Changes when the same input gives other layers; it stands in lock files.
pub const PLANNER_VERSION: u32 = 1;

/// A path that at most this number of paths need, itself included, is the image's own.
const OWN_USERS: u32 = 5;

/// The factor by which an image's own path weighs more.
const OWN_WEIGHT: u64 = 16;

/// Updates over which sending a kept layer once more may pay off.
const HORIZON: u128 = 5;

/// The maximum number of items that are compared pair by pair.
const EXACT: usize = 4096;

/// No rate is larger: what is heavier by so much always changes anyway.
const MAX_RATE: u64 = 10_000;

/// The inputs that decide the layers beside the closure. Store paths stand here by their whole names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostOptions {
    /// The layers of an earlier plan, lowest first. Paths that are not in the closure are no error.
    pub previous: Option<Vec<Vec<String>>>,
    /// How often packages change, by name without version; 1 is usual, what is not listed counts as 1.
    pub rates: BTreeMap<String, u64>,
    /// Paths that get a layer together and with nothing else. All must be in the closure.
    pub isolated: Vec<Vec<String>>,
    /// Paths that change as often as the image's own. All must be in the closure.
    pub volatile: Vec<String>,
}

/// Why there are no layers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// More layers are asked for than there may be.
    #[error("{isolated} isolated layers leave no room for the rest in {max_layers} layers")]
    Room {
        /// Those that are asked for.
        isolated: usize,
        /// Those that there may be.
        max_layers: usize,
    },
    /// A path that is isolated or volatile is not in the closure.
    #[error("{0} is not in the closure")]
    NotInClosure(String),
    /// A path cannot be in two layers.
    #[error("{0} is isolated twice")]
    Twice(String),
}

/// Plans layers by cost. `max_layers` counts as 1 if it is 0.
pub fn cost(closure: &Closure, max_layers: usize, options: &CostOptions) -> Result<Vec<Group>, CostError> {
    let groups = options.isolated.iter().map(|paths| nodes(closure, paths));
    let groups: Vec<Group> = groups.collect::<Result<_, _>>()?;
    let weights = Weights::new(closure, &options.rates, &nodes(closure, &options.volatile)?);
    let mut taken = NodeSet::new(closure.len());
    let mut isolated = Vec::new();
    for group in &groups {
        if let Some(&twice) = group.iter().find(|&&node| !taken.insert(node)) {
            return Err(CostError::Twice(closure.path(twice).path.to_string()));
        }
        isolated.push(weights.indices(group));
    }
    let room = max_layers.max(1).saturating_sub(isolated.len());
    let others = (0..closure.len() as Node).any(|node| !taken.contains(node));
    if isolated.len() > max_layers.max(1) || (others && room == 0) {
        return Err(CostError::Room { isolated: isolated.len(), max_layers });
    }
    let mut items = Items::new(&weights, &taken);
    let head = items.keep(&weights, closure, options.previous.as_deref().unwrap_or_default());
    let mut layers = merge(&weights, items, room);
    layers.extend(isolated);
    order::order(&weights, &mut layers, head);
    Ok(layers.into_iter().map(|layer| weights.nodes(&layer)).collect())
}

/// The nodes of paths that must be in the closure.
fn nodes(closure: &Closure, paths: &[String]) -> Result<Group, CostError> {
    let node = |path: &String| closure.node(path).ok_or_else(|| CostError::NotInClosure(path.clone()));
    paths.iter().map(node).collect()
}

/// Gives the largest paths layers of their own, and merges the rest.
fn merge(weights: &Weights, items: Items, room: usize) -> Vec<Vec<Index>> {
    if items.len() <= room {
        return items.layers();
    }
    let largest: HashSet<Index> = items.largest(weights, room / 2);
    let (mut layers, rest) = items.split_singles(&largest);
    let rest = bundle::bundle(weights, rest);
    layers.extend(merge::merge(weights, rest, room - layers.len(), None));
    layers
}

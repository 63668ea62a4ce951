//! `each`: a layer for each path while the budget lasts.
//!
//! The paths are taken as they depend on each other, the deepest first, so the layers that change least lie lowest. The
//! last layer takes all that is left: the paths at the top, which change most.
//!
//! # Example
//!
//! `app` needs `lib`, `lib` needs `libc`. With three layers or more: `libc` | `lib` | `app`. With two: `libc` | `app` and
//! `lib`.

use super::{Group, Rank};
use crate::closure::Closure;

/// Puts each path into a layer of its own, but for those that `max_layers` leaves no room for.
///
/// `max_layers` counts as 1 if it is 0.
pub fn each(closure: &Closure, max_layers: usize) -> Vec<Group> {
    let rank = Rank::new(closure);
    // How many steps down it is from the path to one that needs nothing.
    let mut height = vec![0; closure.len()];
    for &node in closure.order().iter().rev() {
        let below = closure.graph().targets(node).iter().map(|&target| height[target as usize] + 1);
        height[node as usize] = below.max().unwrap_or(0);
    }
    let mut order: Group = closure.graph().nodes().collect();
    order.sort_unstable_by_key(|&node| (height[node as usize], rank.of(node)));
    let single = if order.len() > max_layers { max_layers.saturating_sub(1) } else { order.len() };
    let mut rest = order.split_off(single);
    rest.sort_unstable_by_key(|&node| rank.of(node));
    let mut groups: Vec<Group> = order.into_iter().map(|node| vec![node]).collect();
    if !rest.is_empty() {
        groups.push(rest);
    }
    groups
}

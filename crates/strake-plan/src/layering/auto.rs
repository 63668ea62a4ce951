//! `auto`: large paths each with what only they need, and what some of them share by who shares it.
//!
//! The same as nixpkgs' dockerTools today (`auto-layer.py`), path for path. Sharing is about bytes, and few large paths
//! hold most of these, so each gets a layer; and what needs a large path needs all that this path needs, so that may
//! be in the same layer.
//!
//! The paths are taken from the largest down. Each one taken is a *primary*. A path's layer is determined by its *label*, a
//! set of primaries; all labels are empty at first. When `p` is taken:
//!
//! - the label of `p` becomes `{p}`, and stays so;
//! - from the labels of all that `p` needs go the primaries that need `p`: `p` now stands between;
//! - `p` goes into each of these labels in which there is now no primary that `p` needs.
//!
//! The first primary with which there were more labels than layers is not taken, and no smaller one is tried. So some of
//! the budget may stay unused. Foundations come first: layers are ordered by the size of what they need together with
//! themselves.
//!
//! # Example
//!
//! ```text
//!     app ─┬─ jdk ─── icu ─┐          app 2, jdk 300, icu 20, llvm 200, libc 30
//!          └─ llvm ────────┴─ libc
//! ```
//!
//! First `jdk`: it takes `icu` and, as there is no other primary yet, `libc`; `app` and `llvm` keep the empty label. Then
//! `llvm`: `libc`, which both need, gets the label `{jdk, llvm}`. Then `libc`, which gets its own. With four layers this
//! is the end, for `icu` would make a fifth: `libc` (30) | `llvm` (230) | `jdk`, `icu` (350) | `app` (552).

use std::collections::{BTreeSet, HashMap};
use std::mem;

use super::{Group, Rank};
use crate::closure::Closure;
use crate::graph::{Node, NodeSet};

/// Groups the paths. `ignored` ones take part and count, and are left out of the result at the end.
///
/// `max_layers` counts as 1 if it is 0.
pub fn auto(closure: &Closure, max_layers: usize, ignored: &NodeSet) -> Vec<Group> {
    let mut groups: HashMap<u32, Group> = HashMap::new();
    for (node, label) in closure.graph().nodes().zip(labels(closure, max_layers)) {
        groups.entry(label).or_default().push(node);
    }
    let rank = Rank::new(closure);
    let mut ordered: Vec<_> = groups
        .into_values()
        .map(|mut group| {
            group.sort_unstable_by_key(|&node| rank.of(node));
            // Among equal sizes (a path may have no bytes) a layer still comes after what it needs.
            let needed = closure.graph().reachable(group.iter().copied());
            let size = closure.nar_size(needed.iter());
            ((size, needed.iter().count(), group.first().map(|&node| rank.of(node))), group)
        })
        .collect();
    ordered.sort_unstable();
    let mut groups: Vec<Group> = ordered.into_iter().map(|(_, group)| group).collect();
    for group in &mut groups {
        group.retain(|&node| !ignored.contains(node));
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// For each node its label, as a number.
fn labels(closure: &Closure, max_layers: usize) -> Vec<u32> {
    let graph = closure.graph();
    if closure.len() <= max_layers {
        // Every path becomes a primary.
        return graph.nodes().collect();
    }
    let mut by_size: Vec<Node> = graph.nodes().collect();
    by_size.sort_unstable_by_key(|&node| (closure.path(node).nar_size, node));

    let mut sets = Sets::default();
    let mut labels = vec![sets.number(BTreeSet::new()); closure.len()];
    // The closure of each primary, itself included. A primary's label stays, so there are no more primaries than layers.
    let mut primaries: Vec<(Node, NodeSet)> = Vec::new();
    while let Some(node) = by_size.pop() {
        let primary = primaries.len() as u32;
        let needed = graph.reachable([node]);
        let users = numbers(primaries.iter().map(|(_, needed)| needed.contains(node)));
        let below = numbers(primaries.iter().map(|&(other, _)| needed.contains(other)));

        let mut next = labels.clone();
        let mut changed: HashMap<u32, u32> = HashMap::new();
        for path in needed.iter() {
            let label = &mut next[path as usize];
            *label = *changed.entry(*label).or_insert_with(|| {
                let mut set: BTreeSet<u32> = sets.get(*label).difference(&users).copied().collect();
                if set.is_disjoint(&below) {
                    set.insert(primary);
                }
                sets.number(set)
            });
        }
        next[node as usize] = sets.number(BTreeSet::from([primary]));
        let mut seen = vec![false; sets.sets.len()];
        if next.iter().filter(|&&label| !mem::replace(&mut seen[label as usize], true)).count() > max_layers {
            break;
        }
        labels = next;
        primaries.push((node, needed));
    }
    labels
}

/// The places of what is true.
fn numbers(holds: impl Iterator<Item = bool>) -> BTreeSet<u32> {
    (0..).zip(holds).filter_map(|(number, holds)| holds.then_some(number)).collect()
}

/// Sets of primaries, each with a number of its own.
#[derive(Default)]
struct Sets {
    sets: Vec<BTreeSet<u32>>,
    numbers: HashMap<BTreeSet<u32>, u32>,
}

impl Sets {
    fn get(&self, number: u32) -> &BTreeSet<u32> {
        &self.sets[number as usize]
    }

    fn number(&mut self, set: BTreeSet<u32>) -> u32 {
        let next = self.sets.len() as u32;
        *self.numbers.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            next
        })
    }
}

//! The items to be merged: sets of paths, some of which an earlier plan made.

use std::collections::{HashMap, HashSet};

use super::weights::{Index, Weights};
use crate::closure::Closure;
use crate::graph::NodeSet;

/// Disjoint sets of paths that together hold all that is to be planned.
pub(super) struct Items {
    /// Layers of an earlier plan.
    kept: Vec<Vec<Index>>,
    /// All other paths, ascending.
    free: Vec<Index>,
}

/// A set of paths, ascending, and whether an earlier plan has made a layer of just these.
pub(super) struct Item {
    pub(super) members: Vec<Index>,
    pub(super) kept: bool,
}

impl Items {
    /// Each path but the taken ones by itself.
    pub(super) fn new(weights: &Weights, taken: &NodeSet) -> Self {
        Self { kept: Vec::new(), free: weights.others(taken) }
    }

    /// Keeps the layers of an earlier plan whose paths are all still free; of two that share one, the first. Returns those
    /// that lie lowest there, up to the first that is not kept.
    pub(super) fn keep(
        &mut self,
        weights: &Weights,
        closure: &Closure,
        previous: &[Vec<String>],
    ) -> Vec<Vec<Index>> {
        let mut head = Vec::new();
        let mut unbroken = true;
        let mut free: HashSet<Index> = self.free.iter().copied().collect();
        for layer in previous {
            let index = |path: &String| closure.node(path).map(|node| weights.index(node));
            let members: Option<Vec<Index>> = layer.iter().map(index).collect();
            let members = members.filter(|members| {
                let mut seen = HashSet::new();
                !members.is_empty() && members.iter().all(|index| free.contains(index) && seen.insert(*index))
            });
            let Some(mut members) = members else {
                unbroken = false;
                continue;
            };
            members.sort_unstable();
            for index in &members {
                free.remove(index);
            }
            if unbroken {
                head.push(members.clone());
            }
            self.kept.push(members);
        }
        self.free.retain(|index| free.contains(index));
        head
    }

    /// Takes sets as kept that are known to be disjoint.
    pub(super) fn keep_sets(&mut self, sets: Vec<Vec<Index>>) {
        let kept: HashSet<Index> = sets.iter().flatten().copied().collect();
        self.free.retain(|index| !kept.contains(index));
        self.kept = sets;
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.free.len()
    }

    /// The largest paths, `count` of them.
    pub(super) fn largest(&self, weights: &Weights, count: usize) -> HashSet<Index> {
        let mut all: Vec<Index> = self.kept.iter().flatten().chain(&self.free).copied().collect();
        all.sort_unstable_by_key(|&index| (std::cmp::Reverse(weights.size(index)), index));
        all.truncate(count);
        all.into_iter().collect()
    }

    /// As they are.
    pub(super) fn layers(self) -> Vec<Vec<Index>> {
        self.kept.into_iter().chain(self.free.into_iter().map(|index| vec![index])).collect()
    }

    /// Takes out the single paths that are among `singles`; the others come as items, ordered by their first paths.
    pub(super) fn split_singles(self, singles: &HashSet<Index>) -> (Vec<Vec<Index>>, Vec<Item>) {
        let free = self.free.into_iter().map(|index| Item { members: vec![index], kept: false });
        let kept = self.kept.into_iter().map(|members| Item { members, kept: true });
        let single = |item: &Item| matches!(item.members[..], [index] if singles.contains(&index));
        let (singles, mut rest): (Vec<Item>, Vec<Item>) = kept.chain(free).partition(single);
        rest.sort_by_key(|item| item.members[0]);
        (singles.into_iter().map(|item| item.members).collect(), rest)
    }
}

/// Joins items that have the same key, in the order in which keys are first seen.
pub(super) fn join<K: std::hash::Hash + Eq>(keyed: Vec<(K, Item)>) -> Vec<Item> {
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut joined: Vec<Item> = Vec::new();
    for (key, item) in keyed {
        if let Some(&place) = places.get(&key) {
            joined[place].members.extend(item.members);
        } else {
            places.insert(key, joined.len());
            joined.push(item);
        }
    }
    for item in &mut joined {
        item.members.sort_unstable();
    }
    joined.sort_by_key(|item| item.members[0]);
    joined
}

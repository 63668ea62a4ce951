//! The order of layers.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::weights::{Index, Weights};

/// Orders layers, the stablest first; those of `head` that are still there come before all others, in their order.
pub(super) fn order(weights: &Weights, layers: &mut Vec<Vec<Index>>, head: Vec<Vec<Index>>) {
    let there: HashSet<&Vec<Index>> = layers.iter().collect();
    let head: Vec<Vec<Index>> = head.into_iter().take_while(|layer| there.contains(layer)).collect();
    let stays: HashSet<&Vec<Index>> = head.iter().collect();
    layers.retain(|layer| !stays.contains(layer));
    let unions = weights.unions(layers);
    let mut keyed: Vec<(Key, Vec<Index>)> = std::mem::take(layers)
        .into_iter()
        .enumerate()
        .map(|(place, layer)| {
            let union = &unions[place * weights.width()..(place + 1) * weights.width()];
            let key = Key {
                own: weights.own(&layer),
                weight: weights.of(union).into(),
                size: weights.rounded_size(&layer),
                first: layer[0],
            };
            (key, layer)
        })
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    layers.extend(head);
    layers.extend(keyed.into_iter().map(|(_, layer)| layer));
}

/// Paths that are not the image's own first; then weight per byte; then the name.
#[derive(PartialEq, Eq)]
struct Key {
    own: u32,
    weight: u128,
    size: u128,
    first: Index,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_rate = || (self.weight * other.size).cmp(&(other.weight * self.size));
        self.own.cmp(&other.own).then_with(by_rate).then_with(|| self.first.cmp(&other.first))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

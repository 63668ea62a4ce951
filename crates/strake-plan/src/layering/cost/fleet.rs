//! Plans for many images together, so that they share layers.
//!
//! The image with the most paths is planned first. Each image takes the layers that are there already and that it can
//! hold whole, the largest first; what is left is merged by cost, where putting paths together that are not in the
//! same images costs more: each image that holds one but not the other would have to get other bytes.
//!
//! # Example
//!
//! `web` and `job` both hold `python` and `libc`; `web` also holds `nginx`. If `web` alone were planned with two layers,
//! `nginx` and `python` might share one, as both change often. In a fleet that would keep `job` from sharing
//! `python`, so it is `libc`, `python` | `nginx`, and `job` takes the first layer as it is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::bundle;
use super::items::Items;
use super::merge;
use super::order;
use super::weights::Weights;
use crate::closure::Closure;
use crate::graph::NodeSet;
use crate::layering::Group;

/// Plans each image with at most `max_layers` layers, and returns the layers in the order of the images.
///
/// `catalog` lists layers that exist already, for instance those of the last plan. Images have names so that the order in
/// which they are given does not matter.
pub fn fleet(images: &[(String, Closure)], max_layers: usize, catalog: &[Vec<String>]) -> Vec<Vec<Group>> {
    let mut members: HashMap<&str, Vec<u64>> = HashMap::new();
    let words = images.len().div_ceil(64);
    for (place, (_, closure)) in images.iter().enumerate() {
        for info in closure.paths() {
            let row = members.entry(info.path.as_str()).or_insert_with(|| vec![0; words]);
            row[place / 64] |= 1 << (place % 64);
        }
    }
    let sorted = |layer: &Vec<String>| layer.iter().cloned().collect::<BTreeSet<String>>();
    let mut known: BTreeSet<BTreeSet<String>> = catalog.iter().map(sorted).collect();
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by_key(|&place| (Reverse(images[place].1.len()), &images[place].0));
    let mut plans = BTreeMap::new();
    for place in order {
        let closure = &images[place].1;
        let layers = plan(closure, max_layers, &known, &members);
        let path = |&node: &u32| closure.path(node).path.to_string();
        known.extend(layers.iter().map(|layer| layer.iter().map(path).collect()));
        plans.insert(place, layers);
    }
    plans.into_values().collect()
}

fn plan(
    closure: &Closure,
    max_layers: usize,
    known: &BTreeSet<BTreeSet<String>>,
    members: &HashMap<&str, Vec<u64>>,
) -> Vec<Group> {
    let weights = Weights::new(closure, &BTreeMap::new(), &[]);
    let held = |layer: &BTreeSet<String>| {
        let nodes: Option<Vec<u32>> = layer.iter().map(|path| closure.node(path)).collect();
        nodes.filter(|nodes| !nodes.is_empty()).map(|nodes| weights.indices(&nodes))
    };
    let mut candidates: Vec<Vec<u32>> = known.iter().filter_map(held).collect();
    candidates.sort_by_cached_key(|layer| (Reverse(weights.bytes(layer)), layer.len(), layer.clone()));
    let mut taken = NodeSet::new(closure.len());
    candidates.retain(|layer: &Vec<u32>| {
        let free = layer.iter().all(|&index| !taken.contains(index));
        if free {
            for &index in layer {
                taken.insert(index);
            }
        }
        free
    });
    let mut items = Items::new(&weights, &NodeSet::new(closure.len()));
    items.keep_sets(candidates);
    let mut layers = if items.len() <= max_layers.max(1) {
        items.layers()
    } else {
        let rows: Vec<Vec<u64>> = (0..closure.len() as u32)
            .map(|index| members[closure.path(weights.node(index)).path.as_str()].clone())
            .collect();
        let (_, items) = items.split_singles(&std::collections::HashSet::new());
        merge::merge(&weights, bundle::bundle(&weights, items), max_layers, Some(&rows))
    };
    order::order(&weights, &mut layers, Vec::new());
    layers.into_iter().map(|layer| weights.nodes(&layer)).collect()
}

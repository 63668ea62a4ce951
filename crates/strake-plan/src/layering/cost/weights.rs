//! The weights of paths: the changes that they share, their rate and their size.
//!
//! Everything here goes by *index*: a path's place in the order of names, hashes last. Closures are sets of bits; the
//! bits are arranged so that each word of 64 holds paths of one weight only, which makes weighing a set a matter of
//! counting bits. No more than one word of all closures at a time is in memory but for those that are asked for.

use std::collections::BTreeMap;

use super::{MAX_RATE, OWN_USERS, OWN_WEIGHT};
use crate::closure::Closure;
use crate::graph::{Graph, Node, NodeSet};
use crate::layering::Rank;
use crate::store_path::StorePath;

/// A path's place in the order of names.
pub(super) type Index = u32;

/// Larger sizes count as this: no path has a pebibyte, and sums stay small.
const MAX_SIZE: u64 = 1 << 50;

pub(super) struct Weights {
    /// Nodes by index.
    nodes: Vec<Node>,
    /// Indices by node.
    indices: Vec<Index>,
    graph: Graph,
    /// Nodes, users first.
    order: Vec<Node>,
    /// NAR sizes by index, in bytes; at least 1.
    sizes: Vec<u64>,
    /// By index, how many paths need it, itself included.
    users: Vec<u32>,
    name_hashes: Vec<u64>,
    /// The bit of each node.
    bits: Vec<u32>,
    /// The weight of each bit of a word.
    words: Vec<u64>,
    /// Where runs of words of the same weight end, and that weight.
    runs: Vec<(usize, u64)>,
    /// The weight of all paths together.
    pub(super) total: u64,
}

impl Weights {
    pub(super) fn new(closure: &Closure, rates: &BTreeMap<String, u64>, volatile: &[Node]) -> Self {
        let rank = Rank::new(closure);
        let count = closure.len();
        let indices: Vec<Index> = closure.graph().nodes().map(|node| rank.of(node)).collect();
        let mut nodes = vec![0; count];
        for (&index, node) in indices.iter().zip(0..) {
            nodes[index as usize] = node;
        }
        let size = |&node: &Node| closure.path(node).nar_size.clamp(1, MAX_SIZE);
        let mut weights = Self {
            sizes: nodes.iter().map(size).collect(),
            graph: closure.graph().clone(),
            order: closure.order().to_vec(),
            users: vec![0; count],
            // At first any order of bits will do.
            bits: closure.graph().nodes().collect(),
            words: vec![1; count.div_ceil(64)],
            runs: Vec::new(),
            name_hashes: nodes.iter().map(|&node| hash(package(&closure.path(node).path))).collect(),
            nodes,
            indices,
            total: 0,
        };
        let mut users = vec![0_u32; count];
        weights.closures(|word, rows| {
            let base = word * 64;
            for &row in rows {
                let mut rest = row;
                while rest != 0 {
                    users[base + rest.trailing_zeros() as usize] += 1;
                    rest &= rest - 1;
                }
            }
        });
        for &node in volatile {
            users[node as usize] = 1;
        }
        let weight = |node: Node| {
            let path = &closure.path(node).path;
            let rate = rates.get(package(path)).map_or(1, |&rate| rate.clamp(1, MAX_RATE));
            rate + if users[node as usize] <= OWN_USERS { OWN_WEIGHT } else { 0 }
        };
        let mut by_weight: Vec<(u64, Node)> =
            closure.graph().nodes().map(|node| (weight(node), node)).collect();
        by_weight.sort_unstable();
        weights.total = by_weight.iter().map(|(weight, _)| weight).sum();
        weights.words.clear();
        let mut next = 0;
        for (weight, node) in by_weight {
            if next % 64 == 0 || weights.words.last() != Some(&weight) {
                next = weights.words.len() as u32 * 64;
                weights.words.push(weight);
            }
            weights.bits[node as usize] = next;
            next += 1;
        }
        let runs = weights.words.chunk_by(|a, b| a == b).scan(0, |end, run| {
            *end += run.len();
            Some((*end, run[0]))
        });
        weights.runs = runs.collect();
        weights.users = weights.nodes.iter().map(|&node| users[node as usize]).collect();
        weights
    }

    /// Shows one word after the other of all closures, by node.
    fn closures(&self, mut show: impl FnMut(usize, &[u64])) {
        let mut own: Vec<Vec<(Node, u64)>> = vec![Vec::new(); self.words.len()];
        for (&bit, node) in self.bits.iter().zip(0..) {
            own[bit as usize / 64].push((node, 1_u64 << (bit % 64)));
        }
        let mut rows = vec![0_u64; self.bits.len()];
        for (word, own) in own.iter().enumerate() {
            rows.fill(0);
            for &(node, bit) in own {
                rows[node as usize] = bit;
            }
            for &node in self.order.iter().rev() {
                let below =
                    self.graph.targets(node).iter().fold(0, |all, &target| all | rows[target as usize]);
                rows[node as usize] |= below;
            }
            show(word, &rows);
        }
    }

    /// For each of these sets of paths the union of their closures, one behind the other: [`Weights::width`] words each.
    pub(super) fn unions(&self, sets: &[Vec<Index>]) -> Vec<u64> {
        let width = self.width();
        let mut unions = vec![0; sets.len() * width];
        self.closures(|word, rows| {
            for (place, set) in sets.iter().enumerate() {
                let row = |&index: &Index| rows[self.nodes[index as usize] as usize];
                unions[place * width + word] = set.iter().map(row).fold(0, |all, row| all | row);
            }
        });
        unions
    }

    /// The weight of the paths in each of these sets' closures.
    pub(super) fn weights_of_unions(&self, sets: &[Vec<Index>]) -> Vec<u64> {
        let mut weights = vec![0; sets.len()];
        self.closures(|word, rows| {
            for (weight, set) in weights.iter_mut().zip(sets) {
                let row = |&index: &Index| rows[self.nodes[index as usize] as usize];
                let union = set.iter().map(row).fold(0, |all, row| all | row);
                *weight += u64::from(union.count_ones()) * self.words[word];
            }
        });
        weights
    }

    /// Words of a union.
    pub(super) fn width(&self) -> usize {
        self.words.len()
    }

    /// The weight of the paths in a union.
    pub(super) fn of(&self, union: &[u64]) -> u64 {
        self.of_both(union, union)
    }

    /// The weight of the paths in either of two unions.
    pub(super) fn of_both(&self, a: &[u64], b: &[u64]) -> u64 {
        let mut weight = 0;
        let mut start = 0;
        for &(end, each) in &self.runs {
            // A plain loop over a plain range, which the compiler can spread over wide registers.
            let count: u32 =
                a[start..end].iter().zip(&b[start..end]).map(|(a, b)| (a | b).count_ones()).sum();
            weight += u64::from(count) * each;
            start = end;
        }
        weight
    }

    /// The paths' sizes together, each rounded to a power of two.
    pub(super) fn rounded_size(&self, set: &[Index]) -> u128 {
        set.iter().map(|&index| 1_u128 << size_class(self.size(index))).sum()
    }

    /// The paths' sizes together, in bytes.
    pub(super) fn bytes(&self, set: &[Index]) -> u128 {
        set.iter().map(|&index| u128::from(self.size(index))).sum()
    }

    pub(super) fn size(&self, index: Index) -> u64 {
        self.sizes[index as usize]
    }

    /// By how much the image's own a set is: the fewer users one of its paths has, the more. 0: not at all.
    pub(super) fn own(&self, set: &[Index]) -> u32 {
        let fewest = set.iter().map(|&index| self.users[index as usize]).min().unwrap_or(u32::MAX);
        (OWN_USERS + 1).saturating_sub(fewest)
    }

    /// How many paths there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// These nodes' indices, ascending.
    pub(super) fn indices(&self, nodes: &[Node]) -> Vec<Index> {
        let mut indices: Vec<Index> = nodes.iter().map(|&node| self.indices[node as usize]).collect();
        indices.sort_unstable();
        indices
    }

    /// The nodes of these indices, in the same order.
    pub(super) fn nodes(&self, indices: &[Index]) -> Vec<Node> {
        indices.iter().map(|&index| self.nodes[index as usize]).collect()
    }

    /// The indices of the nodes that are not in the set, ascending.
    pub(super) fn others(&self, taken: &NodeSet) -> Vec<Index> {
        (0..self.len() as Index).filter(|&index| !taken.contains(self.nodes[index as usize])).collect()
    }

    /// A node's index.
    pub(super) fn index(&self, node: Node) -> Index {
        self.indices[node as usize]
    }

    /// A hash of a package's name, without version: the same for all its versions.
    pub(super) fn name_hash(&self, index: Index) -> u64 {
        self.name_hashes[index as usize]
    }

    /// The node of an index.
    pub(super) fn node(&self, index: Index) -> Node {
        self.nodes[index as usize]
    }
}

/// The exponent of the power of two that is nearest on a logarithmic scale.
fn size_class(size: u64) -> u32 {
    let size = u128::from(size.max(1));
    let below = size.ilog2();
    if size * size >= 1 << (2 * below + 1) { below + 1 } else { below }
}

/// A path's name up to its version: up to the first part behind a `-` that begins with a digit.
fn package(path: &StorePath) -> &str {
    let name = path.name();
    let version =
        name.match_indices('-').find(|(at, _)| name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    version.map_or(name, |(at, _)| &name[..at])
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo: draft-eastlake-fnv).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{package, size_class};
    use crate::store_path::StoreDir;

    #[test]
    fn names() {
        for (base, expected) in [
            ("a-gcc-12-base-12.2.0", "gcc"),
            ("a-libc6-2.36-9", "libc6"),
            ("a-hello", "hello"),
            ("a-font-x11", "font-x11"),
            ("a-7zip-1", "7zip"),
        ] {
            let path =
                StoreDir::parse("/nix/store").unwrap().store_path(&format!("/nix/store/{base}")).unwrap();
            assert_eq!(package(&path), expected);
        }
    }

    #[test]
    fn classes() {
        for (size, class) in [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (6, 3), (90, 6), (91, 7), (1 << 50, 50)]
        {
            assert_eq!(size_class(size), class, "{size}");
        }
    }
}

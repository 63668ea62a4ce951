//! `popularity`: a layer for each of the paths that are used most, and one for all others.
//!
//! The same as nixpkgs' dockerTools before `auto` (`references-by-popularity/closure-graph.py`), path for path. A path
//! that much else needs is likely to be in the next image too. The price: what is popular is mostly small, so the large
//! paths and one's own code share the last layer, which changes always. It is here for images that are to stay as they
//! are.
//!
//! Popularity is defined there by merging dictionaries from the leaves up, once for each reference. In closed form:
//!
//! - `walks(q)`: in how many ways references lead from a root, which nothing refers to, to `q`; 1 for a root;
//! - `popularity(x)`: the sum of `walks(q)` over all `q` that need `x`, directly or not, `x` itself included.
//!
//! Equals are ordered by name, with `-<store dir>/<hash>` behind it, so a new hash alone moves no path.
//!
//! # Example
//!
//! ```text
//!     A ── B ── C ── D ── F        walks        1 1 1 1 1 2 1   of A B C D E F G
//!     │         └─── E ───┘        popularity   1 2 3 4 4 7 2
//!     └─── G                       order        F D E C B G A
//! ```
//!
//! `F` is needed by all but `G`: 1 + 1 + 1 + 1 + 1 + 2 = 7. With three layers: `F` | `D` | `E` `C` `B` `G` `A`.
//!
//! # Cost
//!
//! The relation "needs" is a square of bits. It is computed in columns of 512, each swept through the graph once, so the memory
//! is that of the paths. Walks double with each diamond: they are counted in 64 bits while these suffice, then in 128,
//! then in as many as it takes.

use num_bigint::BigUint;

use super::Group;
use crate::closure::Closure;
use crate::graph::{Graph, Node};
use crate::store_path::StorePath;

/// Puts the most popular paths into layers of their own, and all that `max_layers` leaves no room for into the last,
/// the most popular first.
///
/// `max_layers` counts as 1 if it is 0.
pub fn popularity(closure: &Closure, max_layers: usize) -> Vec<Group> {
    let mut order = popularity_order(closure);
    let single = if order.len() > max_layers { max_layers.saturating_sub(1) } else { order.len() };
    let rest = order.split_off(single);
    let mut groups: Vec<Group> = order.into_iter().map(|node| vec![node]).collect();
    if !rest.is_empty() {
        groups.push(rest);
    }
    groups
}

/// All paths, the most popular first.
pub fn popularity_order(closure: &Closure) -> Vec<Node> {
    let paths: Vec<&StorePath> = closure.paths().iter().map(|info| &info.path).collect();
    contest(closure.graph(), closure.order(), &paths)
}

/// How popular each path is, by node.
pub fn popularity_counts(closure: &Closure) -> Vec<BigUint> {
    // There is always such a number, so this is never empty.
    sums::<BigUint>(closure.graph(), closure.order()).unwrap_or_default()
}

/// The nodes of a graph, the most popular first. `order` has users before what they need, `paths` are by node.
pub(super) fn contest(graph: &Graph, order: &[Node], paths: &[&StorePath]) -> Vec<Node> {
    if let Some(counts) = sums::<u64>(graph, order) {
        return by_count(&counts, paths);
    }
    if let Some(counts) = sums::<u128>(graph, order) {
        return by_count(&counts, paths);
    }
    by_count(&sums::<BigUint>(graph, order).unwrap_or_default(), paths)
}

fn by_count<T: Ord>(counts: &[T], paths: &[&StorePath]) -> Vec<Node> {
    let keys: Vec<String> = paths.iter().map(|path| hash_last(path)).collect();
    let mut nodes: Vec<Node> = (0..counts.len() as Node).collect();
    nodes.sort_unstable_by(|&a, &b| {
        let (a, b) = (a as usize, b as usize);
        counts[b].cmp(&counts[a]).then_with(|| keys[a].cmp(&keys[b]))
    });
    nodes
}

/// `<name>-<store dir>/<hash>`: what equals are ordered by. It is nearly [`super::Rank`]: there `a` comes before `a+b`,
/// here after it, as `+` comes before `-`.
fn hash_last(path: &StorePath) -> String {
    match path.base_name().split_once('-') {
        None => path.as_str().to_owned(),
        Some((_, name)) => {
            let before = path.as_str().len() - name.len() - 1;
            format!("{name}-{}", &path.as_str()[..before])
        }
    }
}

/// A number that may not suffice.
trait Count: Clone + Ord {
    const ZERO: Self;
    const ONE: fn() -> Self;

    /// Adds; whether the sum could be held.
    #[must_use]
    fn add(&mut self, other: &Self) -> bool;

    /// Adds where the sum is at most that of all walks, which is known to be held.
    fn must_add(&mut self, other: &Self) {
        assert!(self.add(other), "no sum is more than that of all walks");
    }
}

impl Count for u64 {
    const ZERO: Self = 0;
    const ONE: fn() -> Self = || 1;

    fn add(&mut self, other: &Self) -> bool {
        self.checked_add(*other).map(|sum| *self = sum).is_some()
    }
}

impl Count for u128 {
    const ZERO: Self = 0;
    const ONE: fn() -> Self = || 1;

    fn add(&mut self, other: &Self) -> bool {
        self.checked_add(*other).map(|sum| *self = sum).is_some()
    }
}

impl Count for BigUint {
    const ZERO: Self = BigUint::ZERO;
    const ONE: fn() -> Self = || BigUint::from(1_u8);

    fn add(&mut self, other: &Self) -> bool {
        *self += other;
        true
    }
}

/// In how many ways a root leads to each node; `None` if the numbers do not suffice for these or for their sum.
fn walks<T: Count>(graph: &Graph, order: &[Node]) -> Option<Vec<T>> {
    let mut walks = vec![T::ZERO; graph.len()];
    let mut sum = T::ZERO;
    for &node in order {
        if walks[node as usize] == T::ZERO {
            walks[node as usize] = T::ONE();
        }
        let here = walks[node as usize].clone();
        sum.add(&here).then_some(())?;
        for &target in graph.targets(node) {
            walks[target as usize].add(&here).then_some(())?;
        }
    }
    Some(walks)
}

/// Words in a row: the number of columns whose bits are kept at a time, by 64.
const WORDS: usize = 8;
const COLUMNS: usize = WORDS * 64;

/// For each node the walks to all that need it, itself included; `None` if the numbers do not suffice.
fn sums<T: Count>(graph: &Graph, order: &[Node]) -> Option<Vec<T>> {
    let walks: Vec<T> = walks(graph, order)?;
    // Places in `order` instead of nodes: then edges lead upwards only, and memory is read as it lies.
    let mut place = vec![0; order.len()];
    for (&node, at) in order.iter().zip(0..) {
        place[node as usize] = at;
    }
    let targets = |&node: &Node| graph.targets(node).iter().map(|&target| place[target as usize]).collect();
    let placed = Graph::new(&order.iter().map(targets).collect::<Vec<Vec<Node>>>());

    let mut sums = vec![T::ZERO; order.len()];
    let mut rows = vec![[0_u64; WORDS]; order.len()];
    for start in (0..order.len()).step_by(COLUMNS) {
        let columns = &order[start..order.len().min(start + COLUMNS)];
        let weights: Vec<T> = columns.iter().map(|&node| walks[node as usize].clone()).collect();
        let table = Table::new(&weights);
        for at in start..order.len() {
            if let Some(column) = Some(at - start).filter(|&column| column < COLUMNS) {
                rows[at][column / 64] |= 1 << (column % 64);
            }
            let row = std::mem::take(&mut rows[at]);
            if row == [0; WORDS] {
                continue;
            }
            for &target in placed.targets(at as Node) {
                for (word, add) in rows[target as usize].iter_mut().zip(row) {
                    *word |= add;
                }
            }
            table.add(&row, &mut sums[order[at] as usize]);
        }
    }
    Some(sums)
}

/// The sums of weights for each set of columns that a row may have, by parts of the row.
struct Table<T> {
    /// The row that has all columns, and the sum for it.
    all: ([u64; WORDS], T),
    /// The same for each word of it.
    words: Vec<(u64, T)>,
    /// For each byte of it the sums for its 256 values.
    bytes: Vec<T>,
}

impl<T: Count> Table<T> {
    fn new(weights: &[T]) -> Self {
        let mut bytes = Vec::with_capacity(weights.len().div_ceil(8) * 256);
        for weights in weights.chunks(8) {
            let start = bytes.len();
            bytes.push(T::ZERO);
            for weight in weights {
                for index in start..bytes.len() {
                    let mut sum = bytes[index].clone();
                    sum.must_add(weight);
                    bytes.push(sum);
                }
            }
            bytes.resize(start + 256, T::ZERO);
        }
        let mut all = ([0; WORDS], T::ZERO);
        let mut words = Vec::with_capacity(WORDS);
        for (weights, word) in weights.chunks(64).zip(&mut all.0) {
            let mut sum = T::ZERO;
            for weight in weights {
                sum.must_add(weight);
            }
            all.1.must_add(&sum);
            *word = u64::MAX >> (64 - weights.len());
            words.push((*word, sum));
        }
        Self { all, words, bytes }
    }

    /// Adds the weights of the row's columns.
    fn add(&self, row: &[u64; WORDS], sum: &mut T) {
        if *row == self.all.0 {
            return sum.must_add(&self.all.1);
        }
        for ((&word, (all, whole)), bytes) in row.iter().zip(&self.words).zip(self.bytes.chunks(8 * 256)) {
            if word == *all {
                sum.must_add(whole);
            } else if word != 0 {
                for (value, sums) in word.to_le_bytes().into_iter().zip(bytes.chunks(256)) {
                    if value != 0 {
                        sum.must_add(&sums[usize::from(value)]);
                    }
                }
            }
        }
    }
}

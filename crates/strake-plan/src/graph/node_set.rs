//! Sets of nodes.

use super::Node;

/// A set of a graph's nodes, a bit for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeSet(Vec<u64>);

impl NodeSet {
    /// The empty set, for nodes below `len`.
    pub fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    /// Puts a node in. Whether it was not in before.
    pub fn insert(&mut self, node: Node) -> bool {
        let word = &mut self.0[node as usize / 64];
        let new = *word & (1 << (node % 64)) == 0;
        *word |= 1 << (node % 64);
        new
    }

    /// Whether the node is in.
    pub fn contains(&self, node: Node) -> bool {
        self.0[node as usize / 64] & (1 << (node % 64)) != 0
    }

    /// The nodes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Node> {
        self.0.iter().zip(0..).flat_map(|(&word, index)| {
            std::iter::successors(Some(word), |&rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|&rest| rest != 0)
                .map(move |rest| index * 64 + rest.trailing_zeros())
        })
    }
}

//! Directed graphs without cycles. Nodes are numbers; nothing here depends on Nix.
//!
//! An edge leads from a user to what it needs. All walks are iterative, so depth costs no stack.

mod node_set;

pub use node_set::NodeSet;

/// A node: its place, from 0.
pub type Node = u32;

/// A graph in compressed rows: for each node the nodes that its edges lead to, ascending, without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    starts: Vec<u32>,
    targets: Vec<Node>,
}

impl Graph {
    /// Takes for each node where its edges lead to. Edges to the node itself and repeated ones are left out.
    ///
    /// # Panics
    ///
    /// If an edge leads to a node that there is not, or if there are 2³² edges or more.
    pub fn new(edges: &[Vec<Node>]) -> Self {
        let mut starts = Vec::with_capacity(edges.len() + 1);
        let mut targets = Vec::with_capacity(edges.iter().map(Vec::len).sum());
        starts.push(0);
        for (node, edges) in edges.iter().enumerate() {
            let start = targets.len();
            targets.extend(edges.iter().copied().filter(|&target| target as usize != node));
            targets[start..].sort_unstable();
            let mut kept = start;
            for index in start..targets.len() {
                if index == start || targets[index] != targets[kept - 1] {
                    targets[kept] = targets[index];
                    kept += 1;
                }
            }
            targets.truncate(kept);
            starts.push(u32::try_from(targets.len()).expect("fewer than 2^32 edges"));
        }
        assert!(
            targets.iter().all(|&target| (target as usize) < edges.len()),
            "an edge leads out of the graph"
        );
        Self { starts, targets }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes, ascending.
    pub fn nodes(&self) -> std::ops::Range<Node> {
        0..self.len() as Node
    }

    /// Where the node's edges lead to, ascending.
    pub fn targets(&self, node: Node) -> &[Node] {
        let node = node as usize;
        &self.targets[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// The graph with all edges turned round.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut starts = vec![0; self.starts.len()];
        for &target in &self.targets {
            starts[target as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut targets = vec![0; self.targets.len()];
        for node in self.nodes() {
            for &target in self.targets(node) {
                let place = &mut next[target as usize];
                targets[*place as usize] = node;
                *place += 1;
            }
        }
        Self { starts, targets }
    }

    /// All nodes, users before what they need (Kahn, "Topological sorting of large networks", 1962).
    ///
    /// Fails with the nodes of a cycle, in order, if there is one.
    pub fn topological(&self) -> Result<Vec<Node>, Vec<Node>> {
        let mut users = vec![0_u32; self.len()];
        for &target in &self.targets {
            users[target as usize] += 1;
        }
        let mut order: Vec<Node> = self.nodes().filter(|&node| users[node as usize] == 0).collect();
        let mut done = 0;
        while done < order.len() {
            for &target in self.targets(order[done]) {
                users[target as usize] -= 1;
                if users[target as usize] == 0 {
                    order.push(target);
                }
            }
            done += 1;
        }
        if done == self.len() { Ok(order) } else { Err(self.cycle(&users)) }
    }

    /// A cycle among the nodes that still have users when all that have none are taken away.
    fn cycle(&self, users: &[u32]) -> Vec<Node> {
        // Each such node has such a user, so going from user to user must come back somewhere.
        let up = self.reversed();
        let left = |node: Node| users[node as usize] > 0;
        let mut walked: Vec<Node> = self.nodes().find(|&node| left(node)).into_iter().collect();
        let mut seen = NodeSet::new(self.len());
        while let Some(&node) = walked.last() {
            if !seen.insert(node) {
                let first = walked.iter().position(|&walked| walked == node).unwrap_or(0);
                walked.drain(..=first);
                break;
            }
            walked.extend(up.targets(node).iter().copied().find(|&user| left(user)));
        }
        walked.reverse();
        walked
    }

    /// The nodes that no edge leads to, ascending.
    pub fn roots(&self) -> Vec<Node> {
        let mut used = NodeSet::new(self.len());
        for &target in &self.targets {
            used.insert(target);
        }
        self.nodes().filter(|&node| !used.contains(node)).collect()
    }

    /// The given nodes and all that can be reached from them.
    pub fn reachable(&self, from: impl IntoIterator<Item = Node>) -> NodeSet {
        let mut reached = NodeSet::new(self.len());
        let mut open: Vec<Node> = from.into_iter().filter(|&node| reached.insert(node)).collect();
        while let Some(node) = open.pop() {
            open.extend(self.targets(node).iter().copied().filter(|&target| reached.insert(target)));
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Graph, Node};

    fn graph(edges: &[&[Node]]) -> Graph {
        Graph::new(&edges.iter().map(|edges| edges.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn small() {
        let diamond = graph(&[&[2, 1, 2, 0], &[3], &[3], &[]]);
        assert_eq!(diamond.targets(0), [1, 2]);
        assert_eq!(diamond.roots(), [0]);
        assert_eq!(diamond.topological(), Ok(vec![0, 1, 2, 3]));
        assert_eq!(diamond.reversed(), graph(&[&[], &[0], &[0], &[1, 2]]));
        assert_eq!(diamond.reachable([1]).iter().collect::<Vec<_>>(), [1, 3]);
        assert!(graph(&[]).is_empty());
    }

    #[test]
    fn cycles() {
        // A cycle of three, with users in front of it and a needed node behind it.
        let cyclic = graph(&[&[1], &[2], &[3, 4], &[1], &[]]);
        let mut cycle = cyclic.topological().unwrap_err();
        for (&node, &next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
            assert!(cyclic.targets(node).contains(&next), "{cycle:?}");
        }
        cycle.sort_unstable();
        assert_eq!(cycle, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn order(edges in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 1..60)) {
            let edges: Vec<Vec<Node>> = edges.iter().enumerate().map(|(node, targets)| {
                targets.iter().map(|&target| Node::from(target) % (node as Node + 1)).collect()
            }).collect();
            let graph = Graph::new(&edges);
            let order = graph.topological().unwrap();
            let place = |node| order.iter().position(|&other| other == node);
            for node in graph.nodes() {
                prop_assert!(graph.targets(node).iter().all(|&target| place(node) < place(target)));
            }
            prop_assert_eq!(graph.reversed().reversed(), graph.clone());
            prop_assert_eq!(graph.reachable(graph.roots()).iter().count(), graph.len());
        }
    }
}

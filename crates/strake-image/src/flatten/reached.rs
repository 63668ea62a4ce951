//! The tree of an image's names when all layers have been applied.

use super::path_tree::{EntryId, NONE, NameEntry, Node, NodeId, PathTree, ROOT};

/// A finished tree.
pub(super) struct Reached {
    text: Vec<u8>,
    entries: Vec<NameEntry>,
    nodes: Vec<Node>,
    /// Which nodes can be reached.
    is_there: Vec<bool>,
    /// The first name of each node.
    first_names: Vec<u32>,
}

impl Reached {
    pub(super) fn node(&self, node: NodeId) -> Node {
        self.nodes[node.0 as usize]
    }

    /// All that is there, in no order that means anything, but always the same.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let reached = self.is_there.iter().enumerate().filter(|(_, reached)| **reached);
        reached.map(|(id, _)| NodeId(id as u32))
    }

    /// How many nodes there may be.
    pub(super) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// A node's place in lists of all nodes.
    pub(super) fn place(node: NodeId) -> usize {
        node.0 as usize
    }

    /// The names of a node, the oldest first.
    pub(super) fn names(&self, node: NodeId) -> impl Iterator<Item = EntryId> {
        let of = |id: u32| (id != NONE).then_some(EntryId(id));
        let next = move |entry: &EntryId| of(self.entries[entry.0 as usize].next);
        std::iter::successors(of(self.first_names[node.0 as usize]), next)
    }

    /// The directory that an entry is in.
    pub(super) fn directory(&self, entry: EntryId) -> NodeId {
        NodeId(self.entries[entry.0 as usize].directory)
    }

    /// An entry's path, which begins with `./`.
    pub(super) fn path(&self, entry: EntryId) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut next = Some(entry);
        while let Some(EntryId(id)) = next {
            let entry = &self.entries[id as usize];
            parts.push(&self.text[entry.name as usize..][..usize::from(entry.length)]);
            next = match self.nodes[entry.directory as usize] {
                Node::Directory { entry, .. } if entry != NONE => Some(EntryId(entry)),
                _ => None,
            };
        }
        parts.push(b".");
        parts.reverse();
        parts.join(&b'/')
    }
}

impl PathTree {
    /// Ends the building: what can be reached from the root.
    pub(super) fn finish(self) -> Reached {
        let mut reached = vec![false; self.nodes.len()];
        let mut open = vec![ROOT.0];
        while let Some(node) = open.pop() {
            reached[node as usize] = true;
            let Node::Directory { first, .. } = self.nodes[node as usize] else { continue };
            let mut next = first;
            while next != NONE {
                let entry = &self.entries[next as usize];
                if entry.node != NONE && !reached[entry.node as usize] {
                    open.push(entry.node);
                }
                next = entry.sibling;
            }
        }
        let Self { text, mut entries, nodes, .. } = self;
        let mut first_names = vec![NONE; nodes.len()];
        for (id, entry) in entries.iter_mut().enumerate().rev() {
            if entry.node != NONE && reached[entry.directory as usize] {
                entry.next = std::mem::replace(&mut first_names[entry.node as usize], id as u32);
            }
        }
        Reached { text, entries, nodes, is_there: reached, first_names }
    }
}

//! The names in an image's file system, as a tree.
//!
//! Each part of a path is held once, however many paths lead through it, and bound to the directory that it is in: what was
//! in a directory that is gone is out of reach without being looked at. An entry that is gone keeps its place for the
//! next of its name. A million entries take some 50 MiB and their names.

use std::hash::{BuildHasher, RandomState};

use crate::limits::{MAX_NAME, MAX_NAME_BYTES, MAX_NAMES, MAX_PATH};

/// Stands for no node and no entry.
pub(super) const NONE: u32 = u32::MAX;

/// A directory, a link or a file: its place among the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(pub(super) u32);

/// A name in a directory: its place among the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId(pub(super) u32);

/// Where an archive speaks of something: the number of the layer, from 1, and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) layer: u32,
    pub(super) place: u32,
}

/// The entry that a name refers to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Directory {
        /// Its name; none is the root's.
        entry: u32,
        /// The first name in it.
        first: u32,
        /// Bytes of its path.
        path: u16,
        /// Number of what is known of it.
        attributes: u32,
        /// In seconds since 1970.
        mtime: i64,
        /// The layer that has last removed from it what is of lower ones.
        swept: u32,
    },
    Symlink {
        claim: Claim,
        /// Where it leads to: a range of the names.
        target: (u32, u16),
        /// Names that it has.
        names: u32,
    },
    File {
        claim: Claim,
        /// Names that it has.
        names: u32,
    },
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameEntry {
    pub(super) directory: u32,
    pub(super) name: u32,
    /// Of the name, in bytes.
    pub(super) length: u8,
    /// Whether it is among the names of its directory.
    listed: bool,
    pub(super) node: u32,
    /// The next with the same hash; once all layers were read, the next name of the node.
    pub(super) next: u32,
    /// The next in its directory.
    pub(super) sibling: u32,
    /// The last layer that has said something of it, or of something below it.
    touched: u32,
}

/// The root directory.
pub(super) const ROOT: NodeId = NodeId(0);

/// The tree.
pub(super) struct PathTree {
    pub(super) text: Vec<u8>,
    pub(super) entries: Vec<NameEntry>,
    pub(super) nodes: Vec<Node>,
    /// Nodes that have no name any more.
    free: Vec<u32>,
    buckets: Vec<u32>,
    hasher: RandomState,
}

/// Why an image is refused.
pub(super) type Refusal = &'static str;

impl PathTree {
    /// A tree with nothing but a root of these attributes.
    pub(super) fn new(attributes: u32, mtime: i64) -> Self {
        let root = Node::Directory { entry: NONE, first: NONE, path: 0, attributes, mtime, swept: 0 };
        let (entries, free, buckets) = (Vec::new(), Vec::new(), vec![NONE; 64]);
        Self { text: Vec::new(), entries, nodes: vec![root], free, buckets, hasher: RandomState::new() }
    }

    pub(super) fn node(&self, node: NodeId) -> Node {
        self.nodes[node.0 as usize]
    }

    /// The content of an entry, unless it is removed.
    pub(super) fn at(&self, entry: EntryId) -> Option<NodeId> {
        let node = self.entries[entry.0 as usize].node;
        (node != NONE).then_some(NodeId(node))
    }

    /// A part of the text: a link's target.
    pub(super) fn text(&self, (start, length): (u32, u16)) -> &[u8] {
        &self.text[start as usize..][..usize::from(length)]
    }

    /// The directory that a directory is in; the root is in itself.
    pub(super) fn parent(&self, directory: NodeId) -> NodeId {
        self.entry_of(directory).map_or(ROOT, |entry| NodeId(self.entries[entry.0 as usize].directory))
    }

    fn entry_of(&self, directory: NodeId) -> Option<EntryId> {
        match self.node(directory) {
            Node::Directory { entry, .. } if entry != NONE => Some(EntryId(entry)),
            _ => None,
        }
    }

    fn name(&self, entry: u32) -> &[u8] {
        let entry = &self.entries[entry as usize];
        &self.text[entry.name as usize..][..usize::from(entry.length)]
    }

    fn bucket(&self, directory: NodeId, name: &[u8]) -> usize {
        self.hasher.hash_one((directory.0, name)) as usize & (self.buckets.len() - 1)
    }

    /// The entry of this name, which may be gone.
    pub(super) fn find(&self, directory: NodeId, name: &[u8]) -> Option<EntryId> {
        let mut at = self.buckets[self.bucket(directory, name)];
        while at != NONE {
            let entry = &self.entries[at as usize];
            if entry.directory == directory.0 && self.name(at) == name {
                return Some(EntryId(at));
            }
            at = entry.next;
        }
        None
    }

    /// The entry of this name, which is made if need be. It stands for nothing then.
    pub(super) fn entry(&mut self, directory: NodeId, name: &[u8]) -> Result<EntryId, Refusal> {
        let found = match self.find(directory, name) {
            Some(entry) => entry,
            None => self.add(directory, name)?,
        };
        let Node::Directory { first, .. } = &mut self.nodes[directory.0 as usize] else {
            return Err("lies in something that is not a directory");
        };
        let entry = &mut self.entries[found.0 as usize];
        if !entry.listed {
            (entry.listed, entry.sibling) = (true, *first);
            *first = found.0;
        }
        Ok(found)
    }

    fn add(&mut self, directory: NodeId, name: &[u8]) -> Result<EntryId, Refusal> {
        let length = u8::try_from(name.len()).map_err(|_| "has a name longer than 255 bytes")?;
        if self.path_length(directory) + 1 + name.len() > MAX_PATH {
            return Err("has a path longer than 4096 bytes");
        }
        if self.entries.len() == MAX_NAMES {
            return Err("is one of more than 1048576 files and directories");
        }
        if self.entries.len() >= self.buckets.len() {
            self.grow();
        }
        let (start, _) = self.keep(name)?;
        let bucket = self.bucket(directory, name);
        let id = self.entries.len() as u32;
        self.entries.push(NameEntry {
            directory: directory.0,
            name: start,
            length,
            listed: false,
            node: NONE,
            next: std::mem::replace(&mut self.buckets[bucket], id),
            sibling: NONE,
            touched: 0,
        });
        Ok(EntryId(id))
    }

    fn grow(&mut self) {
        self.buckets = vec![NONE; self.buckets.len() * 2];
        for id in 0..self.entries.len() as u32 {
            let bucket = self.bucket(NodeId(self.entries[id as usize].directory), self.name(id));
            self.entries[id as usize].next = std::mem::replace(&mut self.buckets[bucket], id);
        }
    }

    /// Keeps a text.
    fn keep(&mut self, text: &[u8]) -> Result<(u32, u16), Refusal> {
        if text.len() > MAX_NAME_BYTES - self.text.len() {
            return Err("is one of files and directories whose names take more than 32 MiB");
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text);
        Ok((start, text.len() as u16))
    }

    fn path_length(&self, directory: NodeId) -> usize {
        match self.node(directory) {
            Node::Directory { path, .. } => path.into(),
            _ => 0,
        }
    }

    /// Has an entry stand for nothing any more.
    pub(super) fn unlink(&mut self, entry: EntryId) {
        let node = std::mem::replace(&mut self.entries[entry.0 as usize].node, NONE);
        if node == NONE {
            return;
        }
        if let Node::Symlink { names, .. } | Node::File { names, .. } = &mut self.nodes[node as usize] {
            *names -= 1;
            if *names == 0 {
                self.free.push(node);
            }
        }
    }

    /// Has an entry stand for a new directory.
    pub(super) fn make_directory(
        &mut self,
        entry: EntryId,
        attributes: u32,
        mtime: i64,
    ) -> Result<NodeId, Refusal> {
        let NameEntry { directory, length, .. } = self.entries[entry.0 as usize];
        let path = (self.path_length(NodeId(directory)) + 1 + usize::from(length)) as u16;
        self.put(entry, Node::Directory { entry: entry.0, first: NONE, path, attributes, mtime, swept: 0 })
    }

    /// Has an entry stand for a new file.
    pub(super) fn make_file(&mut self, entry: EntryId, claim: Claim) -> Result<NodeId, Refusal> {
        self.put(entry, Node::File { claim, names: 1 })
    }

    /// Has an entry stand for a new symbolic link.
    pub(super) fn make_symlink(
        &mut self,
        entry: EntryId,
        claim: Claim,
        target: &[u8],
    ) -> Result<NodeId, Refusal> {
        if target.is_empty() || target.len() >= MAX_PATH {
            return Err("is a symbolic link to nothing, or to a path longer than 4095 bytes");
        }
        let target = self.keep(target)?;
        self.put(entry, Node::Symlink { claim, target, names: 1 })
    }

    fn put(&mut self, entry: EntryId, node: Node) -> Result<NodeId, Refusal> {
        self.unlink(entry);
        let id = match self.free.pop() {
            Some(id) => id,
            // Directories that are gone keep their nodes, so there can be more nodes than entries.
            None if self.nodes.len() > MAX_NAMES => {
                return Err("is one of more than 1048576 files and directories");
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.nodes[id as usize] = node;
        self.entries[entry.0 as usize].node = id;
        Ok(NodeId(id))
    }

    /// Has an entry stand for something that has a name already.
    pub(super) fn link(&mut self, entry: EntryId, node: NodeId) -> Result<(), Refusal> {
        match &mut self.nodes[node.0 as usize] {
            Node::Directory { .. } => return Err("is a hard link to a directory"),
            Node::Symlink { names, .. } | Node::File { names, .. } => *names += 1,
        }
        self.unlink(entry);
        self.entries[entry.0 as usize].node = node.0;
        Ok(())
    }

    /// Says what a directory is like.
    pub(super) fn describe(&mut self, directory: NodeId, number: u32, time: i64) {
        if let Node::Directory { attributes, mtime, .. } = &mut self.nodes[directory.0 as usize] {
            (*attributes, *mtime) = (number, time);
        }
    }

    /// Notes that a layer has said something of an entry.
    pub(super) fn touch(&mut self, entry: EntryId, layer: u32) {
        let mut next = Some(entry);
        while let Some(entry) = next {
            let touched = &mut self.entries[entry.0 as usize].touched;
            // Every touched entry is in a touched directory.
            if std::mem::replace(touched, layer) == layer {
                return;
            }
            next = self.entry_of(NodeId(self.entries[entry.0 as usize].directory));
        }
    }

    /// Whether this layer has said something of an entry or of something below it.
    pub(super) fn is_touched(&self, entry: EntryId, layer: u32) -> bool {
        self.entries[entry.0 as usize].touched == layer
    }

    /// Removes from a directory, and from those below it, what this layer has not touched.
    pub(super) fn sweep(&mut self, directory: NodeId, layer: u32) {
        let mut open = vec![directory.0];
        while let Some(directory) = open.pop() {
            let Node::Directory { first, swept, .. } = &mut self.nodes[directory as usize] else { continue };
            // Later entries belong to this layer.
            if std::mem::replace(swept, layer) == layer {
                continue;
            }
            let (mut next, mut kept) = (std::mem::replace(first, NONE), NONE);
            while next != NONE {
                let id = EntryId(next);
                let entry = &mut self.entries[next as usize];
                let sibling = entry.sibling;
                if entry.node != NONE && entry.touched == layer {
                    entry.sibling = std::mem::replace(&mut kept, next);
                    open.push(entry.node);
                } else {
                    entry.listed = false;
                    self.unlink(id);
                }
                next = sibling;
            }
            if let Node::Directory { first, .. } = &mut self.nodes[directory as usize] {
                *first = kept;
            }
        }
    }
}

const _: () = assert!(MAX_NAME == u8::MAX as usize);

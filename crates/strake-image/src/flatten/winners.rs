//! Which layer's word counts for each path.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::normal;
use crate::tar::{Kind, Member};

/// Begins the name of an entry that says that a path of the layers below is gone.
const WHITEOUT: &[u8] = b".wh.";

/// The name of an entry that says that all in its directory that is of the layers below is gone.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// An entry: the layer's number, and its place in the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) layer: usize,
    pub(super) place: usize,
}

/// What has been seen of the layers, from the top down.
#[derive(Default)]
pub(super) struct Winners {
    paths: HashMap<Vec<u8>, Claim>,
    directories: HashMap<Vec<u8>, Member>,
    /// Hard links: their layer and target.
    links: BTreeMap<Vec<u8>, (usize, Vec<u8>)>,
    /// Directories that must be there, as something is in them.
    implied: HashSet<Vec<u8>>,
    /// Paths that are gone with all that is below them, in the layers that are still to come.
    gone: HashSet<Vec<u8>>,
    /// Directories of which all is gone but themselves.
    emptied: HashSet<Vec<u8>>,
    /// What the layer that is being read says is gone.
    next_gone: Vec<Vec<u8>>,
    next_emptied: Vec<Vec<u8>>,
}

impl Winners {
    /// Takes an entry of the layer that is being read. Of two with one name the later counts.
    pub(super) fn claim(&mut self, claim: Claim, path: &[u8], member: Member) {
        let (directory, name) = split(path);
        if name == OPAQUE {
            self.next_emptied.push(directory.to_vec());
        } else if let Some(gone) = name.strip_prefix(WHITEOUT) {
            let below = if directory.is_empty() { gone.to_vec() } else { [directory, b"/", gone].concat() };
            self.next_gone.push(below);
        } else if self.is_open(claim.layer, path)
            && (member.kind == Kind::DIRECTORY || !self.implied.contains(path))
        {
            self.implied.extend(ancestors(path).map(<[u8]>::to_vec));
            self.paths.insert(path.to_vec(), claim);
            self.directories.remove(path);
            self.links.remove(path);
            match member.kind {
                Kind::DIRECTORY => drop(self.directories.insert(path.to_vec(), member)),
                Kind::HARD_LINK => {
                    let link = (claim.layer, normal(&member.linkname));
                    drop(self.links.insert(path.to_vec(), link));
                }
                _ => {}
            }
        } else if member.kind != Kind::DIRECTORY {
            // Whatever became of it above: of a directory below it nothing is left.
            self.next_emptied.push(path.to_vec());
        }
    }

    /// The layer has been read; the next one lies below it.
    pub(super) fn end_layer(&mut self) {
        self.gone.extend(self.next_gone.drain(..));
        self.emptied.extend(self.next_emptied.drain(..));
    }

    /// Whether no layer above has said anything of this path.
    fn is_open(&self, layer: usize, path: &[u8]) -> bool {
        let above = |path: &[u8]| self.paths.get(path).filter(|claim| claim.layer != layer).copied();
        let mut parents = ancestors(path);
        above(path).is_none()
            && !self.gone.contains(path)
            && !parents.any(|parent| {
                let replaced = above(parent).is_some() && !self.directories.contains_key(parent);
                replaced || self.gone.contains(parent) || self.emptied.contains(parent)
            })
    }

    /// Whether this entry is the one that counts for its path.
    pub(super) fn counts(&self, claim: Claim, path: &[u8]) -> bool {
        self.paths.get(path) == Some(&claim)
    }

    /// What is said of a directory, or `implied` if nothing is; `None` if it is something else.
    pub(super) fn directory<'m>(&'m self, path: &[u8], implied: &'m Member) -> Option<&'m Member> {
        let known = self.directories.get(path);
        known.or_else(|| (!self.paths.contains_key(path)).then_some(implied))
    }

    /// The hard links that need their target's content, since the target itself counts no more: by layer and target.
    pub(super) fn moved_links(&self) -> HashMap<(usize, Vec<u8>), Vec<Vec<u8>>> {
        let mut moved: HashMap<_, Vec<Vec<u8>>> = HashMap::new();
        for (path, (layer, target)) in &self.links {
            if self.paths.get(target).is_none_or(|claim| claim.layer > *layer) {
                moved.entry((*layer, target.clone())).or_default().push(path.clone());
            }
        }
        moved
    }
}

/// A path's directory and its name in there.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// The directories that lead to a path, the root among them.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|&(_, byte)| *byte == b'/').map(|(at, _)| at);
    let root = if path.is_empty() { None } else { Some(0) };
    root.into_iter().chain(ends).map(|end| &path[..end])
}

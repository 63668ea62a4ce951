//! Layers, applied one on the other.
//!
//! Format: the OCI image specification 1.1, "image layer filesystem changeset". What it leaves open is done as umoci does it
//! (`oci/layer/tar_extract.go`), which unpacks each layer over those below it:
//!
//! - **Parents are resolved in what is there**: symbolic links in a path but its last part are followed, none leads out of the
//!   root, and `..` in a link ends there. Under a lower link `lib -> usr/lib` an upper `lib/x` is `usr/lib/x`. Directories that
//!   are missing are made, root's with mode 0755. Where a file of a lower layer is in the way it gives way to a
//!   directory, as it does under overlayfs; one of the same layer is an error.
//! - **The last part is replaced, never followed**: whatever is there goes with all that is in it, but a directory that meets a
//!   directory only gets its attributes.
//! - **A hard link is another name of what its target is at that moment**, whatever becomes of the target later. Its own
//!   attributes count for nothing. Its target's parents are resolved in the same way; that there is none, or that it is a
//!   directory, is an error.
//! - **A whiteout removes what is of lower layers**, wherever it stands in its layer: what its own layer has put there, before or
//!   behind it, stays. Its directory is resolved in the same way. The same holds for an opaque directory.
//! - `AUFS` metadata (names at the root that begin with `.wh..wh.`) is skipped, as in Docker and containerd.

use std::collections::HashMap;
use std::rc::Rc;

use super::path_tree::{Claim, EntryId, Node, NodeId, PathTree, ROOT, Refusal};
use super::reached::Reached;
use crate::limits::{MAX_ATTRIBUTES, MAX_LINK_STEPS, MAX_LINKS};
use crate::tar::{Kind, Member, Records};

/// Begins the name of an entry that says that a path of the layers below is gone.
const WHITEOUT: &[u8] = b".wh.";

/// The name of an entry that says that all in its directory that is of the layers below is gone.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Begins the names that `AUFS` keeps for itself.
const META: &[u8] = b".wh..wh.";

/// The metadata of a directory without its name and time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Attributes {
    mode: u32,
    uid: u64,
    gid: u64,
    uname: Vec<u8>,
    gname: Vec<u8>,
    records: Records,
}

/// A file system as it grows from layer to layer.
pub(super) struct Merged {
    names: PathTree,
    attributes: Vec<Rc<Attributes>>,
    numbers: HashMap<Rc<Attributes>, u32>,
    /// Bytes that attributes take.
    size: usize,
    /// Parts of links' targets that were gone through.
    steps: u64,
}

/// Where a path leads.
struct Resolved {
    /// The last directory on the way that is there.
    directory: NodeId,
    /// The names of directories that are not.
    missing: Vec<Vec<u8>>,
}

impl Merged {
    /// An empty root.
    pub(super) fn new() -> Self {
        // Of what only the names of other entries tell, nothing is known.
        let (uname, gname, records) = (Vec::new(), Vec::new(), Vec::new());
        let implied = Rc::new(Attributes { mode: 0o755, uid: 0, gid: 0, uname, gname, records });
        let numbers = HashMap::from([(implied.clone(), IMPLIED)]);
        Self { names: PathTree::new(IMPLIED, 0), attributes: vec![implied], numbers, size: 0, steps: 0 }
    }

    /// Applies an entry, whose path is without `.`, `..` and slashes that mean nothing.
    pub(super) fn apply(&mut self, claim: Claim, path: &[u8], member: &Member) -> Result<(), Refusal> {
        let (directory, name) = split(path);
        if path.starts_with(META) && path != OPAQUE {
            return Ok(());
        }
        if name == OPAQUE {
            let resolved = self.resolve(directory, NO_LAYER)?;
            if resolved.missing.is_empty() {
                self.names.sweep(resolved.directory, claim.layer);
            }
            return Ok(());
        }
        if let Some(name) = name.strip_prefix(WHITEOUT) {
            return self.white_out(directory, name, claim.layer);
        }
        if path.is_empty() {
            if member.kind != Kind::DIRECTORY {
                return Err("stands in the place of the root directory");
            }
            let number = self.number(member)?;
            self.names.describe(ROOT, number, member.mtime);
            return Ok(());
        }
        let resolved = self.resolve(directory, claim.layer)?;
        let directory = self.make(resolved)?;
        let entry = self.names.entry(directory, name)?;
        self.place(entry, claim, member)?;
        self.names.touch(entry, claim.layer);
        Ok(())
    }

    /// The file system, and what its directories are like.
    pub(super) fn finish(self) -> (Reached, Directories) {
        (self.names.finish(), Directories(self.attributes))
    }

    fn place(&mut self, entry: EntryId, claim: Claim, member: &Member) -> Result<(), Refusal> {
        match member.kind {
            Kind::DIRECTORY => {
                let number = self.number(member)?;
                let there = self.names.at(entry);
                match there.filter(|node| matches!(self.names.node(*node), Node::Directory { .. })) {
                    Some(directory) => self.names.describe(directory, number, member.mtime),
                    None => drop(self.names.make_directory(entry, number, member.mtime)?),
                }
            }
            Kind::HARD_LINK => {
                self.names.unlink(entry);
                let target = super::normal(&member.linkname);
                let (directory, name) = split(&target);
                let resolved = self.resolve(directory, claim.layer)?;
                let found = resolved.missing.is_empty().then(|| self.names.find(resolved.directory, name));
                let found = found.flatten().and_then(|found| self.names.at(found));
                self.names.link(entry, found.ok_or("is a hard link to something that is not there")?)?;
            }
            Kind::SYMLINK => drop(self.names.make_symlink(entry, claim, &member.linkname)?),
            _ => drop(self.names.make_file(entry, claim)?),
        }
        Ok(())
    }

    fn white_out(&mut self, directory: &[u8], name: &[u8], layer: u32) -> Result<(), Refusal> {
        if matches!(name, b"" | b"." | b"..") {
            return Err("is a whiteout of nothing");
        }
        let resolved = self.resolve(directory, NO_LAYER)?;
        let entry = resolved.missing.is_empty().then(|| self.names.find(resolved.directory, name)).flatten();
        if let Some(entry) = entry
            && let Some(node) = self.names.at(entry)
        {
            if self.names.is_touched(entry, layer) {
                self.names.sweep(node, layer);
            } else {
                self.names.unlink(entry);
            }
        }
        Ok(())
    }

    /// Makes the directories that are missing.
    fn make(&mut self, resolved: Resolved) -> Result<NodeId, Refusal> {
        let Resolved { mut directory, missing } = resolved;
        for name in missing {
            let entry = self.names.entry(directory, &name)?;
            directory = self.names.make_directory(entry, IMPLIED, 0)?;
        }
        Ok(directory)
    }

    /// Follows a path to a directory, for an entry of this layer. Absent parts count as directories, as the entry's path says.
    fn resolve(&mut self, path: &[u8], layer: u32) -> Result<Resolved, Refusal> {
        let mut resolved = Resolved { directory: ROOT, missing: Vec::new() };
        // Links' targets, and how far they were followed; at the bottom the path itself.
        let mut links: Vec<((u32, u16), usize)> = Vec::new();
        let (mut at, mut followed) = (0, 0);
        loop {
            let (text, at) = match links.last_mut() {
                Some((target, at)) => (self.names.text(*target), at),
                None => (path, &mut at),
            };
            if *at >= text.len() {
                if links.pop().is_none() {
                    return Ok(resolved);
                }
                continue;
            }
            let rest = &text[*at..];
            let part = &rest[..rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len())];
            *at += part.len() + 1;
            if !links.is_empty() {
                self.steps += 1;
                if self.steps > MAX_LINK_STEPS {
                    return Err(
                        "leads through links, as so many paths do that following them takes too long",
                    );
                }
            }
            let target = match part {
                b"" | b"." => None,
                b".." => {
                    if resolved.missing.pop().is_none() {
                        resolved.directory = self.names.parent(resolved.directory);
                    }
                    None
                }
                _ => Self::step(&self.names, &mut resolved, part, layer)?,
            };
            if let Some(target) = target {
                followed += 1;
                if followed > MAX_LINKS {
                    return Err("leads through more than 40 symbolic links");
                }
                if self.names.text(target).starts_with(b"/") {
                    resolved = Resolved { directory: ROOT, missing: Vec::new() };
                }
                links.push((target, 0));
            }
        }
    }

    /// Goes on by one name. Returns the target of the link that is there, if it is one.
    fn step(
        names: &PathTree,
        resolved: &mut Resolved,
        name: &[u8],
        layer: u32,
    ) -> Result<Option<(u32, u16)>, Refusal> {
        let entry = resolved.missing.is_empty().then(|| names.find(resolved.directory, name)).flatten();
        let node = entry.and_then(|entry| Some((entry, names.at(entry)?)));
        match node.map(|(entry, node)| (entry, node, names.node(node))) {
            Some((_, node, Node::Directory { .. })) => resolved.directory = node,
            Some((_, _, Node::Symlink { target, .. })) => return Ok(Some(target)),
            Some((entry, _, Node::File { .. })) if names.is_touched(entry, layer) => {
                return Err("lies in something that is not a directory");
            }
            Some(_) | None => resolved.missing.push(name.to_vec()),
        }
        Ok(None)
    }

    /// The number of what is known of a directory.
    fn number(&mut self, member: &Member) -> Result<u32, Refusal> {
        let Member { mode, uid, gid, uname, gname, records, .. } = member;
        let (uname, gname, records) = (uname.clone(), gname.clone(), records.clone());
        let attributes = Attributes { mode: *mode, uid: *uid, gid: *gid, uname, gname, records };
        if let Some(number) = self.numbers.get(&attributes) {
            return Ok(*number);
        }
        let records = &attributes.records;
        let texts = records.iter().map(|(keyword, value)| keyword.len() + value.len() + size_of_val(records));
        let texts = texts.sum::<usize>() + attributes.uname.len() + attributes.gname.len();
        self.size += 2 * size_of::<Attributes>() + texts;
        if self.size > MAX_ATTRIBUTES {
            return Err("is one of directories whose attributes take more than 16 MiB");
        }
        let (number, attributes) = (self.attributes.len() as u32, Rc::new(attributes));
        self.attributes.push(attributes.clone());
        self.numbers.insert(attributes, number);
        Ok(number)
    }
}

/// The layer for those who make nothing: to them a file in the way only means that there is nothing behind it.
const NO_LAYER: u32 = 0;

/// The number of what is said of directories of which nothing is said.
const IMPLIED: u32 = 0;

/// The metadata of directories, by their numbers.
pub(super) struct Directories(Vec<Rc<Attributes>>);

impl Directories {
    /// A directory's header.
    pub(super) fn member(&self, name: Vec<u8>, attributes: u32, mtime: i64) -> Member {
        let Attributes { mode, uid, gid, uname, gname, records } = &*self.0[attributes as usize];
        Member {
            kind: Kind::DIRECTORY,
            mode: *mode,
            uid: *uid,
            gid: *gid,
            uname: uname.clone(),
            gname: gname.clone(),
            records: records.clone(),
            ..Member::file(name, 0, mtime)
        }
    }
}

/// A path's directory and its name in there.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

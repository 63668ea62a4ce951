//! Merges trees from several sources into one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::Stat;

use super::CustomisationError;
use super::path::ImagePath;
use crate::kernel;
use crate::recipe::FileContent;
use crate::store::Store;
use crate::tar::{Kind, Member};

/// A tree that grows.
pub(super) struct Merge<'s> {
    store: &'s Store,
    tree: BTreeMap<ImagePath, Planned>,
}

struct Planned {
    origin: Rc<str>,
    what: What,
}

/// The entry at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A directory.
    Directory {
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link, and where it leads.
    Symlink(Vec<u8>),
    /// A file with these bytes.
    Text(Vec<u8>),
    /// A copy of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its size in bytes.
        size: u64,
    },
}

/// The maker of directories that no source lists.
const IMPLIED: &str = "(a directory on the way)";

impl What {
    /// A copy of a regular file.
    pub(super) fn file(path: PathBuf, stat: &Stat) -> Self {
        Self::File { path, mode: kernel::mode(stat) & 0o7777, size: stat.st_size.cast_unsigned() }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "a directory",
            Self::Symlink(_) => "a symbolic link",
            Self::Text(_) | Self::File { .. } => "a file",
        }
    }
}

impl<'s> Merge<'s> {
    pub(super) fn new(store: &'s Store) -> Self {
        Self { store, tree: BTreeMap::new() }
    }

    /// Puts something under a path. Directories are merged; two files may share a path if they are the same.
    pub(super) fn insert(
        &mut self,
        path: &ImagePath,
        origin: &str,
        what: What,
    ) -> Result<(), CustomisationError> {
        self.insert_shared(path, &origin.into(), what)
    }

    /// [`Merge::insert`] for many paths of one origin.
    pub(super) fn insert_shared(
        &mut self,
        path: &ImagePath,
        origin: &Rc<str>,
        what: What,
    ) -> Result<(), CustomisationError> {
        let mut missing = Vec::new();
        let mut above = path.parent();
        while let Some(directory) = above {
            match self.tree.get(&directory) {
                None => {
                    above = directory.parent();
                    missing.push(directory);
                }
                Some(Planned { what: What::Directory { .. }, .. }) => break,
                Some(planned) => {
                    return Err(conflict(&directory, planned, origin, &What::Directory { mode: 0 }));
                }
            }
        }
        for directory in missing {
            self.tree
                .insert(directory, Planned { origin: IMPLIED.into(), what: What::Directory { mode: 0o755 } });
        }
        let Some(planned) = self.tree.get_mut(path) else {
            self.tree.insert(path.clone(), Planned { origin: Rc::clone(origin), what });
            return Ok(());
        };
        match (&mut planned.what, &what) {
            (What::Directory { mode: old }, What::Directory { mode }) => {
                *old = *mode;
                planned.origin = Rc::clone(origin);
            }
            (old, new) if old == new || same_file(self.store, old, new) => {}
            _ => return Err(conflict(path, planned, origin, &what)),
        }
        Ok(())
    }

    /// Where the symbolic link under a path leads, if it is an absolute one.
    pub(super) fn link(&self, path: &ImagePath) -> Option<&[u8]> {
        match &self.tree.get(path)?.what {
            What::Symlink(target) if target.starts_with(b"/") => Some(target),
            _ => None,
        }
    }

    /// Puts something under a path whose directory is there, in place of what is there.
    pub(super) fn replace(&mut self, path: ImagePath, what: What) {
        let origin =
            self.tree.get(&path).map_or_else(|| IMPLIED.into(), |planned| Rc::clone(&planned.origin));
        self.tree.insert(path, Planned { origin, what });
    }

    /// The tree's members in order, owned by root, with this modification time.
    pub(super) fn finish(mut self, mtime: i64) -> Vec<(Member, FileContent)> {
        self.tree
            .entry(ImagePath::root())
            .or_insert(Planned { origin: IMPLIED.into(), what: What::Directory { mode: 0o755 } });
        self.tree.into_iter().map(|(path, planned)| member(&path, planned.what, mtime)).collect()
    }
}

/// Names begin with `./` and directories' end in `/`, as GNU tar writes them for `tar … .`.
fn member(path: &ImagePath, what: What, mtime: i64) -> (Member, FileContent) {
    let mut member = Member::file([b"./", path.as_bytes()].concat(), 0, mtime);
    let content = match what {
        What::Directory { mode } => {
            member.kind = Kind::DIRECTORY;
            member.mode = mode;
            if !path.as_bytes().is_empty() {
                member.name.push(b'/');
            }
            FileContent::None
        }
        What::Symlink(target) => {
            member.kind = Kind::SYMLINK;
            member.mode = 0o777;
            member.linkname = target;
            FileContent::None
        }
        What::Text(bytes) => {
            member.size = bytes.len() as u64;
            FileContent::Bytes(bytes)
        }
        What::File { path, mode, size } => {
            member.mode = mode;
            member.size = size;
            if size == 0 { FileContent::None } else { FileContent::File(path) }
        }
    };
    (member, content)
}

fn conflict(path: &ImagePath, planned: &Planned, origin: &str, what: &What) -> CustomisationError {
    let (first, second) = (planned.what.name(), what.name());
    CustomisationError::Conflict {
        path: path.shown(),
        what: (first, if first == second { "another" } else { second }),
        first: planned.origin.to_string(),
        second: origin.to_owned(),
    }
}

/// Whether both lead to regular files with the same bytes and the same permission to execute.
fn same_file(store: &Store, a: &What, b: &What) -> bool {
    let real = |what: &What| match what {
        What::Symlink(target) => {
            let target = crate::tree::to_path(target);
            target.is_absolute().then(|| store.locate(&target))
        }
        What::File { path, .. } => Some(path.clone()),
        What::Directory { .. } | What::Text(_) => None,
    };
    let (Some(a), Some(b)) = (real(a), real(b)) else { return false };
    same_bytes(&a, &b).unwrap_or(false)
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (one, two) = (fs::metadata(a)?, fs::metadata(b)?);
    let executable = |metadata: &fs::Metadata| metadata.permissions().mode() & 0o111 != 0;
    if !one.is_file() || !two.is_file() || one.len() != two.len() || executable(&one) != executable(&two) {
        return Ok(false);
    }
    let (mut one, mut two) = (BufReader::new(fs::File::open(a)?), BufReader::new(fs::File::open(b)?));
    loop {
        let (left, right) = (one.fill_buf()?, two.fill_buf()?);
        let length = left.len().min(right.len());
        if left[..length] != right[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(left.len() == right.len());
        }
        one.consume(length);
        two.consume(length);
    }
}

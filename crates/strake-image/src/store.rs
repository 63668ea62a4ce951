//! The location of a store on this machine.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use strake_plan::{StoreDir, StorePath};

use crate::error::Error;

/// The maximum number of symbolic links that are followed for one path: Linux has the same limit.
const MAX_LINKS: usize = 40;

/// A store: its logical name, and the directory that is its root (`/` for the machine's own).
#[derive(Clone, Debug)]
pub struct Store {
    dir: StoreDir,
    root: PathBuf,
}

impl Store {
    /// The store of this name below `root`: `/nix/store` is at `root/nix/store`.
    pub fn new(dir: StoreDir, root: impl Into<PathBuf>) -> Self {
        Self { dir, root: root.into() }
    }

    /// The logical name.
    pub fn dir(&self) -> &StoreDir {
        &self.dir
    }

    /// The directory that is its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the store's directory.
    pub(crate) fn open(&self) -> Result<OwnedFd, Error> {
        let path = self.real(Path::new(self.dir.as_str()));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|error| Error::Read { path, source: error.into() })
    }

    /// Makes sure that the store paths are there.
    pub(crate) fn check(&self, paths: &[StorePath]) -> Result<(), Error> {
        for path in paths {
            let real = self.real(Path::new(path.as_str()));
            if let Err(source) = std::fs::symlink_metadata(&real) {
                return Err(Error::Read { path: real, source });
            }
        }
        Ok(())
    }

    /// The place of a file that a conf names: below the root if its path is in the store, else the path itself.
    ///
    /// Symbolic links between store paths are followed inside the root.
    pub fn locate(&self, path: &Path) -> PathBuf {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let Some(next) = self.first_link(&path) else { break };
            path = next;
        }
        self.real(&path)
    }

    /// The place of a file by its name in the store, unless links lead out of the store.
    pub(crate) fn inside(&self, path: &Path) -> Option<PathBuf> {
        let located = self.locate(path);
        let inside = located.strip_prefix(self.real(Path::new(self.dir.as_str()))).ok()?;
        inside.components().all(|part| matches!(part, Component::Normal(_))).then_some(located)
    }

    fn real(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/") {
            Ok(relative) if path.starts_with(self.dir.as_str()) => self.root.join(relative),
            _ => path.to_owned(),
        }
    }

    /// The path with its first symbolic link resolved, if it is in the store and goes through one.
    fn first_link(&self, path: &Path) -> Option<PathBuf> {
        let inside = path.strip_prefix(self.dir.as_str()).ok()?;
        let mut walked = PathBuf::from(self.dir.as_str());
        let mut rest = inside.components();
        while let Some(part) = rest.next() {
            let Ok(target) = std::fs::read_link(self.real(&walked.join(part))) else {
                walked.push(part);
                continue;
            };
            return Some(normalise(&walked.join(target).join(rest.as_path())));
        }
        None
    }
}

/// Resolves `.` and `..`, which is right where no component in front is a symbolic link.
fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push::<&OsStr>(other.as_ref()),
        }
    }
    normal
}

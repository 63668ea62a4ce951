//! Walks a tree of files by descriptor, in the order that layers have.
//!
//! Order: a directory before what is in it, siblings as Python orders their names (`python::text`). That is the same
//! as sorting whole paths by component, without holding more than the names of the directories on the way down. As far as
//! they are few, the names are kept for the next walk over the same trees.
//!
//! Nothing is looked up by its whole path, so neither depth nor a directory that is renamed in the meantime can lead
//! astray, and symbolic links are never followed.

mod names;

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::Error;
use crate::fingerprint;
pub(crate) use names::Listings;
use names::Names;

/// So many directories on the way down are kept open. The rest is opened again on the way up, so that a deep tree
/// needs no more descriptors than a flat one.
const OPEN_DIRECTORIES: usize = 32;

/// One file, directory or symbolic link that the walk has come to.
pub(crate) struct TreeEntry<'a> {
    /// Its path: the one that the walk was given, and the names below it.
    pub(crate) path: &'a [u8],
    /// What the file system says of it.
    pub(crate) stat: &'a Stat,
    directory: BorrowedFd<'a>,
    name: &'a CStr,
    /// Open already, if the walk was told to.
    file: Option<OwnedFd>,
}

impl TreeEntry<'_> {
    /// What it is.
    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Its content, if the walk opens files and it is one.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Whether its file system keeps change times, see [`fingerprint`](crate::fingerprint). If that cannot be found out, it does not.
    pub(crate) fn keeps_change_times(&self) -> bool {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(self.directory, self.name, flags, Mode::empty()) else {
            return false;
        };
        let above = (self.file_type() != FileType::Directory).then_some(self.directory);
        fingerprint::keeps_change_times(file.as_fd(), above)
    }

    /// Where the symbolic link points to. `buffer` is used for the result.
    pub(crate) fn read_link(&self, buffer: Vec<u8>) -> Result<Vec<u8>, Error> {
        match rustix::fs::readlinkat(self.directory, self.name, buffer) {
            Ok(target) => Ok(target.into_bytes()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Fails if the file behind the descriptor is not, or no longer, the one that `stat` describes.
    pub(crate) fn check_unchanged(&self, file: BorrowedFd<'_>) -> Result<(), Error> {
        let now = rustix::fs::fstat(file).map_err(|error| self.error(error))?;
        if same(&now, self.stat) { Ok(()) } else { Err(Error::Changed { path: to_path(self.path) }) }
    }

    fn error(&self, error: Errno) -> Error {
        read_error(self.path, error)
    }
}

/// Whether both describe one file in one state.
fn same(a: &Stat, b: &Stat) -> bool {
    let state = |s: &Stat| {
        (s.st_dev, s.st_ino, s.st_mode, s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec)
    };
    state(a) == state(b)
}

/// A directory on the way down.
struct Level {
    /// Closed while it is far above; see [`OPEN_DIRECTORIES`].
    descriptor: Option<OwnedFd>,
    device: u64,
    inode: u64,
    names: Arc<Names>,
    next: usize,
    path_length: usize,
}

/// What a walk does with regular files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileAccess {
    /// Only looks at them.
    Look,
    /// Opens them to be read.
    Open,
}

/// A walker, which can be used for many trees. It holds buffers.
pub(crate) struct Walker<'k> {
    files: FileAccess,
    /// What an earlier walk over the same trees has listed.
    known: Option<&'k Listings>,
    /// What this one lists, if that is kept.
    listings: Option<Listings>,
    /// How many directories it has come to.
    directories: usize,
    path: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'k> Walker<'k> {
    /// A walker that does this with files.
    pub(crate) fn new(files: FileAccess) -> Self {
        let (path, buffer) = (Vec::new(), Vec::new());
        Self { files, known: None, listings: None, directories: 0, path, buffer }
    }

    /// A walker that keeps what it lists, for another one over the same trees.
    pub(crate) fn keeping(files: FileAccess) -> Self {
        Self { listings: Some(Listings::default()), ..Self::new(files) }
    }

    /// A walker that does not list directories again. Whoever visits has to fail at the first that has changed since.
    pub(crate) fn again(files: FileAccess, known: &'k Listings) -> Self {
        Self { known: Some(known), ..Self::new(files) }
    }

    /// What was listed and kept.
    pub(crate) fn into_listings(self) -> Listings {
        self.listings.unwrap_or_default()
    }

    /// Visits `name` in `directory` and all that is below it. `path` is what the root is called in [`TreeEntry::path`].
    pub(crate) fn walk(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        visit: &mut dyn FnMut(&TreeEntry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.path.clear();
        self.path.extend_from_slice(path);
        let mut levels = Vec::new();
        self.enter(&mut levels, directory, name, FileType::Unknown, visit)?;
        while let Some(level) = levels.last_mut() {
            self.path.truncate(level.path_length);
            if level.next == level.names.len() {
                self.leave(&mut levels)?;
                continue;
            }
            let names = Arc::clone(&level.names);
            let (name, kind) = names.get(level.next);
            level.next += 1;
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            let depth = levels.len() - 1;
            let descriptor = levels[depth].descriptor.take().expect("the lowest level is open");
            let entered = self.enter(&mut levels, descriptor.as_fd(), name, kind, visit);
            levels[depth].descriptor = Some(descriptor);
            entered?;
            if let Some(far) = levels.len().checked_sub(OPEN_DIRECTORIES + 1) {
                levels[far].descriptor = None;
            }
        }
        Ok(())
    }

    /// Visits one entry and, if it is a directory, goes down into it.
    fn enter(
        &mut self,
        levels: &mut Vec<Level>,
        directory: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        visit: &mut dyn FnMut(&TreeEntry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |error| read_error(&self.path, error);
        let mut stat = None;
        if kind != FileType::Directory {
            let mut file = None;
            // To look at an open file saves looking it up once more.
            if kind == FileType::RegularFile && self.files == FileAccess::Open {
                file = Some(match open_file(directory, name) {
                    // It was a file when the directory was read.
                    Err(Errno::LOOP) => return Err(Error::Changed { path: to_path(&self.path) }),
                    opened => opened.map_err(failed)?,
                });
            }
            let found = match &file {
                Some(file) => rustix::fs::fstat(file),
                None => rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW),
            };
            let found = found.map_err(failed)?;
            let found_kind = FileType::from_raw_mode(found.st_mode);
            if found_kind != FileType::Directory {
                if found_kind == FileType::RegularFile && self.files == FileAccess::Open && file.is_none() {
                    let opened = open_file(directory, name).map_err(failed)?;
                    let now = rustix::fs::fstat(&opened).map_err(failed)?;
                    if !same(&now, &found) {
                        return Err(Error::Changed { path: to_path(&self.path) });
                    }
                    file = Some(opened);
                }
                return visit(&TreeEntry { path: &self.path, stat: &found, directory, name, file });
            }
            stat = Some(found);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(directory, name, flags, Mode::empty());
        let descriptor = opened.map_err(|error| read_error(&self.path, error))?;
        let opened = rustix::fs::fstat(&descriptor).map_err(|error| read_error(&self.path, error))?;
        if stat.is_some_and(|stat| !same(&stat, &opened)) {
            return Err(Error::Changed { path: to_path(&self.path) });
        }
        visit(&TreeEntry { path: &self.path, stat: &opened, directory, name, file: None })?;
        let names = self.names(descriptor.as_fd()).map_err(|error| read_error(&self.path, error))?;
        levels.push(Level {
            descriptor: Some(descriptor),
            device: opened.st_dev,
            inode: opened.st_ino,
            names,
            next: 0,
            path_length: self.path.len(),
        });
        Ok(())
    }

    /// The names in the directory that it has come to.
    fn names(&mut self, directory: BorrowedFd<'_>) -> Result<Arc<Names>, Errno> {
        let known = self.known.and_then(|known| known.get(self.directories));
        self.directories += 1;
        if let Some(names) = known {
            return Ok(Arc::clone(names));
        }
        let names = Arc::new(Names::read(directory, &mut self.buffer)?);
        if let Some(listings) = &mut self.listings {
            listings.push(&names);
        }
        Ok(names)
    }

    /// Goes up from the lowest level, and opens the one above again if it was closed.
    fn leave(&mut self, levels: &mut Vec<Level>) -> Result<(), Error> {
        let Some(left) = levels.pop() else { return Ok(()) };
        let Some(above) = levels.last_mut().filter(|level| level.descriptor.is_none()) else {
            return Ok(());
        };
        let path = &self.path[..above.path_length];
        let below = left.descriptor.expect("the lowest level is open");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&below, c"..", flags, Mode::empty());
        let descriptor = opened.map_err(|error| read_error(path, error))?;
        let stat = rustix::fs::fstat(&descriptor).map_err(|error| read_error(path, error))?;
        if (stat.st_dev, stat.st_ino) != (above.device, above.inode) {
            return Err(Error::Changed { path: to_path(path) });
        }
        above.descriptor = Some(descriptor);
        Ok(())
    }
}

/// Opens a file to read its content. It does not wait for a writer, should it be a pipe by now.
fn open_file(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// Bytes as a path.
pub(crate) fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn read_error(path: &[u8], error: Errno) -> Error {
    Error::Read { path: to_path(path), source: error.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What a walk comes to: names below the root, or the error.
    fn walked(walker: &mut Walker<'_>, root: &std::path::Path) -> Result<Vec<Vec<u8>>, String> {
        let mut paths = Vec::new();
        let mut visit = |entry: &TreeEntry<'_>| {
            paths.push(entry.path.to_vec());
            Ok(())
        };
        let name = std::ffi::CString::new(root.as_os_str().as_bytes()).unwrap();
        walker.walk(rustix::fs::CWD, &name, b"", &mut visit).map_err(|error| error.to_string())?;
        Ok(paths)
    }

    /// A walk over a directory with so many names of 100 bytes, and another one after one of the files has gone: does it
    /// notice by itself?
    fn check(count: usize, is_listed_again: bool) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("below")).unwrap();
        let file = |number: usize| root.path().join(format!("below/{number:0100}"));
        (0..count).for_each(|number| fs::write(file(number), "").unwrap());
        let mut first = Walker::keeping(FileAccess::Look);
        let seen = walked(&mut first, root.path()).unwrap();
        assert_eq!(seen.len(), count + 2);
        let listings = first.into_listings();
        assert_eq!(walked(&mut Walker::again(FileAccess::Open, &listings), root.path()), Ok(seen));
        fs::remove_file(file(count / 2)).unwrap();
        let again = walked(&mut Walker::again(FileAccess::Open, &listings), root.path());
        assert_eq!(again.map(|seen| seen.len()).ok(), is_listed_again.then_some(count + 1));
    }

    #[test]
    fn names_are_kept_for_the_next_walk() {
        check(1, false);
        check(3000, false);
        check(5000, true);
    }
}

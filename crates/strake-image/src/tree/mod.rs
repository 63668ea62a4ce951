//! Walks a tree of files by descriptor, in the order that layers have.
//!
//! Order: a directory before what is in it, siblings as Python orders their names (`python::text`). That is the same
//! as sorting whole paths by component, without holding more than the names of the directories on the way down. As far as
//! they are few, the names are kept for the next walk over the same trees.
//!
//! Nothing is looked up by its whole path, so neither depth nor a directory that is renamed in the meantime can lead
//! astray, and symbolic links are never followed.

mod entry;
mod names;

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::Error;
use crate::kernel;
pub(crate) use entry::{TreeEntry, to_path};
use entry::{open_file, read_error, same};
pub(crate) use names::Listings;
use names::Names;

/// The maximum number of directories on the way down that are kept open. The rest is opened again on the way up, so that a deep tree
/// needs no more descriptors than a flat one.
const OPEN_DIRECTORIES: usize = 32;

/// A name in an open directory.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    pub(crate) directory: BorrowedFd<'a>,
    pub(crate) name: &'a CStr,
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

/// The way in which a walk treats regular files.
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
    /// The entries that an earlier walk over the same trees listed.
    known: Option<&'k Listings>,
    /// The entries that this walk lists, if they are kept.
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

    /// A walker that does not list directories again. The visitor has to fail at the first that has changed since.
    pub(crate) fn again(files: FileAccess, known: &'k Listings) -> Self {
        Self { known: Some(known), ..Self::new(files) }
    }

    /// The entries that were listed and kept.
    pub(crate) fn into_listings(self) -> Listings {
        self.listings.unwrap_or_default()
    }

    /// Visits what is at `spot` and all that is below it. `path` is what the root is called in [`TreeEntry::path`].
    pub(crate) fn walk(
        &mut self,
        spot: Spot<'_>,
        path: &[u8],
        visit: &mut dyn FnMut(&TreeEntry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.path.clear();
        self.path.extend_from_slice(path);
        let mut levels = Vec::new();
        self.enter(&mut levels, spot, FileType::Unknown, visit)?;
        self.go_on(levels, visit)
    }

    /// The same without what comes before `below`, a path below the root: the directories on the way there are listed and
    /// not visited. A path that is no longer there is one that has changed.
    pub(crate) fn walk_from(
        &mut self,
        spot: Spot<'_>,
        path: &[u8],
        below: &[u8],
        visit: &mut dyn FnMut(&TreeEntry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if below.is_empty() {
            return self.walk(spot, path, visit);
        }
        self.path.clear();
        self.path.extend_from_slice(path);
        let mut levels: Vec<Level> = Vec::new();
        self.descend(&mut levels, spot)?;
        let mut components = below.split(|&byte| byte == b'/').peekable();
        while let Some(component) = components.next() {
            let level = levels.last_mut().expect("the root is open");
            level.next = level.names.position(component);
            if components.peek().is_some() {
                level.next += 1;
                let descriptor = level.descriptor.take().expect("the lowest level is open");
                self.path.push(b'/');
                self.path.extend_from_slice(component);
                let component = CString::new(component).expect("a file's name has no zero byte");
                let depth = levels.len() - 1;
                self.descend(&mut levels, Spot { directory: descriptor.as_fd(), name: &component })?;
                levels[depth].descriptor = Some(descriptor);
                close_far(&mut levels);
            }
        }
        self.go_on(levels, visit)
    }

    /// Opens and lists a directory that was one when it was seen last.
    fn descend(&mut self, levels: &mut Vec<Level>, spot: Spot<'_>) -> Result<(), Error> {
        match open_directory(spot.directory, spot.name) {
            Ok((descriptor, stat)) => self.list(levels, descriptor, &stat),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                Err(Error::Changed { path: to_path(&self.path) })
            }
            Err(error) => Err(read_error(&self.path, error)),
        }
    }

    /// Visits what is still to come in these directories.
    fn go_on(
        &mut self,
        mut levels: Vec<Level>,
        visit: &mut dyn FnMut(&TreeEntry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
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
            let spot = Spot { directory: descriptor.as_fd(), name };
            let entered = self.enter(&mut levels, spot, kind, visit);
            levels[depth].descriptor = Some(descriptor);
            entered?;
            close_far(&mut levels);
        }
        Ok(())
    }

    /// Visits one entry and, if it is a directory, goes down into it.
    fn enter(
        &mut self,
        levels: &mut Vec<Level>,
        Spot { directory, name }: Spot<'_>,
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
        let (descriptor, opened) =
            open_directory(directory, name).map_err(|error| read_error(&self.path, error))?;
        if stat.is_some_and(|stat| !same(&stat, &opened)) {
            return Err(Error::Changed { path: to_path(&self.path) });
        }
        visit(&TreeEntry { path: &self.path, stat: &opened, directory, name, file: None })?;
        self.list(levels, descriptor, &opened)
    }

    /// Goes down into an open directory.
    fn list(&mut self, levels: &mut Vec<Level>, descriptor: OwnedFd, stat: &Stat) -> Result<(), Error> {
        let names = self.names(descriptor.as_fd()).map_err(|error| read_error(&self.path, error))?;
        levels.push(Level {
            descriptor: Some(descriptor),
            device: kernel::device(stat),
            inode: stat.st_ino,
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
        if (kernel::device(&stat), stat.st_ino) != (above.device, above.inode) {
            return Err(Error::Changed { path: to_path(path) });
        }
        above.descriptor = Some(descriptor);
        Ok(())
    }
}

/// Opens a directory to list it.
fn open_directory(directory: BorrowedFd<'_>, name: &CStr) -> Result<(OwnedFd, Stat), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened)?;
    Ok((opened, stat))
}

/// Closes the directory that has just become too far above.
fn close_far(levels: &mut [Level]) {
    if let Some(far) = levels.len().checked_sub(OPEN_DIRECTORIES + 1) {
        levels[far].descriptor = None;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// The results of a walk: names below the root, or the error.
    fn walked(walker: &mut Walker<'_>, root: &std::path::Path) -> Result<Vec<Vec<u8>>, String> {
        let mut paths = Vec::new();
        let mut visit = |entry: &TreeEntry<'_>| {
            paths.push(entry.path.to_vec());
            Ok(())
        };
        let name = std::ffi::CString::new(root.as_os_str().as_bytes()).unwrap();
        walker
            .walk(Spot { directory: rustix::fs::CWD, name: &name }, b"", &mut visit)
            .map_err(|error| error.to_string())?;
        Ok(paths)
    }

    /// A walk over a directory with this number of names of 100 bytes, and another one after one of the files has gone: does it
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

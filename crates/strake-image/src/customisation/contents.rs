//! Directories on this machine that are laid at an image's root.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::FileType;

use super::CustomisationError;
use super::merge::{Merge, What};
use super::path::ImagePath;
use crate::error::Error;
use crate::kernel;
use crate::store::Store;
use crate::tree::{FileAccess, Spot, TreeEntry, Walker, to_path};

/// Merges a tree as `lndir` does, which `symlinkJoin` runs: directories are made, regular files become symbolic links to
/// the file by the name that it has in the store, symbolic links are copied as they are.
pub(super) fn link(merge: &mut Merge<'_>, store: &Store, directory: &str) -> Result<(), CustomisationError> {
    walk(merge, store, directory, |entry, relative| {
        Ok(match entry.file_type() {
            FileType::Directory => What::Directory { mode: 0o755 },
            FileType::Symlink => What::Symlink(entry.read_link(Vec::new())?),
            _ => What::Symlink([directory.trim_end_matches('/').as_bytes(), relative].concat()),
        })
    })
}

/// Copies a tree.
pub(super) fn copy(merge: &mut Merge<'_>, store: &Store, directory: &str) -> Result<(), CustomisationError> {
    walk(merge, store, directory, |entry, _| {
        let kind = match entry.file_type() {
            FileType::Directory => return Ok(What::Directory { mode: kernel::mode(entry.stat) & 0o7777 }),
            FileType::Symlink => return Ok(What::Symlink(entry.read_link(Vec::new())?)),
            FileType::RegularFile => return Ok(What::file(to_path(entry.path), entry.stat)),
            FileType::Fifo => "named pipe",
            FileType::Socket => "socket",
            _ => "device",
        };
        Err(Error::FileType { path: to_path(entry.path), kind })
    })
}

/// Inserts what `what` makes of each entry; it is given the entry's path below the directory, too.
fn walk(
    merge: &mut Merge<'_>,
    store: &Store,
    directory: &str,
    what: impl Fn(&TreeEntry<'_>, &[u8]) -> Result<What, Error>,
) -> Result<(), CustomisationError> {
    let origin: Rc<str> = directory.into();
    let real = real_directory(store, directory)?;
    // The root has no name in a directory above, so every directory is walked by the name `.` in itself.
    let opened = File::open(&real).map_err(|source| Error::Read { path: real.clone(), source })?;
    let base = real.as_os_str().as_bytes();
    let base = base.strip_suffix(b"/").unwrap_or(base);
    let name = CString::from(c".");
    let mut failed = None;
    let walked = Walker::new(FileAccess::Look).walk(
        Spot { directory: opened.as_fd(), name: &name },
        base,
        &mut |entry| {
            let relative = &entry.path[base.len()..];
            let what = what(entry, relative)?;
            merge.insert_shared(&ImagePath::walked(relative), &origin, what).map_err(|error| {
                failed = Some(error);
                Error::Cancelled
            })
        },
    );
    match failed {
        Some(error) => Err(error),
        None => Ok(walked?),
    }
}

/// The directory itself, where the given path may be a symbolic link to it.
fn real_directory(store: &Store, directory: &str) -> Result<PathBuf, CustomisationError> {
    let located = store.locate(Path::new(directory));
    let real = located.canonicalize().map_err(|source| Error::Read { path: located.clone(), source })?;
    if real.is_dir() { Ok(real) } else { Err(CustomisationError::NotADirectory(located)) }
}

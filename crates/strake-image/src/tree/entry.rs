//! The results of a walk.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::Error;
use crate::kernel;

/// One file, directory or symbolic link that the walk has come to.
pub(crate) struct TreeEntry<'a> {
    /// Its path: the one that the walk was given, and the names below it.
    pub(crate) path: &'a [u8],
    /// The metadata.
    pub(crate) stat: &'a Stat,
    pub(super) directory: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    /// The open file, if the walk opens files.
    pub(super) file: Option<OwnedFd>,
}

impl TreeEntry<'_> {
    /// The file type.
    pub(crate) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// Its content, if the walk opens files and it is one.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Opens the file to read its content, for a walk that does not. It must still be the one that `stat` describes.
    pub(crate) fn open(&self) -> Result<OwnedFd, Error> {
        let opened = match open_file(self.directory, self.name) {
            // It was a file when it was looked at.
            Err(Errno::LOOP) => return Err(Error::Changed { path: to_path(self.path) }),
            opened => opened.map_err(|error| self.error(error))?,
        };
        self.check_unchanged(opened.as_fd())?;
        Ok(opened)
    }

    /// Whether its file system keeps change times, see [`fingerprint`](crate::fingerprint). If that cannot be found out, it does not.
    pub(crate) fn keeps_change_times(&self) -> bool {
        if self.file_type() == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(self.directory, self.name, flags, Mode::empty());
            return opened.is_ok_and(|opened| kernel::keeps_change_times(opened.as_fd()));
        }
        // Not every system opens links, nor does a file open for everybody, so its directory is looked at, and tells nothing of a file
        // that is on another file system. It has a device of its own also where an overlay's layers are on several file systems, of
        // which one may be of the other kind: a live system's, which lies over squashfs.
        let above = rustix::fs::fstat(self.directory);
        above.is_ok_and(|above| kernel::device(&above) == kernel::device(self.stat))
            && kernel::keeps_change_times(self.directory)
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
pub(super) fn same(a: &Stat, b: &Stat) -> bool {
    let state =
        |s: &Stat| (s.st_dev, s.st_ino, s.st_mode, s.st_size, kernel::modified(s), kernel::changed(s));
    state(a) == state(b)
}

/// Opens a file to read its content. It does not wait for a writer, should it be a pipe by now.
pub(super) fn open_file(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// Bytes as a path.
pub(crate) fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

pub(super) fn read_error(path: &[u8], error: Errno) -> Error {
    Error::Read { path: to_path(path), source: error.into() }
}

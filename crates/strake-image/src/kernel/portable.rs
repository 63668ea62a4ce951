//! The functions that every Unix has.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::write_some;

/// To open a directory only to name what is in it. It has to be readable.
pub(crate) const TO_NAME: OFlags = OFlags::RDONLY;

/// Gives the name and type of each entry of a directory to `visit`, `.` and `..` included.
pub(crate) fn list(
    directory: BorrowedFd<'_>,
    _buffer: &mut Vec<u8>,
    mut visit: impl FnMut(&[u8], FileType) -> Result<(), Errno>,
) -> Result<(), Errno> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        visit(entry.file_name().to_bytes(), entry.file_type())?;
    }
    Ok(())
}

/// Opens what is at a path below a directory, to which no link leads. `None`: there is no such call.
pub(crate) fn open_beneath(
    _directory: BorrowedFd<'_>,
    _path: &Path,
    _flags: OFlags,
) -> Option<Result<OwnedFd, Errno>> {
    None
}

/// Makes a file without a name in a directory. `None`: files have names here.
#[expect(clippy::unnecessary_wraps, reason = "another system's can fail")]
pub(crate) fn open_unnamed(_directory: BorrowedFd<'_>, _mode: Mode) -> Result<Option<OwnedFd>, Errno> {
    Ok(None)
}

/// The name by which an open file can be opened again. `None`: only its own.
pub(crate) fn name_of(_file: BorrowedFd<'_>) -> Option<PathBuf> {
    None
}

/// Gives such a file a name.
pub(crate) fn link_unnamed(
    _file: BorrowedFd<'_>,
    _directory: BorrowedFd<'_>,
    _name: &OsStr,
) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// A descriptor that is written to.
pub(crate) struct Outlet(OwnedFd);

impl Outlet {
    /// Writes at the descriptor's own position.
    pub(crate) fn new(target: OwnedFd) -> Self {
        Self(target)
    }

    /// Writes some of the data, at least a byte.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        write_some(self.0.as_fd(), data)
    }

    /// Has the kernel copy some of a file's bytes. `None`: it cannot.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "another system's can fail")]
    pub(crate) fn send(
        &mut self,
        _file: BorrowedFd<'_>,
        _offset: u64,
        _length: u64,
    ) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Waits until everything has gone, and hands the descriptor back.
    #[expect(clippy::unnecessary_wraps, reason = "another system's can fail")]
    pub(crate) fn finish(self) -> io::Result<OwnedFd> {
        Ok(self.0)
    }
}

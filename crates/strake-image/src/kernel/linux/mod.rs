//! Calls of Linux.

mod outlet;
mod staging;

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;

pub(crate) use outlet::Outlet;

/// To open a directory only to name what is in it, for which it need not be readable.
pub(crate) const TO_NAME: OFlags = OFlags::PATH;

/// Room for what one `getdents` call returns, in bytes.
const LISTING: usize = 32 * 1024;

/// Gives the name and type of each entry of a directory to `visit`, `.` and `..` included. `buffer` is used meanwhile.
pub(crate) fn list(
    directory: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    mut visit: impl FnMut(&[u8], FileType) -> Result<(), Errno>,
) -> Result<(), Errno> {
    buffer.clear();
    buffer.reserve(LISTING);
    let listing: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
    let mut entries = RawDir::new(directory, listing);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        visit(entry.file_name().to_bytes(), entry.file_type())?;
    }
    Ok(())
}

/// Opens what is at a path below a directory, to which no link leads. `None`: this kernel has no such call.
pub(crate) fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
) -> Option<Result<OwnedFd, Errno>> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(directory, path, flags, Mode::empty(), resolve) {
        // Kernels before 5.6 have no such call, and some sandboxes refuse those that they do not know.
        Err(Errno::NOSYS | Errno::PERM) => None,
        opened => Some(opened),
    }
}

/// Makes a file without a name in a directory. `None`: it could not be given one later.
pub(crate) fn open_unnamed(directory: BorrowedFd<'_>, mode: Mode) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, ".", flags, mode) {
        Ok(file) => Ok(Some(file).filter(|_| Path::new("/proc/self/fd").exists())),
        // Old kernels and some file systems know no unnamed files, and say so in several ways.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name by which an open file can be opened again, from its beginning, whether or not it has a name of its own.
pub(crate) fn name_of(file: BorrowedFd<'_>) -> Option<PathBuf> {
    Some(PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))).filter(|name| name.exists())
}

/// Gives such a file a name.
pub(crate) fn link_unnamed(
    file: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    name: &OsStr,
) -> Result<(), Errno> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, &unnamed, directory, name, AtFlags::SYMLINK_FOLLOW)
}

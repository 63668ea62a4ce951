//! Directories by descriptor: what is in them is named without a symbolic link being followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::kernel;

/// An open directory.
///
/// It stays the same directory, whatever becomes of its name.
#[derive(Debug)]
pub struct DirectoryHandle(OwnedFd);

/// Only to name what is in it.
const FLAGS: OFlags = kernel::TO_NAME.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl DirectoryHandle {
    /// Opens a directory that the user has named; links on the way are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, FLAGS, Mode::empty())?))
    }

    /// The same, by a path that counts from here.
    pub(crate) fn open_from(&self, path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(&self.0, path, FLAGS, Mode::empty())?))
    }

    /// The current directory, which need not be open.
    pub(crate) fn current() -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(CWD, ".", FLAGS, Mode::empty())?))
    }

    /// A directory below this one. A link on the way, or `..`, is an error.
    pub fn below(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() {
            return Ok(Self(self.0.try_clone()?));
        }
        match kernel::open_beneath(self.as_fd(), path, FLAGS) {
            Some(opened) => Ok(Self(opened.map_err(|error| refused(path, error))?)),
            None => self.each(path, |_, _| Ok(())),
        }
    }

    /// The same; directories that are not there are made, with this mode as far as the umask lets it.
    pub fn make(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        self.each(path.as_ref(), |directory, name| {
            match rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(mode)) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Goes down a path part by part, after `visit` has seen to each.
    fn each(
        &self,
        path: &Path,
        visit: impl Fn(BorrowedFd<'_>, &OsStr) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut directory = self.0.try_clone()?;
        for part in path.components() {
            let Component::Normal(name) = part else { return Err(refused(path, Errno::XDEV)) };
            visit(directory.as_fd(), name)?;
            let opened = rustix::fs::openat(&directory, name, FLAGS | OFlags::NOFOLLOW, Mode::empty());
            directory = opened.map_err(|error| refused(path, error))?;
        }
        Ok(Self(directory))
    }

    /// Opens a regular file in this directory to be read. A link is not followed, and nothing else is waited for.
    pub fn file(&self, name: impl AsRef<Path>) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, name.as_ref(), flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::RegularFile {
            Ok(file.into())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
        }
    }

    /// The metadata of an entry of this directory, without following links; `None` if it is absent.
    pub(crate) fn look(&self, name: impl AsRef<Path>) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.0, name.as_ref(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            found => Ok(Some(found?)),
        }
    }

    /// Removes a file in this directory.
    pub(crate) fn remove(&self, name: impl AsRef<Path>) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name.as_ref(), rustix::fs::AtFlags::empty())?)
    }

    /// Makes sure that only this process' user can write to it.
    pub(crate) fn check_private(&self) -> io::Result<()> {
        let stat = rustix::fs::fstat(&self.0)?;
        let problem = if stat.st_uid != rustix::process::geteuid().as_raw() {
            "it belongs to another user"
        } else if stat.st_mode & 0o022 != 0 {
            "other users can write to it"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
    }
}

impl AsFd for DirectoryHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The kernel's errors for a link do not say that it is one.
fn refused(path: &Path, error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR => io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is a symbolic link, leads through one, or is no directory", path.display()),
        ),
        error => error.into(),
    }
}

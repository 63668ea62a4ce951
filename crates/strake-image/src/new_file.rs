//! Files that appear whole or not at all, and where they are meant to.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::directory_handle::DirectoryHandle;
use crate::kernel;
use crate::limits::MAX_LINKS;

/// A file that gets its name when it is finished. Dropped before that, it is gone.
///
/// Where the file system allows it has no name at all until then, so that even a killed process leaves nothing. Its directory is held
/// open, and what has the name in there is replaced, be it a link, never written to. It gets the permissions of the
/// file that it replaces.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    directory: DirectoryHandle,
    name: OsString,
    /// The name it has in the meantime, where it needs one.
    temporary: Option<OsString>,
}

impl NewFile {
    /// Begins a file that will be at `target`, a path that the user has named. If a symbolic link of the user's own, or of root's, is
    /// there, the file it points to is replaced; another user's is an error.
    pub fn create(target: &Path) -> io::Result<Self> {
        let (directory, name) = followed(target)?;
        Self::begin(directory, name)
    }

    /// Begins a file that will be at `name` below a directory, to which no link may lead.
    pub fn beneath(directory: &DirectoryHandle, name: impl AsRef<Path>) -> io::Result<Self> {
        let name = name.as_ref();
        let base = name.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        Self::begin(directory.below(name.parent().unwrap_or(Path::new("")))?, base.to_owned())
    }

    fn begin(directory: DirectoryHandle, name: OsString) -> io::Result<Self> {
        let there = directory.look(&name)?;
        let there = there.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let mode = there.map(|stat| Mode::from_raw_mode(stat.st_mode & 0o777));
        let new = Self::unnamed(directory, name, mode.unwrap_or(Mode::from_raw_mode(0o666)))?;
        if let (Some(stat), Some(mode)) = (there, mode) {
            let now = Mode::from_raw_mode(rustix::fs::fstat(&new.file)?.st_mode);
            // Another user's file becomes this user's, and no more than that.
            let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
            rustix::fs::fchmod(&new.file, if is_own { mode } else { mode & now })?;
        }
        Ok(new)
    }

    fn unnamed(directory: DirectoryHandle, name: OsString, mode: Mode) -> io::Result<Self> {
        if let Some(file) = kernel::open_unnamed(directory.as_fd(), mode)? {
            return Ok(Self { file: file.into(), directory, name, temporary: None });
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
        let make = |name: &OsStr| rustix::fs::openat(&directory, name, flags, mode);
        let (file, temporary) = with_free_name(&name, make)?;
        Ok(Self { file: file.into(), directory, name, temporary: Some(temporary) })
    }

    /// The file, to be written to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A file for this user in this directory that is gone when it is dropped.
    pub(crate) fn passing(directory: &Path) -> io::Result<Self> {
        Self::unnamed(DirectoryHandle::open(directory)?, "passing".into(), Mode::RUSR | Mode::WUSR)
    }

    /// The name that it has in its directory in the meantime, if it has one.
    pub(crate) fn temporary(&self) -> Option<&OsStr> {
        self.temporary.as_deref()
    }

    /// Gives the file this name, in its directory, in place of the one that it was begun with.
    pub fn commit_as(mut self, name: &str) -> io::Result<()> {
        self.name = name.into();
        self.commit()
    }

    /// Gives the file its name once its content is on disk; what had the name before is replaced in the same moment.
    ///
    /// Without waiting for the disk a crash of the machine could leave the name with nothing behind it.
    pub fn commit(self) -> io::Result<()> {
        let synced = self.file.sync_data();
        match synced.as_ref().map_err(Errno::from_io_error) {
            // Of what cannot be synchronised nothing more can be had.
            Ok(()) | Err(Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS)) => self.commit_unsynced(),
            Err(_) => synced,
        }
    }

    /// The same without waiting: for a file of which its reader sees that a crash of the machine has cut it, and for large ones
    /// that are made again with a command.
    pub fn commit_unsynced(mut self) -> io::Result<()> {
        let name = if let Some(name) = self.temporary.take() {
            name
        } else {
            let link = |name: &OsStr| kernel::link_unnamed(self.file.as_fd(), self.directory.as_fd(), name);
            match link(&self.name) {
                Err(Errno::EXIST) => {}
                named => return Ok(named?),
            }
            // A link replaces nothing, but a renaming does.
            with_free_name(&self.name, link)?.1
        };
        let directory = &self.directory;
        let renamed = rustix::fs::renameat(directory, &name, directory, &self.name);
        Ok(renamed.inspect_err(|_| drop(directory.remove(&name)))?)
    }
}

/// A file for this user in this directory that never gets a name: even where the file system knows no such files, it has one only
/// for a moment.
pub(crate) fn unnamed_file(directory: &Path) -> io::Result<File> {
    let new = NewFile::unnamed(DirectoryHandle::open(directory)?, "unnamed".into(), Mode::RUSR | Mode::WUSR)?;
    new.file.try_clone()
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            // A failure can no longer be reported.
            let _ = self.directory.remove(name);
        }
    }
}

/// Tries names beside the target's until `make` does not find one taken.
fn with_free_name<T>(
    name: &OsStr,
    make: impl Fn(&OsStr) -> rustix::io::Result<T>,
) -> io::Result<(T, OsString)> {
    let process = std::process::id();
    for number in 0u32.. {
        let mut free = OsString::from(".");
        free.push(name);
        free.push(format!(".new-{process}-{number}"));
        match make(&free) {
            Err(Errno::EXIST) => {}
            result => return Ok((result?, free)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// The directory and the name that a user's path means, behind links that may be followed.
fn followed(target: &Path) -> io::Result<(DirectoryHandle, OsString)> {
    let mut directory = DirectoryHandle::current()?;
    let mut path: PathBuf = target.to_owned();
    for _ in 0..=MAX_LINKS {
        let (parent, base) = split(&path)?;
        directory = directory.open_from(parent)?;
        let link = directory.look(base)?;
        let link = link.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        let Some(link) = link else { return Ok((directory, base.to_owned())) };
        // A link of another user in a shared directory could choose the file that is overwritten.
        if link.st_uid != 0 && link.st_uid != rustix::process::geteuid().as_raw() {
            let problem = "it is a symbolic link of another user's, which is not followed";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        let target = rustix::fs::readlinkat(&directory, base, Vec::new())?;
        path = PathBuf::from(OsString::from_vec(target.into_bytes()));
    }
    Err(Errno::LOOP.into())
}

/// A file's directory and its name in there.
fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let base = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok((parent, base)),
        _ => Ok((Path::new("."), base)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("image.tar");
        let new = NewFile::create(&target).unwrap();
        new.file().write_all(b"one").unwrap();
        assert!(!target.exists());
        new.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"one");

        let abandoned = NewFile::create(&target).unwrap();
        abandoned.file().write_all(b"two").unwrap();
        drop(abandoned);
        assert_eq!(fs::read(&target).unwrap(), b"one");

        let replacing = NewFile::create(&target).unwrap();
        replacing.file().write_all(b"three").unwrap();
        replacing.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"three");

        let mut nameless = unnamed_file(directory.path()).unwrap();
        nameless.write_all(b"four").unwrap();
        assert_eq!(names(directory.path()), ["image.tar"]);
        let root = DirectoryHandle::open(directory.path()).unwrap();
        let named_late = NewFile::beneath(&root, "unnamed").unwrap();
        named_late.file().write_all(b"five").unwrap();
        named_late.commit_as("digest").unwrap();
        assert_eq!(fs::read(directory.path().join("digest")).unwrap(), b"five");
        assert_eq!(names(directory.path()), ["digest", "image.tar"]);
    }

    #[test]
    fn through_a_symbolic_link() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, b"old").unwrap();
        symlink("target", &link).unwrap();
        NewFile::create(&link).unwrap().commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        assert_eq!(names(directory.path()), ["link", "target"]);
    }

    #[test]
    fn links_of_others_and_links_on_the_way() {
        let place = tempfile::tempdir().unwrap();
        let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
        for directory in [&inside, &outside] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(outside.join("file"), "kept").unwrap();
        symlink(&outside, inside.join("directory")).unwrap();
        symlink(outside.join("file"), inside.join("file")).unwrap();
        let root = DirectoryHandle::open(&inside).unwrap();
        for refused in ["directory/file", "directory/new", "../outside/file", "..", "missing/file"] {
            assert!(NewFile::beneath(&root, refused).is_err(), "{refused}");
        }
        assert!(root.make("directory/new", 0o777).is_err() && !outside.join("new").exists());
        root.make("new/new", 0o777).unwrap();
        // A link in the file's own place is replaced.
        NewFile::beneath(&root, "file").unwrap().commit().unwrap();
        assert!(inside.join("file").symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"kept");
        assert!(root.file("directory").is_err());
        // Only root can make links that are another user's.
        let other = inside.join("other");
        symlink(outside.join("file"), &other).unwrap();
        if std::os::unix::fs::lchown(&other, Some(65534), None).is_ok() {
            assert_eq!(NewFile::create(&other).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(fs::read(outside.join("file")).unwrap(), b"kept");
        }
        symlink("loop", inside.join("loop")).unwrap();
        assert!(NewFile::create(&inside.join("loop")).is_err());
    }

    #[test]
    fn permissions_stay() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file");
        for mode in [0o600, 0o640, 0o444] {
            fs::write(&target, "old").unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
            NewFile::create(&target).unwrap().commit().unwrap();
            assert_eq!(target.metadata().unwrap().permissions().mode() & 0o7777, mode);
            fs::remove_file(&target).unwrap();
        }
    }

    #[test]
    fn where_nothing_can_be() {
        let directory = tempfile::tempdir().unwrap();
        for impossible in ["missing/image.tar", ".."] {
            assert!(NewFile::create(&directory.path().join(impossible)).is_err(), "{impossible}");
        }
    }
}

//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// A file that gets its name when it is finished. Dropped before that, it is gone.
///
/// Where the file system allows it has no name at all until then, so that even a killed process leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    target: PathBuf,
    /// The name it has in the meantime, where it needs one.
    named: Option<PathBuf>,
}

impl NewFile {
    /// Begins a file that will be at `target`. If a symbolic link is there, the file it points to is replaced.
    pub fn create(target: &Path) -> io::Result<Self> {
        let target = match fs::read_link(target) {
            Ok(_) => fs::canonicalize(target)?,
            Err(_) => target.to_owned(),
        };
        Self::begin(target)
    }

    /// Begins a file in this directory whose name will be known when it is finished, see [`NewFile::commit_as`]. If it gets
    /// none, nothing is left of it.
    pub fn within(directory: &Path) -> io::Result<Self> {
        Self::begin(directory.join("unnamed"))
    }

    fn begin(target: PathBuf) -> io::Result<Self> {
        let (directory, _) = split(&target)?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(directory, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) if Path::new("/proc/self/fd").exists() => {
                Ok(Self { file: file.into(), target, named: None })
            }
            // Old kernels and some file systems know no unnamed files, and say so in several ways.
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let (file, name) = with_free_name(&target, |name| File::create_new(name))?;
                Ok(Self { file, target, named: Some(name) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The file, to be written to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file this name, in its directory.
    pub fn commit_as(mut self, name: &str) -> io::Result<()> {
        self.target.set_file_name(name);
        self.commit()
    }

    /// Gives the file its name; what had the name before is replaced in the same moment.
    pub fn commit(mut self) -> io::Result<()> {
        let name = if let Some(name) = self.named.take() {
            name
        } else {
            let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let link = |name: &Path| {
                Ok::<(), io::Error>(rustix::fs::linkat(CWD, &unnamed, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
            };
            match link(&self.target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                named => return named,
            }
            // A link replaces nothing, but a renaming does.
            with_free_name(&self.target, link)?.1
        };
        fs::rename(&name, &self.target).inspect_err(|_| drop(fs::remove_file(&name)))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(name) = &self.named {
            // Nobody is left to be told of a failure.
            let _ = fs::remove_file(name);
        }
    }
}

/// Tries names beside the target until `make` does not find one taken.
fn with_free_name<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
    let (directory, base) = split(target)?;
    let process = std::process::id();
    for number in 0u32.. {
        let mut name = std::ffi::OsString::from(".");
        name.push(base);
        name.push(format!(".new-{process}-{number}"));
        let name = directory.join(name);
        match make(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|made| (made, name)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A file's directory and its name in there.
fn split(path: &Path) -> io::Result<(&Path, &std::ffi::OsStr)> {
    let base = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok((parent, base)),
        _ => Ok((Path::new("."), base)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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

        let nameless = NewFile::within(directory.path()).unwrap();
        nameless.file().write_all(b"four").unwrap();
        drop(nameless);
        assert_eq!(names(directory.path()), ["image.tar"]);
        let named_late = NewFile::within(directory.path()).unwrap();
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
        std::os::unix::fs::symlink("target", &link).unwrap();
        NewFile::create(&link).unwrap().commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        assert_eq!(names(directory.path()), ["link", "target"]);
    }

    #[test]
    fn where_nothing_can_be() {
        let directory = tempfile::tempdir().unwrap();
        for impossible in ["missing/image.tar", ".."] {
            assert!(NewFile::create(&directory.path().join(impossible)).is_err(), "{impossible}");
        }
    }
}

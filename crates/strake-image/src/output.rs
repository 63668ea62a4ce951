//! Where a file goes that is written as a stream: stdout, a pipe, a device, or a file that appears when it is whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::new_file::NewFile;

/// Where a file goes.
#[derive(Debug)]
pub enum Output {
    /// The process's standard output.
    Stdout,
    /// A pipe or a device, which is there already and stays what it is.
    Special(File, PathBuf),
    /// A new file, or one that replaces another.
    New(NewFile, PathBuf),
}

/// A place cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct OutputError {
    /// The place.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl Output {
    /// Opens a place in the file system.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let failed = |source| OutputError { path: path.to_owned(), source };
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if !metadata.is_file() => {
                let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
                Ok(Self::Special(file, path.to_owned()))
            }
            _ => Ok(Self::New(NewFile::create(path).map_err(failed)?, path.to_owned())),
        }
    }

    /// The place, for people.
    pub fn path(&self) -> &Path {
        match self {
            Self::Stdout => Path::new("stdout"),
            Self::Special(_, path) | Self::New(_, path) => path,
        }
    }

    /// The descriptor to write to.
    pub fn descriptor(&self) -> Result<OwnedFd, OutputError> {
        let descriptor = match self {
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Self::Special(file, _) => file.as_fd().try_clone_to_owned(),
            Self::New(file, _) => file.file().as_fd().try_clone_to_owned(),
        };
        descriptor.map_err(|source| self.failed(source))
    }

    /// The file is whole. Nobody waits until gigabytes are on disk; no program does that writes archives.
    pub fn commit(self) -> Result<(), OutputError> {
        match self {
            Self::New(file, path) => file.commit_unsynced().map_err(|source| OutputError { path, source }),
            Self::Stdout | Self::Special(..) => Ok(()),
        }
    }

    /// Writes a small file, which appears when it is whole, or into a pipe or a device.
    pub fn write(path: &Path, content: &[u8]) -> Result<(), OutputError> {
        let output = Self::create(path)?;
        File::from(output.descriptor()?).write_all(content).map_err(|source| output.failed(source))?;
        match output {
            Self::New(file, path) => file.commit().map_err(|source| OutputError { path, source }),
            other => other.commit(),
        }
    }

    fn failed(&self, source: io::Error) -> OutputError {
        OutputError { path: self.path().to_owned(), source }
    }
}

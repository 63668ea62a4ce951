//! Where an archive goes: stdout, or a file that appears when it is whole.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use strake_image::new_file::NewFile;

use crate::failure::Failure;

/// Where the archive goes.
pub(crate) enum Output {
    Stdout,
    /// A pipe or a device, which is there already and stays what it is.
    Special(File),
    New(NewFile, PathBuf),
}

impl Output {
    /// Opens the place that the user named; `None` and `-` are stdout.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            if io::stdout().is_terminal() {
                return Err(Failure::new("an image archive is not for a terminal")
                    .hint("write it to a file with -o FILE, or pipe it into docker load"));
            }
            return Ok(Self::Stdout);
        };
        Self::named(path)
    }

    fn named(path: &Path) -> Result<Self, Failure> {
        let failed = |error| cannot_write(path, &error);
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if !metadata.is_file() => {
                let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
                Ok(Self::Special(file))
            }
            _ => Ok(Self::New(NewFile::create(path).map_err(failed)?, path.to_owned())),
        }
    }

    /// The descriptor to write to.
    pub(crate) fn descriptor(&self) -> Result<OwnedFd, Failure> {
        let descriptor = match self {
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Self::Special(file) => file.as_fd().try_clone_to_owned(),
            Self::New(file, _) => file.file().as_fd().try_clone_to_owned(),
        };
        descriptor.map_err(Failure::stdout)
    }

    /// The archive is whole. It is not waited for until gigabytes are on disk, as no program does that writes archives.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        match self {
            Self::New(file, path) => file.commit_unsynced().map_err(|error| cannot_write(&path, &error)),
            Self::Stdout | Self::Special(_) => Ok(()),
        }
    }
}

/// Writes a small file, which appears when it is whole, or into what is no file.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let output = Output::named(path)?;
    File::from(output.descriptor()?).write_all(content).map_err(|error| cannot_write(path, &error))?;
    match output {
        Output::New(file, _) => file.commit().map_err(|error| cannot_write(path, &error)),
        other => other.commit(),
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

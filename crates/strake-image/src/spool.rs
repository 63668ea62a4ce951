//! Bytes that are put aside, in a file that has no name.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::new_file::unnamed_file;
use crate::sink::{BUFFER, Sink, SinkError, read_range};

/// A file that never gets a name, so that nothing is left of it whatever happens.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    file: File,
}

impl Spool {
    /// An empty one on the file system that this directory is on.
    pub fn new(directory: &Path) -> io::Result<Self> {
        let file = unnamed_file(directory).map_err(|error| failed(directory, &error))?;
        Ok(Self { directory: directory.to_owned(), file })
    }

    /// The file, which holds what was taken.
    pub fn content(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Puts bytes in their place in the file. Where nothing is put the file takes no room.
    pub(crate) fn put(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(data, offset).map_err(|error| failed(&self.directory, &error))
    }
}

impl Sink for Spool {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.file.write_all(data).map_err(|error| SinkError::Write(failed(&self.directory, &error)))
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        read_range(file, offset, length, &mut vec![0; BUFFER], |data| self.bytes(data))
    }
}

/// The error with the place, which is another than where the image goes.
fn failed(directory: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("a layer cannot be put aside in {}: {error}", directory.display()))
}

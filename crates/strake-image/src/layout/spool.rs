//! Bytes that are put aside until it is known what they are.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::new_file::NewFile;
use crate::sink::{BUFFER, Sink, SinkError, read_range};

/// A file that never gets a name.
pub(super) struct Spool {
    directory: PathBuf,
    file: NewFile,
}

impl Spool {
    pub(super) fn new(directory: &Path) -> Result<Self, Error> {
        let file = NewFile::within(directory).map_err(|error| Error::Write(failed(directory, &error)))?;
        Ok(Self { directory: directory.to_owned(), file })
    }

    /// The file, which holds what was taken.
    pub(super) fn content(&self) -> BorrowedFd<'_> {
        self.file.file().as_fd()
    }
}

impl Sink for Spool {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.file.file().write_all(data).map_err(|error| SinkError::Write(failed(&self.directory, &error)))
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        read_range(file, offset, length, &mut vec![0; BUFFER], |data| self.bytes(data))
    }
}

/// The error with the place, which is another than where the image goes.
fn failed(directory: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("a layer cannot be put aside in {}: {error}", directory.display()))
}

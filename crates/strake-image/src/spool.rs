//! Bytes that are stored temporarily, in an unnamed file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::kernel;
use crate::limits::MAX_PIPED;
use crate::new_file::{NewFile, unnamed_file};
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

/// Bytes that can be read only once, put aside in a file that can be opened as often as is needed until this is dropped. Where files
/// can be without a name this one is.
#[derive(Debug)]
pub struct Piped {
    /// Gone when it is dropped.
    _file: NewFile,
    path: PathBuf,
}

impl Piped {
    /// Reads all bytes, of which there must not be more than 64 GiB, and puts them into a file in this directory.
    pub fn new(bytes: &mut dyn Read, directory: &Path) -> io::Result<Self> {
        Self::limited(bytes, directory, MAX_PIPED)
    }

    fn limited(bytes: &mut dyn Read, directory: &Path, limit: u64) -> io::Result<Self> {
        let failed = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("it cannot be put aside in {}: {error}", directory.display()),
            )
        };
        let file = NewFile::passing(directory).map_err(failed)?;
        let mut buffer = vec![0; BUFFER];
        let mut length = 0;
        loop {
            let got = match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            length += got as u64;
            if length > limit {
                let problem = format!("it has more than {} MiB; save it to a file first", limit >> 20);
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
            }
            file.file().write_all(&buffer[..got]).map_err(failed)?;
        }
        let own = file.temporary().map(|name| directory.join(name));
        let path = kernel::name_of(file.file().as_fd()).or(own);
        let path = path.ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
        Ok(Self { _file: file, path })
    }

    /// The name by which it can be opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The error with the place, which is another than where the image goes.
fn failed(directory: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("a layer cannot be put aside in {}: {error}", directory.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_put_aside() {
        let place = tempfile::tempdir().unwrap();
        let left = || fs::read_dir(place.path()).unwrap().count();
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let piped = Piped::limited(&mut bytes.as_slice(), place.path(), 1 << 20).unwrap();
        for _ in 0..2 {
            assert!(fs::read(piped.path()).unwrap() == bytes);
        }
        drop(piped);
        assert_eq!(left(), 0);
        let error = Piped::limited(&mut io::repeat(1), place.path(), 1 << 20).unwrap_err();
        assert_eq!(
            (error.to_string(), left()),
            ("it has more than 1 MiB; save it to a file first".to_owned(), 0)
        );
        let error = Piped::new(&mut io::empty(), &place.path().join("gone")).unwrap_err();
        assert!(error.to_string().starts_with("it cannot be put aside in"), "{error}");
    }
}

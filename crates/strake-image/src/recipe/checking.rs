//! A sink that finds a packed layer's digests while the layer passes through it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

use super::{Depth, Digests};
use crate::sink::{BUFFER, Sink, SinkError, read_range};

/// Passes everything on, and has it decompressed and hashed by a thread of its own: a layer is decompressed while it is fetched,
/// and takes the longer of the two.
pub(crate) struct Checking<'s> {
    inner: &'s mut dyn Sink,
    /// The end of a pipe that the thread reads.
    copy: File,
    reader: JoinHandle<io::Result<Digests>>,
}

impl<'s> Checking<'s> {
    /// Passes on to `inner`.
    pub(crate) fn new(inner: &'s mut dyn Sink) -> io::Result<Self> {
        let (mut from, to) = io::pipe()?;
        let reader = std::thread::Builder::new().spawn(move || Digests::read(&mut from, Depth::Content))?;
        Ok(Self { inner, copy: OwnedFd::from(to).into(), reader })
    }

    /// The digests of all that went through.
    pub(crate) fn finish(self) -> io::Result<Digests> {
        drop(self.copy);
        self.reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Sink for Checking<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        // A reader that has failed says so in the end.
        let _ = self.copy.write_all(data);
        self.inner.bytes(data)
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        read_range(file, offset, length, &mut vec![0; BUFFER], |data| self.bytes(data))
    }
}

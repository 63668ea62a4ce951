//! A sink that passes everything on and digests it on the way.

use std::os::fd::BorrowedFd;

use super::{BUFFER, Sink, SinkError, read_range};
use crate::digest::{Digest, Hasher};

/// Digests what goes through it.
pub struct Tee<'s> {
    inner: &'s mut dyn Sink,
    hasher: Hasher,
    size: u64,
    buffer: Vec<u8>,
}

impl<'s> Tee<'s> {
    /// Passes on to `inner`.
    pub fn new(inner: &'s mut dyn Sink) -> Self {
        Self { inner, hasher: Hasher::default(), size: 0, buffer: Vec::new() }
    }

    /// The number of bytes that went through until now.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest of all bytes that went through.
    pub fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl Sink for Tee<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.hasher.update(data);
        self.size += data.len() as u64;
        self.inner.bytes(data)
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(BUFFER, 0);
        let result = read_range(file, offset, length, &mut buffer, |data| self.bytes(data));
        self.buffer = buffer;
        result
    }
}

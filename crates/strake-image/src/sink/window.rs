//! A sink that passes on a range of what it takes.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use super::{Sink, SinkError};

/// Passes on the wanted bytes of a stream and drops the others. Of a file only the wanted part is handed on, so nothing
/// else of it is read.
pub struct Window<'s> {
    inner: &'s mut dyn Sink,
    wanted: Range<u64>,
    position: u64,
}

impl<'s> Window<'s> {
    /// Passes on to `inner` what lies in `wanted`, in bytes from the stream's beginning. The first byte that it takes is
    /// the one at `position`.
    pub fn new(inner: &'s mut dyn Sink, wanted: Range<u64>, position: u64) -> Self {
        Self { inner, wanted, position }
    }

    /// Has a stream that can only be written whole written until all that is `wanted` of it has passed, and no further.
    ///
    /// The writer is ended by [`SinkError::Cancelled`] when it sends the first byte after the range; whatever it then
    /// returns is not an error. A writer that checks a file has to do so before it sends anything else.
    pub fn write<E>(
        inner: &'s mut dyn Sink,
        wanted: Range<u64>,
        write: impl FnOnce(&mut dyn Sink) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut ending = Ending { window: Self::new(inner, wanted, 0), refused: false };
        let written = write(&mut ending);
        if ending.refused { Ok(()) } else { written }
    }

    /// The position of the next byte in the stream.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Counts bytes that are not wanted and not given.
    pub fn skip(&mut self, length: u64) {
        self.position += length;
    }

    /// Whether it needs any of the next `length` bytes.
    pub fn wants(&self, length: u64) -> bool {
        !self.overlap(length).is_empty()
    }

    /// Whether all that is wanted has passed.
    pub fn is_over(&self) -> bool {
        self.position >= self.wanted.end
    }

    /// The wanted ones of the next `length` bytes, counted from the first of them.
    fn overlap(&self, length: u64) -> Range<u64> {
        let start = self.wanted.start.saturating_sub(self.position);
        let end = self.wanted.end.saturating_sub(self.position).min(length);
        start..end
    }
}

impl Sink for Window<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        let Range { start, end } = self.overlap(data.len() as u64);
        self.position += data.len() as u64;
        if start < end { self.inner.bytes(&data[start as usize..end as usize]) } else { Ok(()) }
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let Range { start, end } = self.overlap(length);
        self.position += length;
        if start < end { self.inner.file(file, offset + start, end - start) } else { Ok(()) }
    }
}

/// A window that ends the writer.
struct Ending<'s> {
    window: Window<'s>,
    /// Whether it has refused a byte.
    refused: bool,
}

impl Ending<'_> {
    fn refuse(&mut self, length: u64) -> Result<(), SinkError> {
        self.refused |= length > 0 && self.window.is_over();
        if self.refused { Err(SinkError::Cancelled) } else { Ok(()) }
    }
}

impl Sink for Ending<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.refuse(data.len() as u64)?;
        self.window.bytes(data)
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        self.refuse(length)?;
        self.window.file(file, offset, length)
    }
}

//! Writes an archive, or a range of one, member by member.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use super::{BLOCK, Member, RECORD, block_padding, end_padding, pax};
use crate::sink::{Sink, SinkError, Window};

/// As many as the end of an archive may take.
static ZEROS: [u8; (RECORD + 2 * BLOCK) as usize] = [0; (RECORD + 2 * BLOCK) as usize];

/// Writes an archive to a sink. It holds a header at a time, never content.
pub struct Writer<'s> {
    window: Window<'s>,
    header: Vec<u8>,
}

impl<'s> Writer<'s> {
    /// Begins an archive.
    pub fn new(sink: &'s mut dyn Sink) -> Self {
        Self::range(sink, 0..u64::MAX, 0)
    }

    /// Continues an archive of which `position` bytes were written to the sink.
    pub fn resume(sink: &'s mut dyn Sink, position: u64) -> Self {
        Self { window: Window::new(sink, 0..u64::MAX, position), header: Vec::new() }
    }

    /// Begins a range of an archive, with the member whose header begins at `position`. Data outside of `wanted` is
    /// counted and not written.
    pub fn range(sink: &'s mut dyn Sink, wanted: Range<u64>, position: u64) -> Self {
        Self { window: Window::new(sink, wanted, position), header: Vec::with_capacity(4096) }
    }

    /// The position in the archive: bytes written until now, or counted.
    pub fn position(&self) -> u64 {
        self.window.position()
    }

    /// Whether any of the next `length` bytes is wanted.
    pub fn wants(&self, length: u64) -> bool {
        self.window.wants(length)
    }

    /// Whether all that is wanted is written.
    pub fn is_over(&self) -> bool {
        self.window.is_over()
    }

    /// Writes the member's header. If its size is not 0, one of the content verbs must follow.
    pub fn member(&mut self, member: &Member) -> Result<(), SinkError> {
        self.header.clear();
        pax::append(member, &mut self.header);
        self.window.bytes(&self.header)
    }

    /// Content from memory.
    pub fn bytes(&mut self, content: &[u8]) -> Result<(), SinkError> {
        self.content(content.len() as u64, |sink| sink.bytes(content))
    }

    /// Content from a file: its first `length` bytes.
    pub fn file(&mut self, file: BorrowedFd<'_>, length: u64) -> Result<(), SinkError> {
        self.content(length, |sink| sink.file(file, 0, length))
    }

    /// Content that `write` sends, which must be `length` bytes.
    pub fn content<E: From<SinkError>>(
        &mut self,
        length: u64,
        write: impl FnOnce(&mut dyn Sink) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&mut self.window)?;
        Ok(self.pad(length)?)
    }

    /// Where content goes that is written in pieces. [`Writer::pad`] must follow.
    pub fn sink(&mut self) -> &mut dyn Sink {
        &mut self.window
    }

    /// Ends content that was written to [`Writer::sink`]: `length` bytes.
    pub fn pad(&mut self, length: u64) -> Result<(), SinkError> {
        self.window.bytes(&ZEROS[..block_padding(length) as usize])
    }

    /// Content that is not written, only counted. The padding behind it is written.
    pub fn skip(&mut self, length: u64) -> Result<(), SinkError> {
        self.window.skip(length);
        self.pad(length)
    }

    /// Ends the archive and returns its length in bytes.
    pub fn finish(&mut self) -> Result<u64, SinkError> {
        let padding = end_padding(self.position());
        self.window.bytes(&ZEROS[..padding as usize])?;
        Ok(self.position())
    }
}

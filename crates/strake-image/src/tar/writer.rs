//! Writes a whole archive, member by member.

use std::os::fd::BorrowedFd;

use super::{BLOCK, Member, RECORD, block_padding, end_padding, pax};
use crate::sink::{Sink, SinkError};

/// As many as the end of an archive may take.
static ZEROS: [u8; (RECORD + 2 * BLOCK) as usize] = [0; (RECORD + 2 * BLOCK) as usize];

/// Writes an archive to a sink. It holds a header at a time, never content.
pub struct Writer<'s> {
    sink: &'s mut dyn Sink,
    header: Vec<u8>,
    position: u64,
}

impl<'s> Writer<'s> {
    /// Begins an archive.
    pub fn new(sink: &'s mut dyn Sink) -> Self {
        Self { sink, header: Vec::with_capacity(4096), position: 0 }
    }

    /// Goes on with an archive of which so many bytes were written to the sink.
    pub fn resume(sink: &'s mut dyn Sink, position: u64) -> Self {
        Self { sink, header: Vec::new(), position }
    }

    /// Bytes written until now.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Writes the member's header. If its size is not 0, one of the content verbs must follow.
    pub fn member(&mut self, member: &Member) -> Result<(), SinkError> {
        self.header.clear();
        pax::append(member, &mut self.header);
        self.position += self.header.len() as u64;
        self.sink.bytes(&self.header)
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
        write(self.sink)?;
        Ok(self.pad(length)?)
    }

    /// Where content goes that is written in pieces. [`Writer::pad`] must follow.
    pub fn sink(&mut self) -> &mut dyn Sink {
        self.sink
    }

    /// Ends content that was written to [`Writer::sink`]: `length` bytes.
    pub fn pad(&mut self, length: u64) -> Result<(), SinkError> {
        self.skip(length);
        self.sink.bytes(&ZEROS[..block_padding(length) as usize])
    }

    /// Content that is not written, only counted.
    pub fn skip(&mut self, length: u64) {
        self.position += length + block_padding(length);
    }

    /// Ends the archive and returns its length in bytes.
    pub fn finish(&mut self) -> Result<u64, SinkError> {
        let padding = end_padding(self.position);
        self.sink.bytes(&ZEROS[..padding as usize])?;
        Ok(self.position + padding)
    }
}

//! A sink that gives everything to several.

use std::os::fd::BorrowedFd;

use super::{Sink, SinkError};

/// A file goes to each sink in pieces of this many bytes, so that it is read once: the next sink finds the piece in
/// memory.
const PIECE: u64 = 16 * 1024 * 1024;

/// Gives what it takes to all of these, in turn.
pub struct Fan<'s>(pub Vec<&'s mut dyn Sink>);

impl Sink for Fan<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0.iter_mut().try_for_each(|sink| sink.bytes(data))
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut done = 0;
        while done < length {
            let piece = PIECE.min(length - done);
            self.0.iter_mut().try_for_each(|sink| sink.file(file, offset + done, piece))?;
            done += piece;
        }
        Ok(())
    }
}

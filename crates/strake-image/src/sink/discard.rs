//! A sink that takes everything and keeps nothing, for a stream of which only the length is wanted.

use std::os::fd::BorrowedFd;

use super::{Sink, SinkError};

/// Discards its input.
pub struct Discard;

impl Sink for Discard {
    fn bytes(&mut self, _data: &[u8]) -> Result<(), SinkError> {
        Ok(())
    }

    fn file(&mut self, _file: BorrowedFd<'_>, _offset: u64, _length: u64) -> Result<(), SinkError> {
        Ok(())
    }
}

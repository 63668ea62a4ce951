//! A sink that counts what goes through it.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Sink, SinkError};

/// So much of a file goes on at once, in bytes, so that the count moves.
const PIECE: u64 = 16 * 1024 * 1024;

/// Adds the bytes that it passes on to a count.
pub struct Counted<'s> {
    inner: &'s mut dyn Sink,
    count: &'s AtomicU64,
}

impl<'s> Counted<'s> {
    /// Passes on to `inner`.
    pub fn new(inner: &'s mut dyn Sink, count: &'s AtomicU64) -> Self {
        Self { inner, count }
    }
}

impl Sink for Counted<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.inner.bytes(data)?;
        self.count.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut done = 0;
        while done < length {
            let piece = PIECE.min(length - done);
            self.inner.file(file, offset + done, piece)?;
            self.count.fetch_add(piece, Ordering::Relaxed);
            done += piece;
        }
        Ok(())
    }
}

//! A sink that digests: hashing is writing to nowhere.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{BUFFER, Sink, SinkError, read_some};
use crate::digest::{Digest, Hasher};

/// Digests what it takes.
pub struct Digesting<'a> {
    hasher: Hasher,
    buffer: Vec<u8>,
    filled: usize,
    progress: &'a AtomicU64,
    cancelled: &'a AtomicBool,
}

impl<'a> Digesting<'a> {
    /// Adds what it has digested to `progress`, and stops soon after `cancelled` is set.
    pub fn new(progress: &'a AtomicU64, cancelled: &'a AtomicBool) -> Self {
        Self {
            hasher: Hasher::default(),
            buffer: vec![0; BUFFER],
            filled: 0,
            progress,
            cancelled,
        }
    }

    /// The digest of all bytes taken.
    pub fn finish(mut self) -> Result<Digest, SinkError> {
        self.flush()?;
        Ok(self.hasher.finish())
    }

    /// Small pieces wait in the buffer: the hash function runs at full speed only over many bytes at once.
    fn flush(&mut self) -> Result<(), SinkError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(SinkError::Cancelled);
        }
        self.hasher.update(&self.buffer[..self.filled]);
        self.progress.fetch_add(self.filled as u64, Ordering::Relaxed);
        self.filled = 0;
        Ok(())
    }
}

impl Sink for Digesting<'_> {
    fn bytes(&mut self, mut data: &[u8]) -> Result<(), SinkError> {
        while !data.is_empty() {
            if self.filled == BUFFER {
                self.flush()?;
            }
            let taken = data.len().min(BUFFER - self.filled);
            self.buffer[self.filled..self.filled + taken].copy_from_slice(&data[..taken]);
            self.filled += taken;
            data = &data[taken..];
        }
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut done = 0;
        while done < length {
            if self.filled == BUFFER {
                self.flush()?;
            }
            let room = (BUFFER - self.filled).min(usize::try_from(length - done).unwrap_or(usize::MAX));
            let room = &mut self.buffer[self.filled..self.filled + room];
            let got = read_some(file, offset + done, room, length - done)?;
            self.filled += got;
            done += got as u64;
        }
        Ok(())
    }
}

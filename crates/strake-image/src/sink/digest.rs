//! A sink that digests: hashing is writing to nowhere.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{BUFFER, Sink, SinkError, read_some};
use crate::digest::Digest;
use crate::sha256::{Lanes, Stream};

/// Digests what it takes.
pub struct Digesting<'a> {
    stream: Stream<'a>,
    /// Always of the same length, of which `filled` bytes count: no byte is cleared only to be overwritten.
    buffer: Vec<u8>,
    filled: usize,
    watch: Watch<'a>,
}

/// Connects a long piece of work with the code that waits for it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Counts the bytes done.
    pub progress: &'a AtomicU64,
    /// Set when the result is no longer wanted: the work stops soon.
    pub cancelled: &'a AtomicBool,
    /// Where streams that are hashed at the same time meet.
    pub lanes: &'a Lanes,
}

impl<'a> Digesting<'a> {
    /// Begins a digest.
    pub fn new(watch: Watch<'a>) -> Self {
        Self { stream: watch.lanes.begin(), buffer: vec![0; BUFFER], filled: 0, watch }
    }

    /// The digest of all bytes taken.
    pub fn finish(self) -> Digest {
        self.watch.progress.fetch_add(self.filled as u64, Ordering::Relaxed);
        self.stream.finish(&self.buffer[..self.filled])
    }

    /// Room for at most `wanted` bytes, and for one at least.
    ///
    /// Small pieces wait in the buffer: hashing runs at full speed only over many bytes at once.
    fn room(&mut self, wanted: u64) -> Result<&mut [u8], SinkError> {
        if self.filled == BUFFER {
            if self.watch.cancelled.load(Ordering::Relaxed) {
                return Err(SinkError::Cancelled);
            }
            self.stream.update(&mut self.buffer);
            self.watch.progress.fetch_add(BUFFER as u64, Ordering::Relaxed);
            self.filled = 0;
        }
        let room = &mut self.buffer[self.filled..];
        let length = room.len().min(usize::try_from(wanted).unwrap_or(usize::MAX));
        Ok(&mut room[..length])
    }
}

impl Sink for Digesting<'_> {
    fn bytes(&mut self, mut data: &[u8]) -> Result<(), SinkError> {
        while !data.is_empty() {
            let room = self.room(data.len() as u64)?;
            let (now, later) = data.split_at(room.len());
            room.copy_from_slice(now);
            self.filled += now.len();
            data = later;
        }
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut done = 0;
        while done < length {
            let got = read_some(file, offset + done, self.room(length - done)?, length - done)?;
            self.filled += got;
            done += got as u64;
        }
        Ok(())
    }
}

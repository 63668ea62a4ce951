//! A sink that compresses.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Crc;

use super::encode::{Block, header, trailer};
use super::pool::{OnItsWay, Pool};
use crate::descriptor::Descriptor;
use crate::sink::{Sink, SinkError, Tee, read_some};

/// Compresses what it takes into another sink, and digests what comes out.
///
/// Memory: a block that is being filled, and those on their way, of which a pool has only so many for all streams together.
/// Each stream may always have one of its own, so that streams never wait for one another.
pub struct Compressing<'a> {
    pool: &'a Pool,
    out: Tee<'a>,
    /// Bytes that came out.
    size: u64,
    /// Bytes that went in and are on their way or through.
    taken: u64,
    /// Their checksum, as far as they are through.
    crc: Crc,
    filling: Block,
    on_their_way: VecDeque<OnItsWay>,
    spare: Option<Block>,
    progress: &'a AtomicU64,
}

impl<'a> Compressing<'a> {
    /// Begins a stream into `inner`. Bytes that are compressed are added to `progress`.
    pub fn new(pool: &'a Pool, inner: &'a mut dyn Sink, progress: &'a AtomicU64) -> Result<Self, SinkError> {
        let mut stream = Self {
            pool,
            out: Tee::new(inner),
            size: 0,
            taken: 0,
            crc: Crc::new(),
            filling: Block::default(),
            on_their_way: VecDeque::new(),
            spare: None,
            progress,
        };
        stream.put(header(pool.compression()))?;
        Ok(stream)
    }

    /// Ends the stream. What came out is the blob.
    pub fn finish(mut self) -> Result<Descriptor, SinkError> {
        self.filling.last = true;
        self.send()?;
        while let Some(block) = self.on_their_way.pop_front() {
            self.bring(block)?;
        }
        let trailer = trailer(self.pool.compression(), &self.crc, self.taken);
        self.put(&trailer)?;
        let Self { pool, out, size, .. } = self;
        Ok(Descriptor::layer(out.finish(), size, Some(pool.compression().codec())))
    }

    /// Room for at most `wanted` bytes, and for one at least; and how much of the buffer is filled.
    ///
    /// A full block is sent only when there is more to come, so that the last is known to be.
    fn room(&mut self, wanted: u64) -> Result<usize, SinkError> {
        let block = self.pool.compression().method().block();
        if self.filling.input.len() - self.filling.context == block {
            self.send()?;
        }
        let room = block - (self.filling.input.len() - self.filling.context);
        Ok(room.min(usize::try_from(wanted).unwrap_or(usize::MAX)))
    }

    /// Has the block compressed that was filled, and begins the next one.
    fn send(&mut self) -> Result<(), SinkError> {
        while self.pool.is_full() {
            let Some(block) = self.on_their_way.pop_front() else { break };
            self.bring(block)?;
        }
        let mut next = self.spare.take().unwrap_or_default();
        let input = &self.filling.input;
        next.input.clear();
        next.input.extend_from_slice(
            &input[input.len().saturating_sub(self.pool.compression().method().context())..],
        );
        next.context = next.input.len();
        let full = std::mem::replace(&mut self.filling, next);
        self.taken += (full.input.len() - full.context) as u64;
        self.on_their_way.push_back(self.pool.send(full));
        Ok(())
    }

    /// Waits for a block and puts it out.
    fn bring(&mut self, block: OnItsWay) -> Result<(), SinkError> {
        let block = block.take().map_err(SinkError::Write)?;
        self.crc.combine(&block.crc);
        self.put(&block.output)?;
        self.progress.fetch_add((block.input.len() - block.context) as u64, Ordering::Relaxed);
        self.spare = Some(block);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.size += bytes.len() as u64;
        if bytes.is_empty() { Ok(()) } else { self.out.bytes(bytes) }
    }
}

impl Sink for Compressing<'_> {
    fn bytes(&mut self, mut data: &[u8]) -> Result<(), SinkError> {
        while !data.is_empty() {
            let (now, later) = data.split_at(self.room(data.len() as u64)?);
            self.filling.input.extend_from_slice(now);
            data = later;
        }
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut done = 0;
        while done < length {
            let room = self.room(length - done)?;
            let input = &mut self.filling.input;
            let start = input.len();
            input.resize(start + room, 0);
            let got = read_some(file, offset + done, &mut input[start..], length - done);
            input.truncate(start + got.as_ref().map_or(0, |got| *got));
            done += got? as u64;
        }
        Ok(())
    }
}

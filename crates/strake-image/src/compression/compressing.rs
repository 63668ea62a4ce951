//! A sink that compresses.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::encode::Block;
use super::pool::{OnItsWay, Pool};
use crate::descriptor::Descriptor;
use crate::sink::{Sink, SinkError, Tee, read_some};

/// Compresses what it takes into another sink, and digests what comes out.
///
/// Memory: a block that is being filled, and those on their way, of which a pool has a limited number for all streams together.
/// Each stream may always have one of its own, so that streams never wait for one another.
pub struct Compressing<'a> {
    pool: &'a Pool,
    out: Tee<'a>,
    /// Bytes that came out.
    size: u64,
    filling: Block,
    on_their_way: VecDeque<OnItsWay>,
    spare: Option<Block>,
    progress: &'a AtomicU64,
}

impl<'a> Compressing<'a> {
    /// Begins a stream into `inner`. Bytes that are compressed are added to `progress`.
    pub fn new(pool: &'a Pool, inner: &'a mut dyn Sink, progress: &'a AtomicU64) -> Self {
        Self {
            pool,
            out: Tee::new(inner),
            size: 0,
            filling: Block::default(),
            on_their_way: VecDeque::new(),
            spare: None,
            progress,
        }
    }

    /// Ends the stream. The output is the blob: at least one block, since an empty layer is a stream as well.
    pub fn finish(mut self) -> Result<Descriptor, SinkError> {
        self.send()?;
        while let Some(block) = self.on_their_way.pop_front() {
            self.bring(block)?;
        }
        let Self { pool, out, size, .. } = self;
        Ok(Descriptor::layer(out.finish(), size, Some(pool.compression().codec())))
    }

    /// Room for at most `wanted` bytes, and for one at least.
    ///
    /// A full block is sent only when there is more to come, so that no empty one follows it.
    fn room(&mut self, wanted: u64) -> Result<usize, SinkError> {
        let block = self.pool.compression().method().block();
        if self.filling.input.len() == block {
            self.send()?;
        }
        let room = block - self.filling.input.len();
        Ok(room.min(usize::try_from(wanted).unwrap_or(usize::MAX)))
    }

    /// Has the block compressed that was filled, and begins the next one.
    fn send(&mut self) -> Result<(), SinkError> {
        while self.pool.is_full() {
            let Some(block) = self.on_their_way.pop_front() else { break };
            self.bring(block)?;
        }
        let mut next = self.spare.take().unwrap_or_default();
        next.input.clear();
        let full = std::mem::replace(&mut self.filling, next);
        self.on_their_way.push_back(self.pool.send(full));
        Ok(())
    }

    /// Waits for a block and puts it out.
    fn bring(&mut self, block: OnItsWay) -> Result<(), SinkError> {
        let block = block.take().map_err(SinkError::Write)?;
        self.size += block.output.len() as u64;
        self.out.bytes(&block.output)?;
        self.progress.fetch_add(block.input.len() as u64, Ordering::Relaxed);
        self.spare = Some(block);
        Ok(())
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

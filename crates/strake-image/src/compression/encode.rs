//! Compresses a block.

use std::io;

use flate2::{Compress, Crc, FlushCompress, Status};
use zstd_safe::CParameter;

use super::setting::{Compression, Method};

/// RFC 1952: deflated, without a name, a time or an operating system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Up to this level zstd's tables are small enough. Above it they get these sizes, as powers of two, in place of up to four
/// times as much. That makes no layer larger by more than 0.1 % (bench/README.md).
const UNBOUNDED: i32 = 8;
const HASH_LOG: u32 = 20;
const CHAIN_LOG: u32 = 21;

/// A piece of a stream.
#[derive(Default)]
pub(super) struct Block {
    /// What stands in front of the content and may be referred to, and the content.
    pub(super) input: Vec<u8>,
    /// How much of that is not the content.
    pub(super) context: usize,
    /// Whether nothing comes behind it.
    pub(super) last: bool,
    /// What it was compressed to.
    pub(super) output: Vec<u8>,
    /// The content's checksum, where the format wants one.
    pub(super) crc: Crc,
}

impl Block {
    /// Sets the output and the checksum.
    ///
    /// Each block has an encoder of its own. One that is used again may write other bytes: zlib-rs at level 1 keeps
    /// something, and zstd at some levels "salts" its tables in place of clearing them.
    pub(super) fn encode(&mut self, compression: Compression) -> io::Result<()> {
        self.output.clear();
        match compression.method() {
            Method::Gzip => self.deflate(compression.level()),
            Method::Zstd => self.frame(compression.level().cast_signed()),
        }
    }

    fn deflate(&mut self, level: u32) -> io::Result<()> {
        let (before, content) = self.input.split_at(self.context);
        self.crc.reset();
        self.crc.update(content);
        let mut encoder = Compress::new(flate2::Compression::new(level), false);
        if !before.is_empty() {
            encoder.set_dictionary(before)?;
        }
        let flush = if self.last { FlushCompress::Finish } else { FlushCompress::Sync };
        self.output.reserve(content.len() + content.len() / 8 + 64);
        loop {
            let done = usize::try_from(encoder.total_in()).unwrap_or(usize::MAX);
            let status = encoder.compress_vec(&content[done..], &mut self.output, flush)?;
            // It is through when it has left room.
            if status == Status::StreamEnd || !self.last && self.output.len() < self.output.capacity() {
                return Ok(());
            }
            self.output.reserve(1024);
        }
    }

    fn frame(&mut self, level: i32) -> io::Result<()> {
        let content = &self.input[self.context..];
        let mut encoder = zstd::bulk::Compressor::new(level)?;
        if level > UNBOUNDED {
            encoder.set_parameter(CParameter::HashLog(HASH_LOG))?;
            encoder.set_parameter(CParameter::ChainLog(CHAIN_LOG))?;
        }
        self.output.reserve(zstd_safe::compress_bound(content.len()));
        encoder.compress_to_buffer(content, &mut self.output)?;
        Ok(())
    }
}

/// What stands in front of all blocks.
pub(super) fn header(compression: Compression) -> &'static [u8] {
    match compression.method() {
        Method::Gzip => &GZIP_HEADER,
        Method::Zstd => &[],
    }
}

/// What stands behind all blocks: `crc` is the checksum of `size` bytes.
pub(super) fn trailer(compression: Compression, crc: &Crc, size: u64) -> Vec<u8> {
    match compression.method() {
        // RFC 1952 wants the size only modulo 2^32.
        Method::Gzip => [crc.sum().to_le_bytes(), (size as u32).to_le_bytes()].concat(),
        Method::Zstd => Vec::new(),
    }
}

/// What an encoder takes beside its block, in bytes: at most, as measured.
pub(super) fn working_memory(compression: Compression) -> usize {
    const MIB: usize = 1024 * 1024;
    match (compression.method(), compression.level()) {
        (Method::Gzip, _) => MIB / 2,
        (Method::Zstd, ..=3) => 3 * MIB / 2,
        (Method::Zstd, ..=6) => 3 * MIB,
        (Method::Zstd, ..=12) => 6 * MIB,
        (Method::Zstd, _) => 14 * MIB,
    }
}

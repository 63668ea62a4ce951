//! Compresses a block.

use std::io;

use libdeflater::{CompressionLvl, Compressor};
use zstd_safe::CParameter;

use super::setting::{Compression, Method};

/// Up to this level zstd's tables are small enough. Above it they get these sizes, as powers of two, in place of up to four
/// times as much. That makes no layer larger by more than 0.1 % (bench/README.md).
const UNBOUNDED: i32 = 8;
const HASH_LOG: u32 = 20;
const CHAIN_LOG: u32 = 21;

/// A piece of a stream.
#[derive(Default)]
pub(super) struct Block {
    /// The content.
    pub(super) input: Vec<u8>,
    /// The compressed bytes: a gzip member or a zstd frame.
    pub(super) output: Vec<u8>,
}

impl Block {
    /// Sets the output.
    ///
    /// Each block has an encoder of its own. One that is used again may write other bytes: zstd at some levels "salts" its
    /// tables in place of clearing them.
    pub(super) fn encode(&mut self, compression: Compression) -> io::Result<()> {
        self.output.clear();
        match compression.method() {
            Method::Gzip => self.member(compression.level()),
            Method::Zstd => self.frame(compression.level().cast_signed()),
        }
    }

    /// RFC 1952: a member without a name, a time or an operating system.
    fn member(&mut self, level: u32) -> io::Result<()> {
        let level = CompressionLvl::new(level.cast_signed());
        let level = level.map_err(|_| io::Error::other("libdeflate has no such level"))?;
        let mut encoder = Compressor::new(level);
        self.output.resize(encoder.gzip_compress_bound(self.input.len()), 0);
        let length = encoder.gzip_compress(&self.input, &mut self.output).map_err(io::Error::other)?;
        self.output.truncate(length);
        Ok(())
    }

    fn frame(&mut self, level: i32) -> io::Result<()> {
        let mut encoder = zstd::bulk::Compressor::new(level)?;
        if level > UNBOUNDED {
            encoder.set_parameter(CParameter::HashLog(HASH_LOG))?;
            encoder.set_parameter(CParameter::ChainLog(CHAIN_LOG))?;
        }
        self.output.reserve(zstd_safe::compress_bound(self.input.len()));
        encoder.compress_to_buffer(&self.input, &mut self.output)?;
        Ok(())
    }
}

/// The maximum memory of an encoder beside its block, in bytes, as measured.
pub(super) fn working_memory(compression: Compression) -> usize {
    const MIB: usize = 1024 * 1024;
    match (compression.method(), compression.level()) {
        (Method::Gzip, ..=9) => MIB / 2,
        (Method::Gzip, _) => 9 * MIB,
        (Method::Zstd, ..=3) => 3 * MIB / 2,
        (Method::Zstd, ..=6) => 3 * MIB,
        (Method::Zstd, ..=12) => 6 * MIB,
        (Method::Zstd, _) => 14 * MIB,
    }
}

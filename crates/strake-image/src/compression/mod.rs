//! Compressed streams: read whatever others have made, and made so that many threads give the same bytes as one.
//!
//! A stream is cut into blocks of a fixed size, which are compressed on their own, by whichever thread of a [`Pool`] is
//! free, and put together again in order. So what comes out depends on the bytes that go in, the [`Compression`] and the
//! encoder's version, and on nothing else. How blocks become one stream:
//!
//! - gzip: a member for each block. A reader takes members one behind the other as one stream (RFC 1952, 2.2); all programs
//!   that read layers do, since layers in eStargz are such streams.
//! - zstd: a frame for each block, likewise (RFC 8878).

mod compressed_file;
mod compressing;
mod decode;
mod encode;
mod gzip;
mod pool;
mod setting;
mod zstd;

pub use compressed_file::{CompressedFile, FileDecoder};
pub use compressing::Compressing;
pub use decode::Decoder;
pub use pool::Pool;
pub use setting::{Compression, CompressionError};

use std::io;

/// Why a compressed stream is refused.
fn malformed(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

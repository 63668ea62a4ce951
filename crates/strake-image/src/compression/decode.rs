//! Decompression of what others have compressed, recognised by its first bytes.
//!
//! All four formats may be several streams one behind the other, as parallel compressors write them; all are read, to the end:
//! bytes behind them that are no stream are an error. Memory is bounded: a stream that asks for a larger window than
//! [`limits`](crate::limits) allows is refused.

use std::io::{self, BufRead, Read};

use super::gzip::GzipDecoder;
use super::malformed;
use super::zstd::ZstdDecoder;
use crate::codec::Codec;
use crate::limits::MAX_XZ;

impl Codec {
    /// Decompresses a stream.
    pub fn decoder<R: BufRead>(self, compressed: R) -> io::Result<Decoder<R>> {
        let streams = match self {
            Self::Gzip => Streams::Gzip(GzipDecoder::new(compressed)),
            Self::Bzip2 => Streams::Bzip2(bzip2::bufread::MultiBzDecoder::new(compressed)),
            Self::Xz => {
                // A checksum of an unknown kind would not be looked at.
                let flags = liblzma::stream::CONCATENATED | liblzma::stream::TELL_UNSUPPORTED_CHECK;
                let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ, flags)?;
                Streams::Xz(liblzma::bufread::XzDecoder::new_stream(compressed, stream))
            }
            Self::Zstd => Streams::Zstd(ZstdDecoder::new(compressed)?),
        };
        Ok(Decoder { streams, has_failed: false })
    }
}

/// A decompressor of any of the formats. After an error it gives nothing any more but errors.
pub struct Decoder<R: BufRead> {
    streams: Streams<R>,
    has_failed: bool,
}

enum Streams<R: BufRead> {
    Gzip(GzipDecoder<R>),
    Bzip2(bzip2::bufread::MultiBzDecoder<R>),
    Xz(liblzma::bufread::XzDecoder<R>),
    Zstd(ZstdDecoder<R>),
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_failed {
            return Err(malformed("the compressed stream is malformed"));
        }
        let got = match &mut self.streams {
            Streams::Gzip(decoder) => decoder.read(buffer),
            Streams::Bzip2(decoder) => decoder.read(buffer),
            Streams::Xz(decoder) => decoder.read(buffer),
            Streams::Zstd(decoder) => decoder.read(buffer),
        };
        let fails = |error: &io::Error| error.kind() != io::ErrorKind::Interrupted;
        self.has_failed = got.as_ref().err().is_some_and(fails);
        got
    }
}

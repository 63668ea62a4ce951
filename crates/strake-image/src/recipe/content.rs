//! A packed layer's tar archive as a stream: decompressed, and such that what is not wanted can be skipped.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::tarball::{Source, Tarball};
use crate::compression::Codec;
use crate::error::Error;

const BUFFER: usize = 256 * 1024;

/// The stream.
pub(crate) struct Content {
    bytes: Bytes,
    position: u64,
}

enum Bytes {
    /// A range of a file.
    Plain(Range),
    /// Whatever can only be read.
    Stream(Box<dyn Read>),
}

struct Range {
    file: File,
    offset: u64,
    left: u64,
}

impl Tarball {
    /// Opens the archive. Its digests are not looked at.
    pub(crate) fn content(&self) -> Result<Content, Error> {
        let codec = self.codec()?;
        let bytes = match &self.source {
            Source::File { offset, .. } => {
                Bytes::Plain(Range { file: self.open()?, offset: *offset, left: self.size })
            }
            Source::Compressed { file, offset, .. } => Bytes::Stream(Box::new(
                file.range(*offset, self.size).map_err(|error| self.read_error(error))?,
            )),
            Source::Elsewhere { .. } => return Err(self.absent()),
        };
        let bytes = match codec {
            None => bytes,
            Some(codec) => Bytes::Stream(decoder(codec, bytes).map_err(|error| self.read_error(error))?),
        };
        Ok(Content { bytes, position: 0 })
    }
}

fn decoder(codec: Codec, bytes: Bytes) -> io::Result<Box<dyn Read>> {
    let stream: Box<dyn Read> = match bytes {
        Bytes::Plain(range) => Box::new(range),
        Bytes::Stream(stream) => stream,
    };
    Ok(Box::new(codec.decoder(BufReader::with_capacity(BUFFER, stream))?))
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match &mut self.bytes {
            Bytes::Plain(range) => range.read(buffer)?,
            Bytes::Stream(stream) => stream.read(buffer)?,
        };
        self.position += got as u64;
        Ok(got)
    }
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Only forward, which is all that listing an archive takes.
impl Seek for Content {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Current(distance) = position else { return Err(io::ErrorKind::Unsupported.into()) };
        let distance = u64::try_from(distance).map_err(|_| io::ErrorKind::Unsupported)?;
        let skipped = match &mut self.bytes {
            Bytes::Plain(range) => {
                let skipped = distance.min(range.left);
                range.offset += skipped;
                range.left -= skipped;
                skipped
            }
            Bytes::Stream(stream) => io::copy(&mut stream.take(distance), &mut io::sink())?,
        };
        self.position += skipped;
        if skipped == distance { Ok(self.position) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

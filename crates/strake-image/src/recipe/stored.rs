//! A packed layer's bytes as they are stored, from an offset on, to be read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes of a packed layer. There are as many as its size says, or fewer, if what it is in is shorter.
pub(super) enum Stored<'a> {
    /// In a file. The file's own position is neither used nor moved.
    File {
        /// The file.
        file: File,
        /// Where the next byte is in it.
        offset: u64,
        /// Bytes that are still to come.
        left: u64,
    },
    /// Whatever can only be read.
    Stream(Box<dyn Read + 'a>),
}

impl Stored<'_> {
    /// Goes forward, without reading where that is possible, and at most to the end. Returns how far.
    pub(super) fn skip(&mut self, distance: u64) -> io::Result<u64> {
        match self {
            Self::File { offset, left, .. } => {
                let skipped = distance.min(*left);
                *offset += skipped;
                *left -= skipped;
                Ok(skipped)
            }
            Self::Stream(stream) => io::copy(&mut stream.take(distance), &mut io::sink()),
        }
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, offset, left } => {
                let most = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let got = file.read_at(&mut buffer[..most], *offset)?;
                *offset += got as u64;
                *left -= got as u64;
                Ok(got)
            }
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}

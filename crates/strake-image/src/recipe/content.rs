//! A packed layer's tar archive as a stream: decompressed, and such that what is not wanted can be skipped.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::tarball::{Source, Tarball};
use crate::codec::Codec;
use crate::digest::{Digest, Hasher};
use crate::error::Error;

const BUFFER: usize = 256 * 1024;

/// The stream.
pub(crate) struct TarContent<'a> {
    bytes: Bytes<'a>,
    position: u64,
    /// Whether only its end shows that it is what is said.
    is_checked: bool,
}

impl TarContent<'_> {
    /// Reads what is left, where that is needed to trust what was read.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.is_checked {
            io::copy(&mut self, &mut io::sink())?;
        }
        Ok(())
    }
}

enum Bytes<'a> {
    /// A range of a file.
    Plain(FileRange),
    /// Whatever can only be read.
    Stream(Box<dyn Read + 'a>),
}

/// Bytes that must have a digest.
struct Checked<'a> {
    bytes: Box<dyn Read + 'a>,
    left: u64,
    hasher: Hasher,
    expected: Digest,
}

struct FileRange {
    file: File,
    offset: u64,
    left: u64,
}

impl Tarball {
    /// Opens the archive. Where it is on another machine [`TarContent::end`] tells whether it was what is said; elsewhere its
    /// digest is not looked at.
    pub(crate) fn content(&self) -> Result<TarContent<'_>, Error> {
        let codec = self.codec()?;
        let bytes = match &self.source {
            Source::File { offset, .. } => {
                Bytes::Plain(FileRange { file: self.open()?, offset: *offset, left: self.size })
            }
            Source::Compressed { file, offset, .. } => Bytes::Stream(Box::new(
                file.range(*offset, self.size).map_err(|error| self.read_error(error))?,
            )),
            Source::Remote(remote) => {
                let bytes = remote.open().map_err(|error| self.read_error(error))?;
                let expected = self.digest.unwrap_or(self.diff_id);
                let hasher = Hasher::default();
                Bytes::Stream(Box::new(Checked { bytes, left: self.size, hasher, expected }))
            }
            Source::Elsewhere { .. } => return Err(self.absent()),
        };
        let bytes = match codec {
            None => bytes,
            Some(codec) => Bytes::Stream(decoder(codec, bytes).map_err(|error| self.read_error(error))?),
        };
        let is_checked = matches!(self.source, Source::Remote(_));
        Ok(TarContent { bytes, position: 0, is_checked })
    }
}

fn decoder(codec: Codec, bytes: Bytes<'_>) -> io::Result<Box<dyn Read + '_>> {
    let stream: Box<dyn Read + '_> = match bytes {
        Bytes::Plain(range) => Box::new(range),
        Bytes::Stream(stream) => stream,
    };
    Ok(Box::new(codec.decoder(BufReader::with_capacity(BUFFER, stream))?))
}

impl Read for TarContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match &mut self.bytes {
            Bytes::Plain(range) => range.read(buffer)?,
            Bytes::Stream(stream) => stream.read(buffer)?,
        };
        self.position += got as u64;
        Ok(got)
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let got = self.bytes.read(&mut buffer[..most])?;
        self.hasher.update(&buffer[..got]);
        self.left -= got as u64;
        match got {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if self.left == 0 && self.hasher.clone().finish() != self.expected => {
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is not {}", self.expected)))
            }
            got => Ok(got),
        }
    }
}

impl Read for FileRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Only forward, which is all that listing an archive takes.
impl Seek for TarContent<'_> {
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::tarball::Remote;
    use super::*;

    #[derive(Debug)]
    struct Elsewhere(Vec<u8>);

    impl Remote for Elsewhere {
        fn name(&self) -> &Path {
            Path::new("elsewhere")
        }

        fn repository(&self) -> (&str, &str) {
            ("elsewhere", "something")
        }

        fn open(&self) -> io::Result<Box<dyn Read + '_>> {
            Ok(Box::new(&self.0[..]))
        }
    }

    /// Reads the beginning of an archive on another machine, which is said to have this digest and size.
    fn check(bytes: &[u8], codec: Option<Codec>, digest: Digest, size: usize, right: bool) {
        let tarball = Tarball {
            source: Source::Remote(Arc::new(Elsewhere(bytes.to_vec()))),
            size: size as u64,
            diff_id: digest,
            digest: Some(digest),
            codec,
        };
        let mut content = tarball.content().unwrap();
        let mut start = [0; 10];
        let read = content.read_exact(&mut start).and_then(|()| content.seek(SeekFrom::Current(50)));
        let read = read.and_then(|position| content.end().map(|()| position));
        assert_eq!(read.ok(), right.then_some(60));
    }

    #[test]
    fn what_comes_from_elsewhere_is_what_was_said() {
        let plain = b"content ".repeat(1000);
        let packed = zstd::encode_all(&plain[..], 1).unwrap();
        for (bytes, codec) in [(&plain, None), (&packed, Some(Codec::Zstd))] {
            check(bytes, codec, Digest::of(bytes), bytes.len(), true);
            check(bytes, codec, Digest::of(b"other"), bytes.len(), false);
            check(&bytes[..bytes.len() - 1], codec, Digest::of(bytes), bytes.len(), false);
            check(bytes, codec, Digest::of(bytes), bytes.len() - 1, false);
            check(bytes, codec, Digest::of(bytes), bytes.len() + 1, false);
        }
    }
}

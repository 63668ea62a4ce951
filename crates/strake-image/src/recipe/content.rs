//! A packed layer's tar archive as a stream: decompressed, and such that what is not wanted can be skipped.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::stored::Stored;
use super::tarball::{Source, Tarball};
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::tar::TarReader;

const BUFFER: usize = 256 * 1024;

/// The stream.
pub(crate) struct TarContent<'a> {
    bytes: Stored<'a>,
    position: u64,
    /// Whether only its end shows that it is what is said.
    is_checked: bool,
}

impl TarContent<'_> {
    /// Reads the rest, where the digest of the whole must be checked.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.is_checked {
            io::copy(&mut self, &mut io::sink())?;
        }
        Ok(())
    }
}

/// Bytes that must have a digest.
struct Checked<'a> {
    bytes: Stored<'a>,
    left: u64,
    hasher: Hasher,
    expected: Digest,
}

impl Tarball {
    /// Opens the archive. If it is on another machine, [`TarContent::end`] checks its digest; otherwise its
    /// digest is not checked.
    pub(crate) fn content(&self) -> Result<TarContent<'_>, Error> {
        let codec = self.codec()?;
        let is_checked = matches!(self.source, Source::Remote(_));
        let mut bytes = self.stored(0)?;
        if is_checked {
            let (expected, hasher) = (self.digest.unwrap_or(self.diff_id), Hasher::default());
            bytes = Stored::Stream(Box::new(Checked { bytes, left: self.size, hasher, expected }));
        }
        if let Some(codec) = codec {
            let decoder = codec.decoder(BufReader::with_capacity(BUFFER, bytes));
            bytes = Stored::Stream(Box::new(decoder.map_err(|error| self.read_error(error))?));
        }
        Ok(TarContent { bytes, position: 0, is_checked })
    }
}

impl Tarball {
    /// Its members' changes to the files in which runtimes look users up, if it is a plain archive or was read already.
    pub(super) fn etc_changes(&self) -> Result<EtcChanges, Error> {
        let mut changes = EtcChanges::default();
        match &self.source {
            Source::Compressed { digests, .. } => changes = digests.etc().clone(),
            Source::File { .. } if self.is_layer && self.codec()?.is_none() => {
                let mut archive = TarReader::seeking(self.content()?);
                // A malformed one is found out by those who read all of it.
                while let Ok(Some(found)) = archive.next_member() {
                    changes.add(&found.member);
                }
            }
            Source::File { .. } | Source::Remote(_) | Source::Elsewhere { .. } => {}
        }
        Ok(changes)
    }
}

impl Read for TarContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.bytes.read(buffer)?;
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

/// Only forward, which is all that listing an archive takes.
impl Seek for TarContent<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Current(distance) = position else { return Err(io::ErrorKind::Unsupported.into()) };
        let distance = u64::try_from(distance).map_err(|_| io::ErrorKind::Unsupported)?;
        let skipped = self.bytes.skip(distance)?;
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
    use crate::codec::Codec;

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
            is_layer: true,
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

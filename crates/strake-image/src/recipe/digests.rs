//! The results of reading a packed layer: the digests of its bytes as they are and of what they decompress to, and whether
//! that is a tar archive.

use std::io::{self, BufReader, Read};
use std::path::Path;

use super::layer_archive;
use crate::codec::Codec;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::etc_changes::EtcChanges;

const BUFFER: usize = 256 * 1024;

/// The results of reading a packed layer from beginning to end.
#[derive(Debug)]
pub struct Digests {
    stored: Digest,
    /// How the bytes seem to be compressed.
    codec: Option<Codec>,
    /// The digest of the bytes decompressed, or why they cannot be.
    decompressed: io::Result<Digest>,
    /// Why that is no archive which can be unpacked. Nothing, too, if it was not looked at.
    archive: io::Result<()>,
    /// Its members' changes to the files in which runtimes look users up, as far as they were read.
    etc: EtcChanges,
}

/// How closely something packed is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Its bytes.
    Bytes,
    /// The decompressed bytes as well.
    Content,
    /// The members of the archive that this is, too.
    Members,
}

impl Digests {
    /// Reads a layer, or whatever it is, to its end.
    pub fn read(layer: &mut dyn Read, depth: Depth) -> io::Result<Self> {
        let mut stored = Hashing::new(layer);
        let mut start = Vec::new();
        stored.by_ref().take(8).read_to_end(&mut start)?;
        let codec = Codec::detect(&start).filter(|_| depth != Depth::Bytes);
        let whole = start.chain(&mut stored);
        let (mut archive, mut etc) = (Ok(()), EtcChanges::default());
        let decompressed = match codec {
            None => {
                archive = look(whole, depth, &mut etc);
                None
            }
            Some(codec) => Some(codec.decoder(BufReader::with_capacity(BUFFER, whole)).and_then(|decoder| {
                let mut decompressed = Hashing::new(decoder);
                archive = look(&mut decompressed, depth, &mut etc);
                decompressed.finish()
            })),
        };
        let stored = stored.finish()?;
        Ok(Self { stored, codec, decompressed: decompressed.unwrap_or(Ok(stored)), archive, etc })
    }

    /// The digest of the bytes as they are.
    pub fn stored(&self) -> Digest {
        self.stored
    }

    /// Its members' changes to the files in which runtimes look users up, if they were read.
    pub(crate) fn etc(&self) -> &EtcChanges {
        &self.etc
    }

    /// How the bytes seem to be compressed, going by their beginning.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// The diff id: the digest of what the bytes decompress to. `None` where they cannot be decompressed.
    pub(crate) fn diff_id(&self) -> Option<Digest> {
        self.decompressed.as_ref().ok().copied()
    }

    /// Fails unless the layer has this diff id, which is the digest of its archive, never of what that is compressed to. `path`
    /// is what the error calls it.
    pub(crate) fn check(&self, path: &Path, diff_id: Digest) -> Result<(), Error> {
        let path = path.to_owned();
        match &self.decompressed {
            Ok(found) if *found == diff_id => Ok(()),
            Ok(found) => Err(Error::DiffId { path, expected: diff_id, found: *found }),
            Err(error) => Err(Error::Decompress { path, source: again(error) }),
        }
    }

    /// Fails unless the layer is an archive that can be unpacked, as far as that was looked at.
    pub(crate) fn check_archive(&self, path: &Path) -> Result<(), Error> {
        let failed = |error| Error::Archive { path: path.to_owned(), source: again(error) };
        self.archive.as_ref().map_err(failed).copied()
    }
}

/// Looks at a layer's members, if that is asked for. It may stop in front of the layer's end.
fn look(layer: impl Read, depth: Depth, etc: &mut EtcChanges) -> io::Result<()> {
    match depth {
        Depth::Bytes | Depth::Content => Ok(()),
        Depth::Members => layer_archive::check(BufReader::with_capacity(BUFFER, layer), etc),
    }
}

/// The same error once more.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// Digests what is read through it.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    /// The first error, which all who read get from then on.
    failed: Option<io::Error>,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::default(), failed: None }
    }

    /// Reads what is left, and returns the digest of all bytes.
    fn finish(mut self) -> io::Result<Digest> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(self.hasher.finish()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(again(error));
        }
        let got = self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(again(error));
            }
        })?;
        self.hasher.update(&buffer[..got]);
        Ok(got)
    }
}

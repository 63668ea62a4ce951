//! The digests of a packed layer: of its bytes as they are, and of what they decompress to.

use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::codec::Codec;
use crate::digest::{Digest, Hasher};
use crate::error::Error;

const BUFFER: usize = 256 * 1024;

/// What reading a packed layer from beginning to end shows.
#[derive(Debug)]
pub struct Digests {
    stored: Digest,
    /// How the bytes seem to be compressed.
    codec: Option<Codec>,
    /// `None` where they are not.
    decompressed: Option<io::Result<Digest>>,
}

impl Digests {
    /// Reads a layer to its end.
    pub fn read(layer: &mut dyn Read) -> io::Result<Self> {
        let mut stored = Hashing { inner: layer, hasher: Hasher::default() };
        let mut start = Vec::new();
        stored.by_ref().take(8).read_to_end(&mut start)?;
        let codec = Codec::detect(&start);
        let decompressed = codec.map(|codec| {
            let whole = BufReader::with_capacity(BUFFER, start.chain(&mut stored));
            let mut decompressed = Hashing { inner: &mut codec.decoder(whole)?, hasher: Hasher::default() };
            read_all(&mut decompressed)?;
            Ok(decompressed.hasher.finish())
        });
        read_all(&mut stored)?;
        Ok(Self { stored: stored.hasher.finish(), codec, decompressed })
    }

    /// The digest of the bytes as they are.
    pub fn stored(&self) -> Digest {
        self.stored
    }

    /// How the bytes seem to be compressed, going by their beginning.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// The diff id: the digest of what the bytes decompress to. `None` where they cannot be decompressed.
    pub(crate) fn diff_id(&self) -> Option<Digest> {
        match &self.decompressed {
            None => Some(self.stored),
            Some(decompressed) => decompressed.as_ref().ok().copied(),
        }
    }

    /// Fails unless the layer has this diff id. `path` is what the error calls it.
    pub(crate) fn check(&self, path: &Path, diff_id: Digest) -> Result<(), Error> {
        let found = match &self.decompressed {
            Some(Ok(decompressed)) => *decompressed,
            Some(Err(error)) => {
                let source = io::Error::new(error.kind(), error.to_string());
                return Err(Error::Decompress { path: path.to_owned(), source });
            }
            None => self.stored,
        };
        if found == diff_id {
            Ok(())
        } else {
            Err(Error::DiffId { path: path.to_owned(), expected: diff_id, found })
        }
    }
}

/// Digests what is read through it.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..got]);
        Ok(got)
    }
}

fn read_all(reader: &mut impl Read) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

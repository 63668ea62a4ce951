//! The recipe for a layer that somebody has already packed: a customisation layer, or a layer of a base image.
//!
//! Its diff id was said by others, so before anything is promised the bytes are read and the claim is checked, and
//! that it held is cached like any other digest.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::digests::{Depth, Digests};
use super::stored::Stored;
use crate::cache::Key;
use crate::codec::Codec;
use crate::compression::CompressedFile;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::fingerprint::{self, FileSystems, Fingerprint};
use crate::kernel;
use crate::sink::{Sink, Watch};
use crate::survey::{Checkpoints, Survey};
use crate::tree::Listings;

const BUFFER: usize = 256 * 1024;

/// A layer's tar archive, which may itself be compressed, as a docker-archive allows; or any other blob of an image.
#[derive(Clone, Debug)]
pub struct Tarball {
    /// Where its bytes are.
    pub source: Source,
    /// Their number.
    pub size: u64,
    /// The digest that the uncompressed archive is said to have.
    pub diff_id: Digest,
    /// The digest that the bytes are said to have as they are, where that is said.
    pub digest: Option<Digest>,
    /// How they are said to be compressed. Only where the bytes are not here this counts.
    pub codec: Option<Codec>,
    /// Whether it is a layer. Otherwise its diff id is its digest, and nothing is ever decompressed.
    pub is_layer: bool,
}

/// Where a tarball's bytes are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In a file, from an offset on.
    File {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
    },
    /// In a compressed file. Such a file is read once from end to end to find what is in it, so these are not read again
    /// to check the claims.
    Compressed {
        /// The file.
        file: Arc<CompressedFile>,
        /// Where in its decompressed content, in bytes.
        offset: u64,
        /// The results of that pass.
        digests: Arc<Digests>,
    },
    /// On another machine. Its stated data is used until it is written, and compared with its digest then.
    Remote(Arc<dyn Remote>),
    /// Not here: in a sparse layout, or already at the destination. Its stated data is used, since it cannot be
    /// written.
    Elsewhere {
        /// Where it would be.
        path: PathBuf,
    },
}

/// A blob on another machine.
pub trait Remote: std::fmt::Debug + Send + Sync {
    /// The name in messages.
    fn name(&self) -> &Path;

    /// The registry and the repository that it is in.
    fn repository(&self) -> (&str, &str);

    /// Its bytes, from the beginning.
    fn open(&self) -> io::Result<Box<dyn Read + '_>>;

    /// Its bytes, from `offset` on. Unless the source supports ranges, it reads the bytes before.
    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let mut bytes = self.open()?;
        match io::copy(&mut bytes.by_ref().take(offset), &mut io::sink())? {
            skipped if skipped == offset => Ok(bytes),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Source {
    /// The file that they are in, or would be.
    pub fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } | Self::Elsewhere { path, .. } => path,
            Self::Compressed { file, .. } => file.path(),
            Self::Remote(remote) => remote.name(),
        }
    }
}

impl Tarball {
    pub(super) fn key(&self) -> Key {
        let offset = match &self.source {
            Source::File { offset, .. } | Source::Compressed { offset, .. } => *offset,
            Source::Remote(_) | Source::Elsewhere { .. } => u64::MAX,
        };
        let mut hasher = Hasher::default();
        hasher.update(b"tarball, version 3\0");
        hasher.update(&offset.to_le_bytes());
        hasher.update(&self.size.to_le_bytes());
        hasher.update(self.diff_id.as_bytes());
        hasher.update(self.source.path().as_os_str().as_bytes());
        Key::new(hasher.finish())
    }

    pub(super) fn survey(&self) -> Result<Survey, Error> {
        match self.source {
            Source::Remote(_) | Source::Elsewhere { .. } => Ok(self.unseen()),
            _ => self.survey_of(&self.open()?),
        }
    }

    /// Its bytes from `start` on, which is at most its size.
    pub(super) fn stored(&self, start: u64) -> Result<Stored<'_>, Error> {
        let left = self.size - start;
        let failed = |error| self.read_error(error);
        Ok(match &self.source {
            Source::File { offset, .. } => Stored::File { file: self.open()?, offset: offset + start, left },
            Source::Compressed { file, offset, .. } => {
                Stored::Stream(Box::new(file.range(offset + start, left).map_err(failed)?))
            }
            Source::Remote(remote) => {
                Stored::Stream(Box::new(remote.open_at(start).map_err(failed)?.take(left)))
            }
            Source::Elsewhere { .. } => return Err(self.absent()),
        })
    }

    /// The stated data of bytes that are not here.
    pub(super) fn believed(&self) -> Option<(Digest, Survey)> {
        let is_here = !matches!(self.source, Source::Remote(_) | Source::Elsewhere { .. });
        (!is_here).then(|| (self.digest.unwrap_or(self.diff_id), self.unseen()))
    }

    /// The digest of the bytes as they are; that they have the diff id is checked on the way.
    pub(super) fn digest(&self, watch: Watch<'_>, depth: Depth) -> Result<(Digest, Survey), Error> {
        let mut survey = self.survey()?;
        let found = match &self.source {
            Source::File { .. } | Source::Remote(_) => {
                let depth = if self.is_layer { depth } else { Depth::Bytes };
                let digests = Digests::read(&mut Watched { bytes: self.stored(0)?, watch }, depth);
                if watch.cancelled.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                let digests = digests.map_err(|error| self.read_error(error))?;
                survey.etc = digests.etc().clone();
                self.checked(&digests, depth)?
            }
            Source::Compressed { digests, .. } => {
                survey.etc = digests.etc().clone();
                self.checked(digests, depth)?
            }
            Source::Elsewhere { .. } => self.digest.unwrap_or(self.diff_id),
        };
        Ok((found, survey))
    }

    /// The digest of the bytes as they are, if they are what is said, as far as they were looked at.
    pub(crate) fn checked(&self, digests: &Digests, depth: Depth) -> Result<Digest, Error> {
        let (path, found) = (self.source.path(), digests.stored());
        let expected = if self.is_layer { self.digest } else { Some(self.diff_id) };
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(Error::Digest { path: path.to_owned(), expected, found });
        }
        if self.is_layer {
            digests.check(path, self.diff_id)?;
        }
        if self.is_layer && depth == Depth::Members {
            digests.check_archive(path)?;
        }
        Ok(found)
    }

    /// How the bytes are compressed, going by their beginning where they are here.
    pub fn codec(&self) -> Result<Option<Codec>, Error> {
        match &self.source {
            Source::Compressed { digests, .. } => Ok(digests.codec()),
            Source::Remote(_) | Source::Elsewhere { .. } => Ok(self.codec),
            Source::File { offset, .. } => {
                let mut start = [0; 8];
                let length = start.len().min(usize::try_from(self.size).unwrap_or(usize::MAX));
                let start = &mut start[..length];
                self.open()?.read_exact_at(start, *offset).map_err(|error| self.read_error(error))?;
                Ok(Codec::detect(start))
            }
        }
    }

    pub(crate) fn write(&self, seen: Option<&Survey>, sink: &mut dyn Sink) -> Result<(), Error> {
        self.write_range(seen, 0..self.size, sink)
    }

    /// Writes a range of the bytes, which lies in them. Where they are on another machine, only of the whole it is looked
    /// at whether it has the digest.
    pub(super) fn write_range(
        &self,
        seen: Option<&Survey>,
        range: Range<u64>,
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        let path = self.source.path();
        let file = match &self.source {
            Source::Elsewhere { .. } => return Err(self.absent()),
            Source::Remote(_) => return self.fetch(range, sink),
            _ => self.open()?,
        };
        let unchanged = |survey: Survey| {
            if seen.is_none_or(|seen| survey.fingerprint == seen.fingerprint) {
                Ok(())
            } else {
                Err(Error::Changed { path: path.to_owned() })
            }
        };
        unchanged(self.survey_of(&file)?)?;
        let length = range.end - range.start;
        let sent = match &self.source {
            Source::File { offset, .. } => sink.file(file.as_fd(), offset + range.start, length),
            Source::Compressed { file, offset, .. } => file.copy(offset + range.start, length, sink),
            Source::Remote(_) | Source::Elsewhere { .. } => return Err(self.absent()),
        };
        sent.map_err(|error| Error::from_sink(error, path))?;
        unchanged(self.survey_of(&file)?)
    }

    /// Writes what comes from another machine, and makes sure that the whole is what was said.
    fn fetch(&self, range: Range<u64>, sink: &mut dyn Sink) -> Result<(), Error> {
        let path = self.source.path();
        let mut left = range.end - range.start;
        let mut hasher = (left == self.size).then(Hasher::default);
        let (mut bytes, mut buffer) = (self.stored(range.start)?, vec![0; BUFFER]);
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match bytes.read(&mut buffer[..most]) {
                Ok(0) => return Err(Error::Changed { path: path.to_owned() }),
                Ok(got) => {
                    left -= got as u64;
                    if let Some(hasher) = &mut hasher {
                        hasher.update(&buffer[..got]);
                    }
                    sink.bytes(&buffer[..got])?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_error(error)),
            }
        }
        let expected = self.digest.unwrap_or(self.diff_id);
        match hasher.map(Hasher::finish).filter(|found| *found != expected) {
            Some(found) => Err(Error::Digest { path: path.to_owned(), expected, found }),
            None => Ok(()),
        }
    }

    pub(super) fn open(&self) -> Result<File, Error> {
        File::open(self.source.path()).map_err(|source| self.read_error(source))
    }

    fn survey_of(&self, file: &File) -> Result<Survey, Error> {
        let stat = rustix::fs::fstat(file).map_err(|error| self.read_error(error.into()))?;
        if let Source::File { path, offset } = &self.source
            && offset + self.size > stat.st_size.cast_unsigned()
        {
            return Err(Error::Changed { path: path.clone() });
        }
        let path = self.source.path().as_os_str().as_bytes();
        let look = || kernel::keeps_change_times(file.as_fd());
        let (fingerprint, settled_at) = FileSystems::default().fingerprint(path, &stat, look);
        Ok(Survey {
            size: self.size,
            fingerprint: Fingerprint(vec![fingerprint]),
            settled_at,
            checkpoints: Checkpoints::default(),
            listings: Listings::default(),
            etc: EtcChanges::default(),
        })
    }

    /// The known data of a tarball that is not here. It is never cached.
    fn unseen(&self) -> Survey {
        Survey {
            size: self.size,
            fingerprint: Fingerprint(Vec::new()),
            settled_at: fingerprint::never(),
            checkpoints: Checkpoints::default(),
            listings: Listings::default(),
            etc: EtcChanges::default(),
        }
    }

    pub(super) fn absent(&self) -> Error {
        let digest = self.digest.unwrap_or(self.diff_id);
        Error::Absent { path: self.source.path().to_owned(), digest }
    }

    pub(super) fn read_error(&self, source: io::Error) -> Error {
        Error::Read { path: self.source.path().to_owned(), source }
    }
}

/// Counts what it has read and ends in an error once it is cancelled.
struct Watched<'a> {
    bytes: Stored<'a>,
    watch: Watch<'a>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("cancelled"));
        }
        let got = self.bytes.read(buffer)?;
        self.watch.progress.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

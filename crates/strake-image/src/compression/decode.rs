//! Decompression of what others have compressed, recognised by its first bytes.
//!
//! All four formats may be several streams one behind the other, as parallel compressors write them; all are read.
//! Memory is bounded: a stream that asks for a larger window than [`limits`](crate::limits) allows is refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codec::Codec;
use crate::limits::{MAX_PASSES, MAX_WINDOW_LOG, MAX_XZ};
use crate::sink::{Sink, SinkError};

const BUFFER: usize = 256 * 1024;

impl Codec {
    /// Decompresses a stream.
    pub fn decoder<R: BufRead>(self, compressed: R) -> io::Result<Decoder<R>> {
        Ok(match self {
            Self::Gzip => Decoder::Gzip(flate2::bufread::MultiGzDecoder::new(compressed)),
            Self::Bzip2 => Decoder::Bzip2(bzip2::bufread::MultiBzDecoder::new(compressed)),
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ, flags)?;
                Decoder::Xz(liblzma::bufread::XzDecoder::new_stream(compressed, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Decoder::Zstd(decoder)
            }
        })
    }
}

/// A decompressor of any of the formats.
pub enum Decoder<R: BufRead> {
    /// See [`Codec::Gzip`].
    Gzip(flate2::bufread::MultiGzDecoder<R>),
    /// See [`Codec::Bzip2`].
    Bzip2(bzip2::bufread::MultiBzDecoder<R>),
    /// See [`Codec::Xz`].
    Xz(liblzma::bufread::XzDecoder<R>),
    /// See [`Codec::Zstd`].
    Zstd(zstd::stream::read::Decoder<'static, R>),
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// A compressed file of which ranges are wanted, as if it were not compressed.
///
/// Ranges in ascending order cost one pass over the file; a step back costs a new one, of which there are only so many: ranges in
/// reverse order would take as long as the square of their number. Nothing is kept on disk.
pub struct CompressedFile {
    path: PathBuf,
    codec: Codec,
    passes: AtomicU32,
    cursor: Mutex<Option<Cursor>>,
}

/// Decompresses a file from its beginning.
pub type FileDecoder = Decoder<BufReader<File>>;

/// A decompressor in the middle of its work.
struct Cursor {
    decoder: FileDecoder,
    position: u64,
}

impl CompressedFile {
    /// The file at `path`, which begins as `codec` does.
    pub fn new(path: PathBuf, codec: Codec) -> Self {
        Self { path, codec, passes: AtomicU32::new(0), cursor: Mutex::new(None) }
    }

    /// The file's place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Decompresses from the beginning, which is one pass.
    pub fn open(&self) -> io::Result<FileDecoder> {
        if self.passes.fetch_add(1, Ordering::Relaxed) >= MAX_PASSES {
            return Err(io::Error::other(
                "its layers stand in such an order that it takes more than 256 passes; decompress it first",
            ));
        }
        self.codec.decoder(BufReader::with_capacity(BUFFER, File::open(&self.path)?))
    }

    /// Sends `length` decompressed bytes from `offset` on.
    pub fn copy(&self, offset: u64, length: u64, sink: &mut dyn Sink) -> Result<(), SinkError> {
        // A cursor is taken out while it moves, so that a failure leaves none behind.
        let mut slot = self.cursor();
        let mut cursor = self.cursor_at(slot.take(), offset)?;
        cursor.advance(length, &mut vec![0; BUFFER], |data| sink.bytes(data))?;
        *slot = Some(cursor);
        Ok(())
    }

    /// `length` decompressed bytes from `offset` on, to be read.
    pub fn range(self: &Arc<Self>, offset: u64, length: u64) -> io::Result<DecodedRange> {
        let cursor = self.cursor().take();
        let cursor = self.cursor_at(cursor, offset).map_err(io::Error::other)?;
        Ok(DecodedRange { file: self.clone(), cursor: Some(cursor), left: length })
    }

    fn cursor(&self) -> MutexGuard<'_, Option<Cursor>> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a cursor, or a new one if that is behind.
    fn cursor_at(&self, cursor: Option<Cursor>, offset: u64) -> Result<Cursor, SinkError> {
        let mut cursor = match cursor {
            Some(cursor) if cursor.position <= offset => cursor,
            _ => Cursor { decoder: self.open().map_err(SinkError::Read)?, position: 0 },
        };
        cursor.advance(offset - cursor.position, &mut vec![0; BUFFER], |_| Ok(()))?;
        Ok(cursor)
    }
}

/// A range of a [`CompressedFile`]'s content.
pub struct DecodedRange {
    file: Arc<CompressedFile>,
    /// `None` after a failure.
    cursor: Option<Cursor>,
    left: u64,
}

impl Read for DecodedRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let mut cursor = self.cursor.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let got = cursor.decoder.read(&mut buffer[..want])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        cursor.position += got as u64;
        self.left -= got as u64;
        self.cursor = Some(cursor);
        Ok(got)
    }
}

/// What comes behind it can be read from here on.
impl Drop for DecodedRange {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            *self.file.cursor() = Some(cursor);
        }
    }
}

impl std::fmt::Debug for CompressedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressedFile")
            .field("path", &self.path)
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

impl Cursor {
    fn advance(
        &mut self,
        length: u64,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let end = self.position + length;
        while self.position < end {
            let want = buffer.len().min(usize::try_from(end - self.position).unwrap_or(usize::MAX));
            match self.decoder.read(&mut buffer[..want]) {
                Ok(0) => {
                    return Err(SinkError::Short { missing: end - self.position });
                }
                Ok(got) => {
                    take(&buffer[..got])?;
                    self.position += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SinkError::Read(error)),
            }
        }
        Ok(())
    }
}

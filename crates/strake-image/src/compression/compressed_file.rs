//! A compressed file of which ranges are wanted, as if it were not compressed.
//!
//! Reading it from the beginning again for each range that stands before the last one would take as long as the square of
//! their number. So the reader announces the ranges that it will read, in their order ([`CompressedFile::expect`]). In
//! the order in which they stand, they are read in passes from the beginning, with nothing put aside. In another order
//! one pass puts all of them into a file without a name, from which they are then read. That file takes as much room as the ranges
//! do, on a disk: they may be layers, which do not fit in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decode::Decoder;
use crate::codec::Codec;
use crate::limits::MAX_PASSES;
use crate::sink::{Sink, SinkError};
use crate::spool::Spool;

const BUFFER: usize = 256 * 1024;

/// The number of passes that may begin before ranges in file order are stored temporarily: one lists the archive, `export`
/// reads it twice. A reader in another order, as a registry that takes the largest first, needs no more either.
const STREAMED: u32 = 4;

/// A compressed file.
pub struct CompressedFile {
    path: PathBuf,
    codec: Codec,
    /// The directory for temporary files.
    aside: PathBuf,
    state: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    /// How often it has been decompressed from its beginning.
    passes: u32,
    /// The ranges that will be wanted by their beginnings: where they end, and how many will be wanted before.
    expected: BTreeMap<u64, (u64, usize)>,
    /// The beginning of the one that will be wanted last.
    last: u64,
    /// Whether they stand in another order.
    is_mixed: bool,
    /// Where the last read has ended.
    cursor: Option<Box<Cursor>>,
    /// Those of the ranges that were put aside, which were expected first, and how many.
    spool: Option<(Arc<Spool>, usize)>,
}

/// Decompresses a file from its beginning.
pub type FileDecoder = Decoder<BufReader<File>>;

/// A decompressor in the middle of its work.
struct Cursor {
    decoder: FileDecoder,
    position: u64,
}

/// Where a range is read from.
enum RangeSource {
    Cursor(Box<Cursor>),
    Spool(Arc<Spool>),
}

impl CompressedFile {
    /// The file at `path`, which begins as `codec` does. Data that must be stored temporarily goes into the directory `aside`.
    pub fn new(path: PathBuf, codec: Codec, aside: PathBuf) -> Self {
        Self { path, codec, aside, state: Mutex::default() }
    }

    /// The file's place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that this range will be wanted, as a whole or in parts, after those that were said to be before.
    pub fn expect(&self, range: Range<u64>) {
        let mut state = self.state();
        let count = state.expected.len();
        if !range.is_empty() && !state.expected.contains_key(&range.start) {
            state.is_mixed |= range.start < state.last;
            state.last = range.start;
            state.expected.insert(range.start, (range.end, count));
        }
    }

    /// Decompresses from the beginning, which is one pass.
    pub fn open(&self) -> io::Result<FileDecoder> {
        self.begin(&mut self.state())
    }

    /// Sends `length` decompressed bytes from `offset` on.
    pub fn copy(&self, offset: u64, length: u64, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let mut state = self.state();
        // A cursor is taken out while it moves, so that a failure leaves none behind.
        match self.place(&mut state, offset, length).map_err(SinkError::Read)? {
            RangeSource::Cursor(mut cursor) => {
                cursor.advance(length, |data| sink.bytes(data))?;
                state.cursor = Some(cursor);
                Ok(())
            }
            RangeSource::Spool(spool) => {
                drop(state);
                sink.file(spool.content(), offset, length)
            }
        }
    }

    /// `length` decompressed bytes from `offset` on, to be read.
    pub fn range(self: &Arc<Self>, offset: u64, length: u64) -> io::Result<DecodedRange> {
        let place = self.place(&mut self.state(), offset, length)?;
        Ok(DecodedRange { file: self.clone(), place: Some(place), position: offset, left: length })
    }

    fn state(&self) -> MutexGuard<'_, Reading> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, state: &mut Reading) -> io::Result<FileDecoder> {
        state.passes += 1;
        if state.passes > MAX_PASSES {
            return Err(io::Error::other(format!(
                "it takes more than {MAX_PASSES} passes; decompress it first"
            )));
        }
        self.codec.decoder(BufReader::with_capacity(BUFFER, File::open(&self.path)?))
    }

    /// Where a range is read from: at its beginning.
    fn place(&self, state: &mut Reading, offset: u64, length: u64) -> io::Result<RangeSource> {
        let expected = state.expected.range(..=offset).next_back();
        let expected = expected.filter(|(_, (end, _))| *end >= offset.saturating_add(length));
        let is_behind = state.cursor.as_ref().is_some_and(|cursor| cursor.position <= offset);
        if let Some((_, (_, number))) = expected {
            let spool = state.spool.as_ref().filter(|(_, count)| number < count);
            if let Some((spool, _)) = spool {
                return Ok(RangeSource::Spool(spool.clone()));
            }
            if state.is_mixed || !(is_behind || state.passes < STREAMED) {
                return Ok(RangeSource::Spool(self.put_aside(state)?));
            }
        }
        let mut cursor = match state.cursor.take() {
            Some(cursor) if is_behind => cursor,
            _ => Box::new(Cursor { decoder: self.begin(state)?, position: 0 }),
        };
        cursor.pass_over(offset)?;
        Ok(RangeSource::Cursor(cursor))
    }

    /// Puts all ranges aside that are expected.
    fn put_aside(&self, state: &mut Reading) -> io::Result<Arc<Spool>> {
        let (spool, done) = match &state.spool {
            Some((spool, done)) => (spool.clone(), *done),
            None => (Arc::new(Spool::new(&self.aside)?), 0),
        };
        let new = state.expected.iter().filter(|(_, (_, number))| *number >= done);
        let ranges: Vec<Range<u64>> = new.map(|(start, (end, _))| *start..*end).collect();
        let first = ranges.first().map_or(0, |range| range.start);
        let cursor = state.cursor.take().filter(|cursor| cursor.position <= first);
        let mut cursor = match cursor {
            Some(cursor) => cursor,
            None => Box::new(Cursor { decoder: self.begin(state)?, position: 0 }),
        };
        for range in ranges {
            cursor.pass_over(range.start)?;
            let mut offset = range.start;
            let put = cursor.advance(range.end - range.start, |data| {
                spool.put(data, offset).map_err(SinkError::Write)?;
                offset += data.len() as u64;
                Ok(())
            });
            put.map_err(read_error)?;
        }
        state.spool = Some((spool.clone(), state.expected.len()));
        Ok(spool)
    }
}

/// A range of a [`CompressedFile`]'s content.
pub struct DecodedRange {
    file: Arc<CompressedFile>,
    /// `None` after a failure.
    place: Option<RangeSource>,
    position: u64,
    left: u64,
}

impl Read for DecodedRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..want];
        let mut place = self.place.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let got = match &mut place {
            RangeSource::Cursor(cursor) => cursor.read(buffer),
            RangeSource::Spool(spool) => Ok(rustix::io::pread(spool.content(), buffer, self.position)?),
        };
        match got {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => {
                self.position += got as u64;
                self.left -= got as u64;
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) => {}
        }
        self.place = Some(place);
        got
    }
}

/// The stream continues behind it from here on.
impl Drop for DecodedRange {
    fn drop(&mut self) {
        if let Some(RangeSource::Cursor(cursor)) = self.place.take() {
            self.file.state().cursor = Some(cursor);
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
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.decoder.read(buffer)?;
        self.position += got as u64;
        Ok(got)
    }

    /// Moves forward to a position.
    fn pass_over(&mut self, position: u64) -> io::Result<()> {
        let distance = position.checked_sub(self.position).ok_or(io::ErrorKind::InvalidInput)?;
        self.advance(distance, |_| Ok(())).map_err(read_error)
    }

    fn advance(
        &mut self,
        length: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let mut buffer = vec![0; BUFFER];
        let end = self.position + length;
        while self.position < end {
            let want = buffer.len().min(usize::try_from(end - self.position).unwrap_or(usize::MAX));
            match self.read(&mut buffer[..want]) {
                Ok(0) => {
                    return Err(SinkError::Short { missing: end - self.position });
                }
                Ok(got) => take(&buffer[..got])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SinkError::Read(error)),
            }
        }
        Ok(())
    }
}

/// The error behind a sink's.
fn read_error(error: SinkError) -> io::Error {
    match error {
        SinkError::Read(error) | SinkError::Write(error) => error,
        SinkError::Short { .. } => io::ErrorKind::UnexpectedEof.into(),
        SinkError::Cancelled => io::Error::other("cancelled"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::sink::Discard;

    /// Reads ranges of ten bytes of a compressed file of 100, which are expected in one order and read in another, and returns how
    /// many passes that took and whether something was put aside.
    fn check(expected: &[u64], read: &[u64]) -> (u32, bool) {
        let place = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..100).collect();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&content).unwrap();
        let path = place.path().join("packed");
        fs::write(&path, encoder.finish().unwrap()).unwrap();
        let aside = place.path().join("aside");
        fs::create_dir(&aside).unwrap();
        let file = Arc::new(CompressedFile::new(path, Codec::Gzip, aside.clone()));
        for start in expected {
            file.expect(*start..start + 10);
        }
        for start in read {
            let mut found = Vec::new();
            file.range(*start, 10).unwrap().read_to_end(&mut found).unwrap();
            assert_eq!(found, content[*start as usize..][..10], "{expected:?} {read:?}");
        }
        assert_eq!(fs::read_dir(aside).unwrap().count(), 0);
        let state = file.state();
        (state.passes, state.spool.is_some())
    }

    #[test]
    fn few_passes_whatever_the_order() {
        let forward = [0, 10, 20, 30, 40, 50, 60, 70, 80];
        let mut backward = forward;
        backward.reverse();
        let twice = [forward, forward].concat();
        assert_eq!(check(&forward, &forward), (1, false));
        assert_eq!(check(&forward, &forward[3..]), (1, false));
        assert_eq!(check(&forward, &twice), (2, false));
        assert_eq!(check(&backward, &backward), (1, true));
        assert_eq!(check(&backward, &[backward, backward].concat()), (1, true));
        assert_eq!(check(&backward, &forward), (1, true));
        // Those that ask for another order than they have said.
        assert_eq!(check(&forward, &backward), (5, true));
        assert_eq!(check(&[10, 0, 10], &[10, 10, 0]), (1, true));
    }

    #[test]
    fn what_nobody_expects_takes_a_pass_each() {
        let starts: Vec<u64> = (0..16).rev().collect();
        assert_eq!(check(&[], &starts), (16, false));
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("packed");
        fs::write(&path, zstd::encode_all(&[7; 100][..], 1).unwrap()).unwrap();
        let file = CompressedFile::new(path, Codec::Zstd, place.path().to_owned());
        let copy = |start| file.copy(start, 10, &mut Discard);
        (0..16).rev().for_each(|start| copy(start).unwrap());
        assert!(matches!(copy(0), Err(SinkError::Read(error)) if error.to_string().contains("16 passes")));
    }
}

//! Sparse files: members of which only the parts are in the archive that are not zeros, with a map of them.
//!
//! Format: the GNU tar manual, "storing sparse files", which has three formats with extended records, and an old one with a kind of
//! its own, which neither Docker nor containerd unpack. strake unpacks none of them. Here it is made sure that a map in
//! extended records is one that Go's `archive/tar` takes.

use std::io::{self, Read};

use super::BLOCK;
use super::records::{self, Records, malformed, malformed_map};
use crate::limits::{MAX_EXTENDED, MAX_SPARSE};

/// Begins the keywords of all records about sparse files.
const PREFIX: &[u8] = b"GNU.sparse.";

/// The map of a file's parts, as far as it has been read.
struct SparseMap {
    /// The file's size, in bytes.
    size: u64,
    /// Where the last part ends in it.
    end: u64,
    /// Bytes of all parts.
    stored: u64,
    parts: usize,
}

impl SparseMap {
    fn new(size: u64) -> Self {
        Self { size, end: 0, stored: 0, parts: 0 }
    }

    /// Adds a part, which is behind those before it.
    fn add(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        let is_behind = offset >= self.end && self.parts < MAX_SPARSE;
        self.end = end.filter(|_| is_behind).ok_or_else(malformed_map)?;
        self.stored += length;
        self.parts += 1;
        Ok(())
    }

    /// Makes sure that there is as much content as the parts take.
    fn finish(&self, content: u64) -> io::Result<()> {
        if self.stored == content { Ok(()) } else { Err(malformed_map()) }
    }
}

/// Whether a member's records are about a sparse file.
pub(super) fn is_meant(records: &Records) -> bool {
    records.iter().any(|(keyword, _)| keyword.starts_with(PREFIX))
}

/// The name of a sparse file, which stands in its own record.
pub(crate) fn name(records: &Records) -> Option<Vec<u8>> {
    records::value(records, "GNU.sparse.name").map(<[u8]>::to_vec)
}

/// Holds the map of a file against the `size` bytes of content. Where it stands in front of the
/// parts, it is read from there.
pub(super) fn check(records: &Records, size: u64, content: &mut impl Read) -> io::Result<()> {
    let text = |keyword: &str| records::value(records, keyword);
    let is_in_content = match (text("GNU.sparse.major"), text("GNU.sparse.minor")) {
        (Some(b"1"), Some(b"0")) => true,
        (Some(b"0"), Some(b"0" | b"1")) => false,
        (None, None) if text("GNU.sparse.map").is_some() => false,
        // Go takes these for files that are not sparse, others do not.
        _ => return Err(malformed("a sparse file is in a format that is not known")),
    };
    let said =
        records::number(records, "GNU.sparse.size")?.or(records::number(records, "GNU.sparse.realsize")?);
    let mut map = SparseMap::new(said.unwrap_or(size));
    let mut taken = 0;
    if is_in_content {
        let mut numbers = Numbers { content, block: [0; BLOCK as usize], position: BLOCK as usize, taken: 0 };
        for _ in 0..numbers.next()? {
            map.add(numbers.next()?, numbers.next()?)?;
        }
        taken = numbers.taken;
    } else {
        let numbers = text("GNU.sparse.map").into_iter().flat_map(|map| map.split(|byte| *byte == b','));
        let numbers = numbers.map(number).collect::<Result<Vec<_>, _>>()?;
        let (parts, rest) = numbers.as_chunks::<2>();
        let count = records::number(records, "GNU.sparse.numblocks")?;
        if !rest.is_empty() || count != Some(parts.len() as u64) {
            return Err(malformed_map());
        }
        for [offset, length] in parts {
            map.add(*offset, *length)?;
        }
    }
    map.finish(size - taken)
}

fn number(text: &[u8]) -> io::Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    number.and_then(|number| u64::try_from(number).ok()).ok_or_else(malformed_map)
}

/// Decimal numbers at the beginning of a content, each with a line feed behind it, filled up to whole blocks.
struct Numbers<'c, R> {
    content: &'c mut R,
    block: [u8; BLOCK as usize],
    position: usize,
    taken: u64,
}

impl<R: Read> Numbers<'_, R> {
    fn next(&mut self) -> io::Result<u64> {
        /// Digits of the largest number.
        const DIGITS: usize = 20;
        let mut text = Vec::new();
        loop {
            if self.position == self.block.len() {
                self.taken += BLOCK;
                if self.taken > MAX_EXTENDED {
                    return Err(malformed_map());
                }
                self.content.read_exact(&mut self.block)?;
                self.position = 0;
            }
            let byte = self.block[self.position];
            self.position += 1;
            match byte {
                b'\n' => return number(&text),
                _ if text.len() == DIGITS => return Err(malformed_map()),
                _ => text.push(byte),
            }
        }
    }
}

//! Reads tar archives that others have made, member by member.
//!
//! They are read as Go's `archive/tar` reads them, by which Docker, containerd, podman, skopeo and umoci see them: an
//! archive that means one thing here and another there could hide something. So links, directories and FIFOs have no content
//! whatever size they are said to have, records win over fields, and what several readers understand in several ways
//! (two extended headers for a member, a zero block in front of another member) is refused.
//!
//! Memory is bounded by what one member's headers may take, and for those that keep members by what all may.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::records::{self, Records, malformed};
use super::{BLOCK, Kind, Member, block_padding, field, sparse};
use crate::limits::MAX_EXTENDED;

/// A sparse file in the old format.
const OLD_SPARSE: Kind = Kind(b'S');

/// Bytes behind the end are read in pieces of this size, in bytes.
const BUFFER: usize = 64 * 1024;

/// A tar archive as it is read.
pub(crate) struct TarReader<R> {
    inner: R,
    skip: fn(&mut R, u64) -> io::Result<()>,
    /// Bytes until here.
    position: u64,
    /// Bytes of the member's content that are still to be read.
    left: u64,
    /// Bytes behind it.
    padding: u64,
    /// Records that hold for all members from here on; `None`: they count for nothing.
    global: Option<Records>,
    /// The memory left for headers, in bytes.
    allowance: u64,
    /// Whether the two zero blocks have been read that end an archive.
    has_end: bool,
}

/// The metadata of an archive's next member.
pub(crate) struct TarMember {
    /// As it is to be said again.
    pub(crate) member: Member,
    /// Where its content begins.
    pub(crate) position: u64,
    /// Whether its content is a sparse file's, of which only the parts are there that are not zeros.
    pub(crate) is_sparse: bool,
}

/// The extended headers in front of a member's header.
#[derive(Default)]
struct Extended {
    records: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> TarReader<R> {
    /// An archive that can only be read on.
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            skip: read_over,
            position: 0,
            left: 0,
            padding: 0,
            global: None,
            allowance: u64::MAX,
            has_end: false,
        }
    }

    /// The maximum memory for all headers together, in bytes.
    pub(crate) fn with_allowance(self, allowance: u64) -> Self {
        Self { allowance, ..self }
    }

    /// Has global records hold for the members behind them, as Python and POSIX have it. Go passes over them, so those that would
    /// make members others are refused.
    pub(crate) fn with_global_records(self) -> Self {
        Self { global: Some(Records::new()), ..self }
    }

    /// The bytes behind the archive.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }

    /// The next member, or nothing at the end. The unread rest of the content before it is skipped.
    pub(crate) fn next_member(&mut self) -> io::Result<Option<TarMember>> {
        self.skip_content()?;
        let mut extended = Extended::default();
        loop {
            let Some(block) = self.header()? else {
                return match extended {
                    Extended { records: None, long_name: None, long_link: None } => Ok(None),
                    _ => Err(malformed("it ends behind an extended header")),
                };
            };
            let size = field::unsigned(&block[124..136])?;
            match block[156] {
                b'x' => {
                    let text = self.text(size)?;
                    let mut found = Records::new();
                    records::merge(&mut found, &text)?;
                    once(&mut extended.records, found)?;
                }
                b'g' => {
                    // Go forgets what stands in front of it.
                    if !matches!(extended, Extended { records: None, long_name: None, long_link: None }) {
                        return Err(malformed("a global header stands behind an extended one"));
                    }
                    let text = self.text(size)?;
                    self.global_records(&text)?;
                }
                b'L' => once(&mut extended.long_name, field::text(&self.text(size)?).to_vec())?,
                b'K' => once(&mut extended.long_link, field::text(&self.text(size)?).to_vec())?,
                _ => return self.member(&block, size, extended).map(Some),
            }
        }
    }

    /// Takes a global header. Records that do not count must be well-formed all the same.
    fn global_records(&mut self, text: &[u8]) -> io::Result<()> {
        let Some(global) = &mut self.global else { return records::merge(&mut Records::new(), text) };
        records::merge(global, text)?;
        let is_other = ["path", "linkpath", "size"].iter().any(|it| records::value(global, it).is_some());
        if is_other || sparse::is_meant(global) {
            return Err(malformed("a global header has a name, a link's target or a size"));
        }
        Ok(())
    }

    fn member(&mut self, block: &[u8; 512], size: u64, extended: Extended) -> io::Result<TarMember> {
        let mut all = self.global.clone().unwrap_or_default();
        for (keyword, value) in extended.records.unwrap_or_default() {
            match all.iter_mut().find(|(known, _)| *known == keyword) {
                Some((_, old)) => *old = value,
                None => all.push((keyword, value)),
            }
        }
        self.charge(all.iter().map(memory).sum())?;
        let value = |keyword: &str| records::value(&all, keyword).map(<[u8]>::to_vec);
        let long = |text: Option<Vec<u8>>| text.filter(|text| !text.is_empty());
        let (long_name, long_link) = (long(extended.long_name), long(extended.long_link));
        let overruled = [("path", long_name.is_some()), ("linkpath", long_link.is_some())];
        let name = long_name.or_else(|| value("path")).unwrap_or_else(|| field::name(block));
        let linkname = long_link.or_else(|| value("linkpath"));
        // Of a time before there were directories' flags.
        let kind = if block[156] == 0 && name.ends_with(b"/") { Kind::DIRECTORY } else { Kind(block[156]) };
        let owner = |keyword, range: std::ops::Range<usize>| {
            let has_owners = field::has_owners(block);
            let field = if has_owners { field::text(&block[range]).to_vec() } else { Vec::new() };
            value(keyword).unwrap_or(field)
        };
        if kind == OLD_SPARSE {
            // Its map goes on in blocks of its own.
            let mut more = block[482] != 0;
            while more {
                let mut map = [0; BLOCK as usize];
                self.inner.read_exact(&mut map)?;
                self.position += BLOCK;
                more = map[504] != 0;
            }
        }
        let number = |keyword, range: std::ops::Range<usize>| {
            let field = field::unsigned(&block[range]);
            Ok::<u64, io::Error>(records::number(&all, keyword)?.unwrap_or(field?))
        };
        for keyword in ["atime", "ctime"] {
            records::seconds(&all, keyword)?;
        }
        let size = records::number(&all, "size")?.unwrap_or(size);
        let size = if has_content(kind) { size } else { 0 };
        let member = Member {
            kind,
            mode: field::number(&block[100..108])?.cast_unsigned() as u32,
            uid: number("uid", 108..116)?,
            gid: number("gid", 116..124)?,
            size,
            mtime: records::seconds(&all, "mtime")?.unwrap_or(field::number(&block[136..148])?),
            linkname: linkname.unwrap_or_else(|| field::text(&block[157..257]).to_vec()),
            uname: owner("uname", 265..297),
            gname: owner("gname", 297..329),
            name: trimmed(name),
            records: records::counting(all, &overruled),
            xattrs: Vec::new(),
        };
        let end = self.position.checked_add(size).and_then(|end| end.checked_add(BLOCK));
        end.ok_or_else(|| malformed("a member is larger than any file"))?;
        (self.left, self.padding) = (size, block_padding(size));
        let is_sparse = kind == OLD_SPARSE || sparse::is_meant(&member.records);
        Ok(TarMember { member, position: self.position, is_sparse })
    }

    /// Makes sure that the member that came last, a sparse file, is one that can be unpacked.
    pub(crate) fn check_sparse(&mut self, member: &Member) -> io::Result<()> {
        if has_content(member.kind) {
            sparse::check(&member.records, member.size, self)
        } else {
            Err(malformed("a sparse file is no file"))
        }
    }

    /// The next header block, or nothing at the end.
    fn header(&mut self) -> io::Result<Option<[u8; 512]>> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block.iter().any(|byte| *byte != 0) {
            field::check(&block)?;
            return Ok(Some(block));
        }
        match self.block()? {
            Some(second) if second.iter().any(|byte| *byte != 0) => {
                Err(malformed("a zero block stands in front of a member"))
            }
            second => {
                self.has_end = second.is_some();
                Ok(None)
            }
        }
    }

    /// Bytes that were read or passed over.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Once there is no other member: reads what is left. Returns what is wrong with the archive's end, if anything is.
    pub(crate) fn end(&mut self) -> io::Result<Option<&'static str>> {
        let mut buffer = vec![0; BUFFER];
        let mut is_zero = true;
        loop {
            match self.inner.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => is_zero &= buffer[..got].iter().all(|byte| *byte == 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(match (self.has_end, is_zero) {
            (true, true) => None,
            (true, false) => Some("bytes stand behind its end"),
            (false, _) => Some("its end is missing, which is two blocks of zeros, so it may have been cut"),
        })
    }

    /// A block, or nothing where there is none left.
    fn block(&mut self) -> io::Result<Option<[u8; 512]>> {
        let (mut block, mut length) = ([0; BLOCK as usize], 0);
        while length < block.len() {
            match self.inner.read(&mut block[length..]) {
                Ok(0) if length == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => length += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += BLOCK;
        self.charge(BLOCK)?;
        Ok(Some(block))
    }

    /// The content of an extended header.
    fn text(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MAX_EXTENDED {
            return Err(malformed("its headers are larger than any image's: one is larger than 1 MiB"));
        }
        self.charge(size)?;
        (self.left, self.padding) = (size, block_padding(size));
        // Grows with what is there, not with what is said to be.
        let mut text = Vec::new();
        io::Read::take(&mut *self, size).read_to_end(&mut text)?;
        self.skip_content()?;
        Ok(text)
    }

    fn skip_content(&mut self) -> io::Result<()> {
        // The last member's padding may be missing.
        if self.left > 0 {
            (self.skip)(&mut self.inner, self.left)?;
        }
        let padding = io::copy(&mut (&mut self.inner).take(self.padding), &mut io::sink())?;
        self.position += self.left + padding;
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    fn charge(&mut self, bytes: u64) -> io::Result<()> {
        let left = self.allowance.checked_sub(bytes);
        self.allowance = left.ok_or_else(|| io::Error::other("its headers are larger than any image's"))?;
        Ok(())
    }
}

impl<R: BufRead> TarReader<R> {
    /// An archive in a buffer, of which content that is not wanted need not be copied.
    pub(crate) fn buffered(inner: R) -> Self {
        let skip = |inner: &mut R, mut distance: u64| {
            while distance > 0 {
                let there = match inner.fill_buf() {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    there => there?.len(),
                };
                let next = there.min(usize::try_from(distance).unwrap_or(usize::MAX));
                if next == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                inner.consume(next);
                distance -= next as u64;
            }
            Ok(())
        };
        Self { skip, ..Self::new(inner) }
    }
}

impl<R: Read + Seek> TarReader<R> {
    /// An archive of which content that is not wanted need not be read.
    pub(crate) fn seeking(inner: R) -> Self {
        let skip = |inner: &mut R, distance: u64| {
            let distance =
                i64::try_from(distance).map_err(|_| malformed("a member is larger than any file"))?;
            inner.seek(SeekFrom::Current(distance)).map(drop)
        };
        Self { skip, ..Self::new(inner) }
    }
}

/// The content of the member that came last.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let got = self.inner.read(&mut buffer[..most])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= got as u64;
        self.position += got as u64;
        Ok(got)
    }
}

/// Whether there is content behind the header of such a member.
fn has_content(kind: Kind) -> bool {
    !matches!(kind.0, b'1'..=b'6')
}

fn once<T>(slot: &mut Option<T>, value: T) -> io::Result<()> {
    if slot.replace(value).is_none() { Ok(()) } else { Err(twice()) }
}

fn twice() -> io::Error {
    malformed("two extended headers of a kind are for one member")
}

/// About what a record takes in memory, in bytes. Short ones take much more than they are long.
fn memory((keyword, value): &(Vec<u8>, Vec<u8>)) -> u64 {
    (128 + keyword.len() + value.len()) as u64
}

fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    while name.len() > 1 && name.ends_with(b"/") {
        name.pop();
    }
    name
}

fn read_over<R: Read>(inner: &mut R, distance: u64) -> io::Result<()> {
    let skipped = io::copy(&mut inner.take(distance), &mut io::sink())?;
    if skipped == distance { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

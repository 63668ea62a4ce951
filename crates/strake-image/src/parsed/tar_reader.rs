//! Reads tar archives that others have made, member by member.
//!
//! They are read as Go's `archive/tar` reads them, by which Docker, containerd, podman, skopeo and umoci see them: an
//! archive that means one thing here and another there could hide something. So links, directories and FIFOs have no content
//! whatever size they are said to have, records win over fields, and what several readers understand in several ways
//! (two extended headers for a member, a zero block in front of another member) is refused.
//!
//! Memory is bounded by what one member's headers may take, and for those that keep members by what all may.

use std::io::{self, Read, Seek, SeekFrom};

use super::records::{self, Records, malformed};
use crate::limits::MAX_EXTENDED;
use crate::tar::{BLOCK, Kind, Member, block_padding};

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
    /// What the headers may still take in memory, in bytes.
    allowance: u64,
}

/// What an archive says of its next member.
pub(crate) struct TarMember {
    /// As it is to be said again.
    pub(crate) member: Member,
    /// Where its content begins.
    pub(crate) position: u64,
    /// Whether its content is a sparse file's, of which only the parts are there that are not zeros.
    pub(crate) is_sparse: bool,
}

/// What stood in front of a member's header.
#[derive(Default)]
struct Extended {
    records: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: Read> TarReader<R> {
    /// An archive that can only be read on.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, skip: read_over, position: 0, left: 0, padding: 0, global: None, allowance: u64::MAX }
    }

    /// What all headers together may take in memory, in bytes.
    pub(super) fn with_allowance(self, allowance: u64) -> Self {
        Self { allowance, ..self }
    }

    /// Has global records hold for the members behind them, as Python and POSIX have it. Go passes over them.
    pub(super) fn with_global_records(self) -> Self {
        Self { global: Some(Records::new()), ..self }
    }

    /// What is behind the archive.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }

    /// The next member, or nothing at the end. What was not read of the content before it is passed over.
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
                b'g' if extended.records.is_some() => return Err(twice()),
                b'g' => {
                    let text = self.text(size)?;
                    // Records that do not count must be well-formed all the same.
                    records::merge(self.global.as_mut().unwrap_or(&mut Records::new()), &text)?;
                }
                b'L' => once(&mut extended.long_name, field::text(&self.text(size)?).to_vec())?,
                b'K' => once(&mut extended.long_link, field::text(&self.text(size)?).to_vec())?,
                _ => return self.member(&block, size, extended).map(Some),
            }
        }
    }

    fn member(&mut self, block: &[u8; 512], size: u64, extended: Extended) -> io::Result<TarMember> {
        let mut all = self.global.clone().unwrap_or_default();
        self.charge(length(&all))?;
        for (keyword, value) in extended.records.unwrap_or_default() {
            match all.iter_mut().find(|(known, _)| *known == keyword) {
                Some((_, old)) => *old = value,
                None => all.push((keyword, value)),
            }
        }
        let value = |keyword: &str| records::value(&all, keyword).map(<[u8]>::to_vec);
        let name = extended.long_name.or_else(|| value("path")).unwrap_or_else(|| field::name(block));
        let linkname = extended.long_link.or_else(|| value("linkpath"));
        // Of a time before there were directories' flags.
        let kind = if block[156] == 0 && name.ends_with(b"/") { Kind::DIRECTORY } else { Kind(block[156]) };
        let has_owners = field::is_ustar(block) || field::is_gnu(block);
        let owner = |keyword, range: std::ops::Range<usize>| {
            let field = if has_owners { field::text(&block[range]).to_vec() } else { Vec::new() };
            value(keyword).unwrap_or(field)
        };
        if has_owners {
            field::number(&block[329..337])?;
            field::number(&block[337..345])?;
        }
        let is_sparse =
            kind == Kind(b'S') || all.iter().any(|(keyword, _)| keyword.starts_with(b"GNU.sparse."));
        if kind == Kind(b'S') {
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
        let size = if has_content(kind) { records::number(&all, "size")?.unwrap_or(size) } else { 0 };
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
            records: all,
            xattrs: Vec::new(),
        };
        let end = self.position.checked_add(size).and_then(|end| end.checked_add(BLOCK));
        end.ok_or_else(|| malformed("a member is larger than any file"))?;
        (self.left, self.padding) = (size, block_padding(size));
        Ok(TarMember { member, position: self.position, is_sparse })
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
            _ => Ok(None),
        }
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

fn length(records: &Records) -> u64 {
    records.iter().map(|(keyword, value)| (keyword.len() + value.len()) as u64).sum()
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

/// Fields of a header block.
mod field {
    use std::io;

    use super::malformed;

    /// Makes sure that the block is a header. Old programs have summed up signed bytes.
    pub(super) fn check(block: &[u8; 512]) -> io::Result<()> {
        let bytes = || block[..148].iter().chain(&[b' '; 8]).chain(&block[156..]);
        let unsigned: i64 = bytes().map(|byte| i64::from(*byte)).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        let said = octal(&block[148..156])?;
        let right = said == unsigned || said == signed;
        if right { Ok(()) } else { Err(malformed("a header's checksum is wrong")) }
    }

    /// Until the first zero byte.
    pub(super) fn text(field: &[u8]) -> &[u8] {
        field.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    pub(super) fn is_ustar(block: &[u8; 512]) -> bool {
        block[257..263] == *b"ustar\0"
    }

    pub(super) fn is_gnu(block: &[u8; 512]) -> bool {
        block[257..265] == *b"ustar  \0"
    }

    /// The name with what stands in front of it.
    pub(super) fn name(block: &[u8; 512]) -> Vec<u8> {
        let is_star = block[508..512] == *b"tar\0";
        let prefix = match is_ustar(block) {
            true if is_star => text(&block[345..476]),
            true => text(&block[345..500]),
            false => b"",
        };
        let name = text(&block[..100]);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// A number in octal or, where its first bit is set, in two's complement.
    pub(super) fn number(field: &[u8]) -> io::Result<i64> {
        if field[0] & 0x80 == 0 {
            return octal(field);
        }
        let is_negative = field[0] & 0x40 != 0;
        let inverted = if is_negative { 0xff } else { 0 };
        let mut number: u64 = 0;
        for (place, byte) in field.iter().enumerate() {
            let byte = (byte ^ inverted) & if place == 0 { 0x7f } else { 0xff };
            if number >> 56 > 0 {
                return Err(too_large());
            }
            number = number << 8 | u64::from(byte);
        }
        let number = i64::try_from(number).map_err(|_| too_large())?;
        Ok(if is_negative { !number } else { number })
    }

    /// A number that cannot be below 0.
    pub(super) fn unsigned(field: &[u8]) -> io::Result<u64> {
        u64::try_from(number(field)?).map_err(|_| malformed("a header has a negative number"))
    }

    fn octal(field: &[u8]) -> io::Result<i64> {
        let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
        let Some(start) = field.iter().position(|byte| !is_padding(byte)) else { return Ok(0) };
        let end = field.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
        let digits = text(&field[start..end]);
        let is_octal = !digits.is_empty() && digits.iter().all(|byte| matches!(byte, b'0'..=b'7'));
        let number = std::str::from_utf8(digits).ok().filter(|_| is_octal);
        let number = number.and_then(|digits| i64::from_str_radix(digits, 8).ok());
        number.ok_or_else(|| malformed("a header has a field that is not the number it should be"))
    }

    fn too_large() -> io::Error {
        malformed("a header has a number that is too large")
    }
}

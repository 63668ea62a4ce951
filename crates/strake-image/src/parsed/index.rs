//! The members of an archive and their positions.
//!
//! The archive is anybody's, so memory is bounded whatever it claims: all headers together may take
//! a limited amount, and content is kept only of members that look like JSON, up to a limit for all of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::error::OpenError;
use super::member_name::MemberName;
use crate::compression::CompressedFile;
use crate::limits::{MAX_HEADERS, MAX_JSON, MAX_NAME, MAX_TRAILING};
use crate::recipe::{Depth, Digests};
use crate::tar::{Kind, Member, TarMember, TarReader};

/// The maximum size of all members that may be JSON needed later, together, in bytes.
const MAX_KEPT: u64 = MAX_JSON;

/// One member of an archive.
#[derive(Debug)]
pub(super) struct FoundMember {
    pub(super) member: Member,
    /// Where its content begins.
    pub(super) position: u64,
    /// The results of reading it, where all content had to be read anyway.
    pub(super) digests: Option<Arc<Digests>>,
    /// Its content, where it may be JSON and was read.
    pub(super) content: Option<Vec<u8>>,
    /// Whether its name begins with a slash, so that only some programs find it.
    pub(super) is_absolute: bool,
    /// Other members of the same name.
    pub(super) others: Vec<OtherMember>,
}

/// The data that decides whether two members of one name are equal.
#[derive(Debug)]
pub(super) struct OtherMember {
    pub(super) kind: Kind,
    pub(super) linkname: Vec<u8>,
    pub(super) size: u64,
    pub(super) position: u64,
    pub(super) digests: Option<Arc<Digests>>,
}

impl From<FoundMember> for OtherMember {
    fn from(FoundMember { member, position, digests, .. }: FoundMember) -> Self {
        Self { kind: member.kind, linkname: member.linkname, size: member.size, position, digests }
    }
}

/// An archive's members by name; of several with one name the last counts, as it does when they are unpacked.
#[derive(Debug, Default)]
pub(super) struct MemberIndex {
    pub(super) members: BTreeMap<String, FoundMember>,
    /// The beginnings of names that lead out of the archive.
    pub(super) outside: Vec<String>,
    /// The beginnings of names of members that are neither file, link, directory, device nor FIFO.
    pub(super) unknown: Vec<String>,
    /// The defect of its end.
    pub(super) flaw: Option<&'static str>,
}

impl MemberIndex {
    /// Lists a plain archive. Only headers are read.
    pub(super) fn of_plain(file: &File) -> Result<Self, OpenError> {
        let length = file.metadata().map_err(OpenError::Read)?.len();
        let mut reader = TarReader::seeking(file).with_global_records().with_allowance(MAX_HEADERS);
        let mut index = Self::list(&mut reader, |_, found| {
            let end = found.position.checked_add(found.member.size);
            if end.is_none_or(|end| end > length) { Err(OpenError::Truncated) } else { Ok((None, None)) }
        })?;
        index.flaw = if length.saturating_sub(reader.position()) > MAX_TRAILING {
            Some("more than 16 MiB stand behind its end")
        } else {
            reader.end().map_err(OpenError::Read)?
        };
        Ok(index)
    }

    /// Lists a compressed archive. All of it is read, so the digests are taken as well.
    pub(super) fn of_compressed(file: &CompressedFile) -> Result<Self, OpenError> {
        let decoder = file.open().map_err(OpenError::Read)?;
        let mut reader = TarReader::new(decoder).with_global_records().with_allowance(MAX_HEADERS);
        let mut kept = 0;
        let mut index = Self::list(&mut reader, |content, found| {
            read(content, found.member.size, &mut kept).map_err(OpenError::Tar)
        })?;
        index.flaw = reader.end().map_err(OpenError::Tar)?;
        Ok(index)
    }

    fn list<R: Read>(
        reader: &mut TarReader<R>,
        mut look: impl FnMut(&mut dyn Read, &TarMember) -> Result<Seen, OpenError>,
    ) -> Result<Self, OpenError> {
        let mut index = Self::default();
        while let Some(found) = reader.next_member().map_err(OpenError::Tar)? {
            if found.is_sparse {
                let sparse =
                    io::Error::new(io::ErrorKind::Unsupported, "it has a sparse file, which is in no image");
                return Err(OpenError::Tar(sparse));
            }
            let (digests, content) = look(reader, &found)?;
            let TarMember { member, position, .. } = found;
            // All of a name could fill the screen.
            let shown =
                || String::from_utf8_lossy(&member.name[..member.name.len().min(MAX_NAME)]).into_owned();
            if !matches!(member.kind.0, 0 | b'0'..=b'6') {
                index.unknown.push(shown());
            }
            match MemberName::of(&member.name) {
                MemberName::Inside { path, is_absolute } => {
                    let others = Vec::new();
                    let found = FoundMember { member, position, digests, content, is_absolute, others };
                    index.insert(path, found);
                }
                // manifest.json can only name members whose names are text.
                MemberName::Binary => {}
                MemberName::Outside => index.outside.push(shown()),
            }
        }
        Ok(index)
    }

    fn insert(&mut self, path: String, found: FoundMember) {
        match self.members.entry(path) {
            Entry::Vacant(vacant) => drop(vacant.insert(found)),
            Entry::Occupied(mut there) if there.get().is_absolute || !found.is_absolute => {
                let mut earlier = there.insert(found);
                let now = there.get_mut();
                now.others = std::mem::take(&mut earlier.others);
                now.others.push(earlier.into());
            }
            Entry::Occupied(mut there) => there.get_mut().others.push(found.into()),
        }
    }
}

/// The results of reading a member's content.
type Seen = (Option<Arc<Digests>>, Option<Vec<u8>>);

/// Reads a member's content, and keeps it if it may be wanted again. `kept` counts that.
fn read(mut content: &mut dyn Read, size: u64, kept: &mut u64) -> io::Result<Seen> {
    let mut start = Vec::new();
    (&mut content).take(1).read_to_end(&mut start)?;
    let may_be_json = matches!(start[..], [b'{' | b'[']);
    if !may_be_json || size > MAX_KEPT - *kept {
        let digests = Digests::read(&mut start.chain(content), Depth::Members)?;
        return Ok((Some(Arc::new(digests)), None));
    }
    let mut text = start;
    content.read_to_end(&mut text)?;
    *kept += text.len() as u64;
    let digests = Digests::read(&mut text.as_slice(), Depth::Members)?;
    Ok((Some(Arc::new(digests)), Some(text)))
}

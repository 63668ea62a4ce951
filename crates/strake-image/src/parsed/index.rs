//! What is in an archive, and where.
//!
//! The archive is anybody's, so memory is bounded whatever it claims: all headers together may take
//! just so much, and content is kept only of small members that look like JSON.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::error::OpenError;
use super::tar_reader::{TarMember, TarReader};
use crate::compression::CompressedFile;
use crate::limits::MAX_HEADERS;
use crate::recipe::Digests;
use crate::tar::Member;

/// A member up to this size may be JSON that is wanted later, in bytes.
const SMALL: u64 = 1024 * 1024;

/// What all such members together may take, in bytes.
const MAX_SMALL: u64 = 8 * 1024 * 1024;

/// One member of an archive.
#[derive(Debug)]
pub(super) struct FoundMember {
    pub(super) member: Member,
    /// Where its content begins.
    pub(super) position: u64,
    /// Its digests, where all content had to be read anyway.
    pub(super) digests: Option<Arc<Digests>>,
    /// Its content, where it is small and was read.
    pub(super) content: Option<Vec<u8>>,
}

/// An archive's members by name; of several with one name the last counts, as it does when they are unpacked.
pub(super) type MemberIndex = HashMap<String, FoundMember>;

/// Lists a plain archive. Only headers are read.
pub(super) fn plain(file: &File) -> Result<MemberIndex, OpenError> {
    let length = file.metadata().map_err(OpenError::Read)?.len();
    list(TarReader::seeking(file), |_, found| {
        let end = found.position.checked_add(found.member.size);
        if end.is_none_or(|end| end > length) { Err(OpenError::Truncated) } else { Ok((None, None)) }
    })
}

/// Lists a compressed archive. All of it is read, so the digests are taken as well.
pub(super) fn compressed(file: &CompressedFile) -> Result<MemberIndex, OpenError> {
    let decoder = file.open().map_err(OpenError::Read)?;
    let mut kept = 0;
    list(TarReader::new(decoder), |content, found| {
        read(content, found.member.size, &mut kept).map_err(OpenError::Tar)
    })
}

/// What reading a member's content shows.
type Seen = (Option<Arc<Digests>>, Option<Vec<u8>>);

/// Reads a member's content, and keeps it if it may be wanted again. `kept` counts that.
fn read(content: &mut dyn Read, size: u64, kept: &mut u64) -> io::Result<Seen> {
    if size > SMALL.min(MAX_SMALL - *kept) {
        return Ok((Some(Arc::new(Digests::read(content)?)), None));
    }
    let mut text = Vec::new();
    content.read_to_end(&mut text)?;
    let digests = Digests::read(&mut text.as_slice())?;
    let json = text.starts_with(b"{") || text.starts_with(b"[");
    *kept += if json { text.len() as u64 } else { 0 };
    Ok((Some(Arc::new(digests)), json.then_some(text)))
}

fn list<R: Read>(
    reader: TarReader<R>,
    mut look: impl FnMut(&mut dyn Read, &TarMember) -> Result<Seen, OpenError>,
) -> Result<MemberIndex, OpenError> {
    let mut reader = reader.with_global_records().with_allowance(MAX_HEADERS);
    let mut index = MemberIndex::new();
    while let Some(found) = reader.next_member().map_err(OpenError::Tar)? {
        if found.is_sparse {
            let sparse =
                io::Error::new(io::ErrorKind::Unsupported, "it has a sparse file, which is in no image");
            return Err(OpenError::Tar(sparse));
        }
        let (digests, content) = look(&mut reader, &found)?;
        let TarMember { member, position, .. } = found;
        // manifest.json can only name members whose names are text.
        if let Ok(name) = String::from_utf8(member.name.clone()) {
            let key = name.strip_prefix("./").unwrap_or(&name).to_owned();
            index.insert(key, FoundMember { member, position, digests, content });
        }
    }
    Ok(index)
}

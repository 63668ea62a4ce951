//! What is in an archive, and where.
//!
//! The archive is anybody's, so memory is bounded whatever it claims: all headers together may take
//! just so much, and content is kept only of small members that look like JSON.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::error::OpenError;
use super::metered::{Budget, Metered};
use crate::compression::{CompressedFile, FileDecoder};
use crate::recipe::Digests;
use crate::tar::{Kind, Member};

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
    pub(super) digests: Option<Digests>,
    /// Its content, where it is small and was read.
    pub(super) content: Option<Vec<u8>>,
}

/// An archive's members by name; of several with one name the last counts, as it does when they are unpacked.
pub(super) type MemberIndex = HashMap<String, FoundMember>;

pub(crate) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Lists a plain archive. Only headers are read.
pub(super) fn plain(file: &File) -> Result<MemberIndex, OpenError> {
    let length = file.metadata().map_err(OpenError::Read)?.len();
    let budget = Budget::default();
    let mut archive = Archive::new(Metered { inner: file, budget: budget.clone() });
    let mut indexer = Indexer::default();
    for entry in archive.entries_with_seek().map_err(OpenError::Read)? {
        let entry = entry.map_err(OpenError::Tar)?;
        let end = entry.raw_file_position().checked_add(entry.size());
        if end.is_none_or(|end| end > length) {
            return Err(OpenError::Truncated);
        }
        budget.pause(|| indexer.add(entry, |_| Ok((None, None))))?;
    }
    Ok(indexer.index)
}

/// Lists a compressed archive. All of it is read, so the digests are taken as well.
pub(super) fn compressed(file: &CompressedFile) -> Result<MemberIndex, OpenError> {
    let budget = Budget::default();
    let decoder = file.open().map_err(OpenError::Read)?;
    let mut archive = Archive::new(Metered { inner: decoder, budget: budget.clone() });
    let mut indexer = Indexer::default();
    let mut kept = 0;
    for entry in archive.entries().map_err(OpenError::Read)? {
        let entry = entry.map_err(OpenError::Tar)?;
        budget.pause(|| {
            indexer.add(entry, |entry| {
                if entry.size() > SMALL.min(MAX_SMALL - kept) {
                    return Ok((Some(Digests::read(entry)?), None));
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                let digests = Digests::read(&mut content.as_slice())?;
                let json = content.starts_with(b"{") || content.starts_with(b"[");
                kept += if json { content.len() as u64 } else { 0 };
                Ok((Some(digests), json.then_some(content)))
            })
        })?;
    }
    drop::<Archive<Metered<FileDecoder>>>(archive);
    Ok(indexer.index)
}

#[derive(Default)]
struct Indexer {
    index: MemberIndex,
    /// Records that hold for all members from here on.
    global: Records,
}

impl Indexer {
    fn add<R: Read>(
        &mut self,
        mut entry: Entry<'_, R>,
        content: impl FnOnce(&mut Entry<'_, R>) -> io::Result<(Option<Digests>, Option<Vec<u8>>)>,
    ) -> Result<(), OpenError> {
        let member = next_member(&mut entry, &mut self.global).map_err(OpenError::Tar)?;
        let Some(member) = member else { return Ok(()) };
        let (digests, content) = content(&mut entry).map_err(OpenError::Tar)?;
        // manifest.json can only name members whose names are text.
        if let Ok(name) = String::from_utf8(member.name.clone()) {
            let position = entry.raw_file_position();
            let key = name.strip_prefix("./").unwrap_or(&name).to_owned();
            self.index.insert(key, FoundMember { member, position, digests, content });
        }
        Ok(())
    }
}

/// What an archive says of its next member, or nothing where that only says something of all that follow.
pub(crate) fn next_member<R: Read>(
    entry: &mut Entry<'_, R>,
    global: &mut Records,
) -> io::Result<Option<Member>> {
    if entry.header().entry_type() != EntryType::XGlobalHeader {
        return member(entry, global).map(Some);
    }
    let mut text = Vec::new();
    entry.by_ref().take(SMALL).read_to_end(&mut text)?;
    merge(global, PaxExtensions::new(&text))?;
    Ok(None)
}

/// What the archive says of a member, as it is to be said again.
fn member<R: Read>(entry: &mut Entry<'_, R>, global: &Records) -> io::Result<Member> {
    let mut records = global.clone();
    if let Some(local) = entry.pax_extensions()? {
        merge(&mut records, local)?;
    }
    let header = entry.header();
    let text = |keyword: &str, field: Option<&[u8]>| {
        let record = records.iter().find(|(known, _)| known == keyword.as_bytes());
        record.map(|(_, value)| value.clone()).or_else(|| field.map(<[u8]>::to_vec)).unwrap_or_default()
    };
    let mtime = records.iter().find(|(keyword, _)| keyword == b"mtime");
    let mtime = mtime.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse::<f64>().ok());
    let mut name = entry.path_bytes().into_owned();
    while name.len() > 1 && name.ends_with(b"/") {
        name.pop();
    }
    Ok(Member {
        name,
        // As it stands there: the library takes the flag of a time before ustar for today's.
        kind: Kind(header.as_bytes()[156]),
        // Fields that some writers leave empty.
        mode: header.mode().unwrap_or(0),
        uid: header.uid().unwrap_or(0),
        gid: header.gid().unwrap_or(0),
        size: entry.size(),
        mtime: match mtime {
            Some(seconds) => seconds.round_ties_even() as i64,
            None => header.mtime().unwrap_or(0).cast_signed(),
        },
        linkname: entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default(),
        uname: text("uname", header.username_bytes()),
        gname: text("gname", header.groupname_bytes()),
        records,
        xattrs: Vec::new(),
    })
}

/// Adds records; one that is there already keeps its place and gets the new value.
fn merge(records: &mut Records, new: PaxExtensions<'_>) -> io::Result<()> {
    for record in new {
        let record = record?;
        let (keyword, value) = (record.key_bytes(), record.value_bytes().to_vec());
        match records.iter_mut().find(|(known, _)| known == keyword) {
            Some((_, old)) => *old = value,
            None => records.push((keyword.to_vec(), value)),
        }
    }
    Ok(())
}

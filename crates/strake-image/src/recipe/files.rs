//! The recipe for a layer of single files: each comes from a text, or from a file somewhere on this machine.
//!
//! The stream holds the members in the given order, as PAX, and is padded like every archive here (`tar`).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags, Stat};

use crate::cache::Key;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::fingerprint::{self, FileSystems, Fingerprint};
use crate::sink::{Digesting, Discard, Sink, Watch};
use crate::survey::Survey;
use crate::tar::{Member, Writer};
use crate::tree::Listings;

/// Changes whenever the bytes that a recipe gives change.
const FORMAT: &[u8] = b"files, version 1\0";

/// A layer of files.
#[derive(Clone, Debug)]
pub struct Files {
    /// What it holds, in this order.
    pub files: Arc<Vec<(Member, FileContent)>>,
}

/// Where a member's content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// It has none.
    None,
    /// From memory.
    Bytes(Vec<u8>),
    /// From this file, which has as many bytes as the member.
    File(PathBuf),
}

impl Files {
    pub(super) fn key(&self) -> Key {
        let mut hasher = Hasher::default();
        hasher.update(FORMAT);
        let mut header = Vec::new();
        for (member, content) in &*self.files {
            header.clear();
            member.append_header(&mut header);
            hasher.update(&header);
            match content {
                FileContent::None => {}
                FileContent::Bytes(bytes) => hasher.update(bytes),
                FileContent::File(path) => {
                    hasher.update(path.as_os_str().as_bytes());
                    hasher.update(b"\0");
                }
            }
        }
        Key::new(hasher.finish())
    }

    pub(super) fn survey(&self) -> Result<Survey, Error> {
        self.pack(None, &mut Discard, |writer, member, _| {
            writer.skip(member.size);
            Ok(())
        })
    }

    pub(super) fn digest(&self, watch: Watch<'_>) -> Result<(Digest, Survey), Error> {
        let mut sink = Digesting::new(watch);
        let survey = self.pack(None, &mut sink, copy)?;
        Ok((sink.finish(), survey))
    }

    pub(super) fn write(&self, seen: Option<&Survey>, sink: &mut dyn Sink) -> Result<(), Error> {
        self.pack(seen, sink, copy).map(drop)
    }

    /// Writes all members; `content` does so for a file's content. Fails at the first that was not `seen`.
    fn pack(
        &self,
        seen: Option<&Survey>,
        sink: &mut dyn Sink,
        content: impl Fn(&mut Writer<'_>, &Member, &OpenFile<'_>) -> Result<(), Error>,
    ) -> Result<Survey, Error> {
        let mut writer = Writer::new(sink);
        let (mut fingerprints, mut file_systems) = (Vec::new(), FileSystems::default());
        let mut settled_at = SystemTime::UNIX_EPOCH;
        for (member, source) in &*self.files {
            writer.member(member)?;
            match source {
                FileContent::None => {}
                FileContent::Bytes(bytes) => writer.bytes(bytes)?,
                FileContent::File(path) => {
                    let opened = OpenFile::new(path)?;
                    let look = || fingerprint::keeps_change_times(opened.file.as_fd(), None);
                    let name = path.as_os_str().as_bytes();
                    let (found, settled) = file_systems.fingerprint(name, &opened.stat, look);
                    let known = seen.map(|seen| seen.fingerprint.0.get(fingerprints.len()));
                    if known.is_some_and(|known| known != Some(&found))
                        || opened.stat.st_size.cast_unsigned() != member.size
                    {
                        return Err(Error::Changed { path: path.clone() });
                    }
                    fingerprints.push(found);
                    settled_at = settled_at.max(settled);
                    content(&mut writer, member, &opened)?;
                }
            }
        }
        let size = writer.finish()?;
        let (fingerprint, listings) = (Fingerprint(fingerprints), Listings::default());
        Ok(Survey { size, fingerprint, weights: vec![size], settled_at, listings })
    }
}

/// A file that is open to be copied.
struct OpenFile<'a> {
    path: &'a Path,
    file: OwnedFd,
    stat: Stat,
}

impl<'a> OpenFile<'a> {
    fn new(path: &'a Path) -> Result<Self, Error> {
        let failed = |error: rustix::io::Errno| Error::Read { path: path.to_owned(), source: error.into() };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        Ok(Self { path, file, stat })
    }
}

/// Sends a file's content, and makes sure that it was the same file's from beginning to end.
fn copy(writer: &mut Writer<'_>, member: &Member, opened: &OpenFile<'_>) -> Result<(), Error> {
    let OpenFile { path, file, stat } = opened;
    writer.file(file.as_fd(), member.size).map_err(|error| Error::from_sink(error, path))?;
    let now = rustix::fs::fstat(file)
        .map_err(|error| Error::Read { path: path.to_path_buf(), source: io::Error::from(error) })?;
    if fingerprint::of(b"", &now) == fingerprint::of(b"", stat) {
        Ok(())
    } else {
        Err(Error::Changed { path: path.to_path_buf() })
    }
}

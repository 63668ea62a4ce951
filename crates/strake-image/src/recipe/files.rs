//! The recipe for a layer of single files: each comes from a text, or from a file somewhere on this machine.
//!
//! The stream holds the members in the given order, as PAX, and is padded like every archive here (`tar`).

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags, Stat};

use crate::cache::Key;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::fingerprint::{self, FileSystems, Fingerprint};
use crate::kernel;
use crate::sink::{Digesting, Discard, Sink, Watch};
use crate::survey::{Checkpoints, Survey};
use crate::tar::{Member, Writer, append_header};
use crate::tree::Listings;

/// Changes whenever the bytes that a recipe gives change.
const FORMAT: &[u8] = b"files, version 1\0";

/// A layer of files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The contents, in this order.
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
            append_header(member, &mut header);
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

    /// Its changes to the files in which runtimes look users up.
    pub fn etc_changes(&self) -> EtcChanges {
        let mut changes = EtcChanges::default();
        self.files.iter().for_each(|(member, _)| changes.add(member));
        changes
    }

    pub(super) fn survey(&self) -> Result<Survey, Error> {
        self.pack(None, &mut Discard, |writer, member, _| Ok(writer.skip(member.size)?))
    }

    pub(super) fn digest(&self, watch: Watch<'_>) -> Result<(Digest, Survey), Error> {
        let mut sink = Digesting::new(watch);
        let survey = self.pack(None, &mut sink, copy)?;
        Ok((sink.finish(), survey))
    }

    pub(super) fn write(&self, seen: Option<&Survey>, sink: &mut dyn Sink) -> Result<(), Error> {
        self.pack(seen, sink, copy).map(drop)
    }

    /// Writes a range of the stream. No file that is not in it is opened.
    pub(super) fn write_range(
        &self,
        seen: &Survey,
        range: Range<u64>,
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        let mut writer = Writer::range(sink, range, 0);
        let mut fingerprints = seen.fingerprint.0.iter().copied();
        let mut file_systems = FileSystems::default();
        for (member, source) in &*self.files {
            if writer.is_over() {
                return Ok(());
            }
            writer.member(member)?;
            match source {
                FileContent::None => {}
                FileContent::Bytes(bytes) => writer.bytes(bytes)?,
                FileContent::File(path) => {
                    let known = fingerprints.next();
                    if writer.wants(member.size) {
                        let opened = OpenFile::new(path)?;
                        let (found, _) = opened.fingerprint(&mut file_systems);
                        opened.check(member, found, known)?;
                        copy(&mut writer, member, &opened)?;
                    } else {
                        writer.skip(member.size)?;
                    }
                }
            }
        }
        writer.finish()?;
        Ok(())
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
                    let (found, settled) = opened.fingerprint(&mut file_systems);
                    let known =
                        seen.map_or(Some(found), |seen| seen.fingerprint.0.get(fingerprints.len()).copied());
                    opened.check(member, found, known)?;
                    fingerprints.push(found);
                    settled_at = settled_at.max(settled);
                    content(&mut writer, member, &opened)?;
                }
            }
        }
        let size = writer.finish()?;
        let (fingerprint, listings) = (Fingerprint(fingerprints), Listings::default());
        Ok(Survey {
            size,
            fingerprint,
            settled_at,
            checkpoints: Checkpoints::default(),
            listings,
            etc: self.etc_changes(),
        })
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

    /// Its fingerprint, and from when on that can be relied on.
    fn fingerprint(&self, file_systems: &mut FileSystems) -> (u64, SystemTime) {
        let look = || kernel::keeps_change_times(self.file.as_fd());
        file_systems.fingerprint(self.path.as_os_str().as_bytes(), &self.stat, look)
    }

    /// Fails if it is not the member's file as it is known.
    fn check(&self, member: &Member, found: u64, known: Option<u64>) -> Result<(), Error> {
        if known == Some(found) && self.stat.st_size.cast_unsigned() == member.size {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn changed(&self) -> Error {
        Error::Changed { path: self.path.to_owned() }
    }
}

/// Sends a file's content, and makes sure that it was the same file's from beginning to end.
fn copy(writer: &mut Writer<'_>, member: &Member, opened: &OpenFile<'_>) -> Result<(), Error> {
    let OpenFile { path, file, stat } = opened;
    writer.content(member.size, |sink| {
        sink.file(file.as_fd(), 0, member.size).map_err(|error| Error::from_sink(error, path))?;
        let now = rustix::fs::fstat(file)
            .map_err(|error| Error::Read { path: path.to_path_buf(), source: io::Error::from(error) })?;
        let is_same = fingerprint::of(b"", &now) == fingerprint::of(b"", stat);
        if is_same { Ok(()) } else { Err(opened.changed()) }
    })
}

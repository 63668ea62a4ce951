//! The recipe for a layer of store paths.
//!
//! The stream begins with the directories `/nix` and `/nix/store`, mode 0755 (so it is in dockerTools, whatever the
//! store directory's name). Then each store path with all that is below it, in the given order. Names are absolute;
//! owner and mtime are the recipe's; modes are the files' own. Hard links become files of their own, so that it does
//! not matter whether the store is optimised.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::FileType;
use strake_plan::StorePath;
use strake_plan::closure::NarHash;

use super::c_name;
use crate::cache::Key;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::fingerprint::{FileSystems, Fingerprint};
use crate::kernel;
use crate::sink::{Digesting, Discard, Sink, Watch};
use crate::store::Store;
use crate::survey::{Checkpoint, Checkpoints, Survey};
use crate::tar::{Kind, Member, Writer};
use crate::tree::{FileAccess, Spot, TreeEntry, Walker, to_path};

/// Changes whenever the bytes that a recipe gives change, so that no cached digest outlives its meaning.
const FORMAT: &str = "store paths, PAX as CPython 3.9 to 3.13, version 1";

/// The owner of the files in a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The owner's name.
    pub uname: String,
    /// The group's name.
    pub gname: String,
}

/// A layer of store paths.
#[derive(Clone, Debug)]
pub struct StorePaths {
    /// The store that they are in.
    pub store: Arc<Store>,
    /// The store paths, in the order in which the layer holds them.
    pub paths: Vec<StorePath>,
    /// Their NAR hashes, in the same order; none if not all are known. They change no byte, but a digest that is
    /// cached with them holds for just this content.
    pub nar_hashes: Vec<NarHash>,
    /// The owner of all files in it.
    pub owner: Owner,
    /// When everything in it was modified, in seconds since 1970.
    pub mtime: i64,
}

impl StorePaths {
    pub(super) fn key(&self) -> Key {
        let mut hasher = Hasher::default();
        let mut add = |text: &[u8]| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        add(FORMAT.as_bytes());
        add(&self.mtime.to_le_bytes());
        add(&self.owner.uid.to_le_bytes());
        add(&self.owner.gid.to_le_bytes());
        add(self.owner.uname.as_bytes());
        add(self.owner.gname.as_bytes());
        for path in &self.paths {
            add(path.as_str().as_bytes());
        }
        for hash in &self.nar_hashes {
            add(hash.as_bytes());
        }
        Key::new(hasher.finish())
    }

    /// The name of the source of its bytes in messages: its first store path, or the store.
    pub(super) fn place(&self) -> &Path {
        Path::new(self.paths.first().map_or(self.store.dir().as_str(), StorePath::as_str))
    }

    pub(super) fn survey(&self) -> Result<Survey, Error> {
        self.pack(FileAccess::Look, None, &mut Discard, |writer, member, _| Ok(writer.skip(member.size)?))
    }

    pub(super) fn digest(&self, watch: Watch<'_>) -> Result<(Digest, Survey), Error> {
        let mut sink = Digesting::new(watch);
        let survey = self.pack(FileAccess::Open, None, &mut sink, copy_file)?;
        Ok((sink.finish(), survey))
    }

    pub(super) fn write(&self, seen: Option<&Survey>, sink: &mut dyn Sink) -> Result<(), Error> {
        self.pack(FileAccess::Open, seen, sink, copy_file).map(drop)
    }

    /// Walks the store paths and writes a header for each entry; `content` does the rest for a file.
    ///
    /// Fails at the first entry that was not `seen` in its place.
    fn pack(
        &self,
        files: FileAccess,
        seen: Option<&Survey>,
        sink: &mut dyn Sink,
        content: impl Fn(&mut Writer<'_>, &Member, &TreeEntry<'_>) -> Result<(), Error>,
    ) -> Result<Survey, Error> {
        let directory = self.store.open()?;
        let mut writer = Writer::new(sink);
        let mut member = self.template();
        write_parents(&mut writer, &mut member)?;
        let (mut fingerprints, mut file_systems) = (Vec::new(), FileSystems::default());
        let mut checkpoints = Checkpoints::default();
        let mut settled_at = SystemTime::UNIX_EPOCH;
        let mut walker = match seen {
            Some(seen) => Walker::again(files, &seen.listings),
            None => Walker::keeping(files),
        };
        let mut name = Vec::new();
        for path in &self.paths {
            checkpoints.store_path(writer.position(), fingerprints.len());
            let root = Spot { directory: directory.as_fd(), name: c_name(path.base_name(), &mut name) };
            walker.walk(root, path.as_str().as_bytes(), &mut |entry| {
                let number = fingerprints.len();
                let (fingerprint, settled) = check(entry, number, seen, &mut file_systems)?;
                fingerprints.push(fingerprint);
                settled_at = settled_at.max(settled);
                let below = entry.path.get(path.as_str().len() + 1..).unwrap_or_default();
                if checkpoints.is_due(number, below.len()) {
                    checkpoints.below(writer.position(), number, below);
                }
                describe(entry, &mut member)?;
                writer.member(&member)?;
                if member.size > 0 { content(&mut writer, &member, entry) } else { Ok(()) }
            })?;
        }
        checkpoints.finish(writer.position());
        if let (Some(seen), Some(path)) = (seen, self.paths.last())
            && seen.fingerprint.0.len() != fingerprints.len()
        {
            return Err(Error::Changed { path: path.as_str().into() });
        }
        let (fingerprint, listings) = (Fingerprint(fingerprints), walker.into_listings());
        Ok(Survey {
            size: writer.finish()?,
            fingerprint,
            settled_at,
            checkpoints,
            listings,
            etc: EtcChanges::default(),
        })
    }

    /// Writes a range of the stream, beginning at the last checkpoint in front of it.
    ///
    /// Each entry from there on is held against what was `seen` of it, so what is sent is right also where something
    /// before the checkpoint has changed.
    pub(super) fn write_range(
        &self,
        seen: &Survey,
        range: Range<u64>,
        sink: &mut dyn Sink,
    ) -> Result<(), Error> {
        let checkpoints = &seen.checkpoints;
        let mut member = self.template();
        if range.start >= checkpoints.end() {
            Writer::range(sink, range, checkpoints.end()).finish()?;
            return Ok(());
        }
        let directory = self.store.open()?;
        let start = checkpoints.before(range.start);
        let mut writer = Writer::range(sink, range, start.map_or(0, |start| start.offset));
        if start.is_none() {
            write_parents(&mut writer, &mut member)?;
        }
        let Checkpoint { entry: mut number, store_path: first, path: mut below, .. } =
            start.unwrap_or_default();
        let (mut walker, mut file_systems) = (Walker::new(FileAccess::Look), FileSystems::default());
        let mut name = Vec::new();
        for (index, path) in self.paths.iter().enumerate().skip(first) {
            let root = Spot { directory: directory.as_fd(), name: c_name(path.base_name(), &mut name) };
            let text = path.as_str().as_bytes();
            if writer.is_over() {
                return Ok(());
            }
            let mut is_over = false;
            let visited = walker.walk_from(root, text, below, &mut |entry| {
                is_over = writer.is_over();
                if is_over {
                    return Err(Error::Cancelled);
                }
                check(entry, number, Some(seen), &mut file_systems)?;
                number += 1;
                describe(entry, &mut member)?;
                writer.member(&member)?;
                if member.size > 0 { copy_wanted(&mut writer, &member, entry) } else { Ok(()) }
            });
            if is_over {
                return Ok(());
            }
            visited?;
            if number != checkpoints.first_entry_after(index + 1).unwrap_or(seen.fingerprint.0.len()) {
                return Err(Error::Changed { path: path.as_str().into() });
            }
            below = b"";
        }
        writer.finish()?;
        Ok(())
    }

    /// A directory of this recipe's owner.
    fn template(&self) -> Member {
        Member {
            kind: Kind::DIRECTORY,
            mode: 0o755,
            uid: self.owner.uid.into(),
            gid: self.owner.gid.into(),
            uname: self.owner.uname.clone().into(),
            gname: self.owner.gname.clone().into(),
            ..Member::file("", 0, self.mtime)
        }
    }
}

/// Writes the directories that store paths are in.
fn write_parents(writer: &mut Writer<'_>, member: &mut Member) -> Result<(), Error> {
    for name in ["/nix/", "/nix/store/"] {
        member.name = name.into();
        writer.member(member)?;
    }
    Ok(())
}

/// The entry's fingerprint, and from when on that can be relied on. Fails if it is not what was `seen` in its place.
fn check(
    entry: &TreeEntry<'_>,
    number: usize,
    seen: Option<&Survey>,
    file_systems: &mut FileSystems,
) -> Result<(u64, SystemTime), Error> {
    let (fingerprint, settled) =
        file_systems.fingerprint(entry.path, entry.stat, || entry.keeps_change_times());
    if seen.is_some_and(|seen| seen.fingerprint.0.get(number) != Some(&fingerprint)) {
        return Err(Error::Changed { path: to_path(entry.path) });
    }
    Ok((fingerprint, settled))
}

/// Fills in what the file system says of the entry.
fn describe(entry: &TreeEntry<'_>, member: &mut Member) -> Result<(), Error> {
    member.name.clear();
    member.name.extend_from_slice(entry.path);
    member.linkname.clear();
    member.mode = kernel::mode(entry.stat);
    member.size = 0;
    let refused = match entry.file_type() {
        FileType::RegularFile => {
            member.kind = Kind::FILE;
            member.size = entry.stat.st_size.cast_unsigned();
            return Ok(());
        }
        FileType::Directory => {
            member.kind = Kind::DIRECTORY;
            member.name.push(b'/');
            return Ok(());
        }
        FileType::Symlink => {
            member.kind = Kind::SYMLINK;
            member.linkname = entry.read_link(std::mem::take(&mut member.linkname))?;
            return Ok(());
        }
        FileType::Fifo => "named pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Unknown => "file of an unknown type",
    };
    Err(Error::FileType { path: to_path(entry.path), kind: refused })
}

/// Sends the content of a file that the walk has opened.
fn copy_file(writer: &mut Writer<'_>, member: &Member, entry: &TreeEntry<'_>) -> Result<(), Error> {
    let Some(file) = entry.file() else { return Err(Error::Changed { path: to_path(entry.path) }) };
    copy_open(writer, member, entry, file)
}

/// Sends what is wanted of a file's content, and opens the file only if that is something.
fn copy_wanted(writer: &mut Writer<'_>, member: &Member, entry: &TreeEntry<'_>) -> Result<(), Error> {
    if writer.wants(member.size) {
        copy_open(writer, member, entry, entry.open()?.as_fd())
    } else {
        Ok(writer.skip(member.size)?)
    }
}

/// Sends a file's content, and makes sure that it was the described file's from beginning to end.
fn copy_open(
    writer: &mut Writer<'_>,
    member: &Member,
    entry: &TreeEntry<'_>,
    file: BorrowedFd<'_>,
) -> Result<(), Error> {
    writer.content(member.size, |sink| {
        let sent = sink.file(file, 0, member.size);
        sent.map_err(|error| Error::from_sink(error, &to_path(entry.path)))?;
        entry.check_unchanged(file)
    })
}

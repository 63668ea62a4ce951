//! An image's file system as one tar archive: what a container of the image would see.
//!
//! The layers are read twice. First from the bottom up, to apply each to what is below it (`apply`), of which only names are
//! held in memory (`path_tree`); then once more, and what is still there in the end is written when its turn comes. A directory is
//! written when the first thing in it is, with the attributes that it has in the end, so that it comes before what is in
//! it; those with nothing in them come last. All names of a file stand one behind the other, the first with its content.

mod apply;
mod path_tree;
mod reached;

use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use crate::content::Content;
use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::layer::{Layer, LayerContent};
use crate::limits::{MAX_NAME, MAX_PATH};
use crate::sink::{DescriptorSink, Sink};
use crate::tar::{Kind, Member, TarReader, Writer};
use apply::{Directories, Merged};
use path_tree::{Claim, EntryId, Node, NodeId, ROOT};
use reached::Reached;

/// Content is copied in pieces of this size, in bytes.
const BUFFER: usize = 256 * 1024;

/// Writes the file system that these layers make, the lowest first, as a tar archive. Returns its length in bytes.
pub fn flatten(layers: &[Layer], context: &Context, sink: &mut dyn Sink) -> Result<u64, Error> {
    let mut merged = Merged::new();
    for (layer, number) in layers.iter().zip(1..) {
        each(layer.content(context), number, |claim, path, member, _| {
            let applied = merged.apply(claim, path, &member);
            applied.map_err(|problem| unpack(&member, problem))
        })?;
    }
    let mut flat = Flat::new(merged, sink);
    for (layer, number) in layers.iter().zip(1..) {
        each(layer.content(context), number, |claim, _, member, content| flat.entry(claim, member, content))?;
    }
    flat.finish()
}

/// The archive as it grows.
struct Flat<'s> {
    names: Reached,
    directories: Directories,
    /// The entries written at its claim, the first last.
    waiting: Vec<(Claim, NodeId)>,
    /// Directories that are written, by their places.
    written: Vec<bool>,
    writer: Writer<'s>,
}

impl<'s> Flat<'s> {
    fn new(merged: Merged, sink: &'s mut dyn Sink) -> Self {
        let (names, directories) = merged.finish();
        let claimed = |node| match names.node(node) {
            Node::File { claim, .. } | Node::Symlink { claim, .. } => Some((claim, node)),
            Node::Directory { .. } => None,
        };
        let mut waiting: Vec<_> = names.nodes().filter_map(claimed).collect();
        waiting.sort_unstable_by(|a, b| b.cmp(a));
        let written = vec![false; names.size()];
        Self { names, directories, waiting, written, writer: Writer::new(sink) }
    }

    fn entry(&mut self, claim: Claim, member: Member, content: &mut dyn Read) -> Result<(), Error> {
        let Some((_, node)) = self.waiting.pop_if(|(next, _)| *next == claim) else { return Ok(()) };
        let entries: Vec<EntryId> = self.names.names(node).collect();
        let Some((first, others)) = entries.split_first() else { return Ok(()) };
        let name = self.names.path(*first);
        // Names only: what it is like has been said.
        let (linkname, records) = (name.clone(), Vec::new());
        let link = Member { kind: Kind::HARD_LINK, linkname, size: 0, records, ..member.clone() };
        self.directory(self.names.directory(*first))?;
        self.write(&Member { name, ..member }, content)?;
        for other in others {
            self.directory(self.names.directory(*other))?;
            let name = self.names.path(*other);
            self.write(&Member { name, ..link.clone() }, &mut io::empty())?;
        }
        Ok(())
    }

    /// Writes a directory and those that lead to it, unless they have been written.
    fn directory(&mut self, directory: NodeId) -> Result<(), Error> {
        let mut missing = Vec::new();
        let mut next = directory;
        while !std::mem::replace(&mut self.written[Reached::place(next)], true) {
            let entry = self.names.names(next).next();
            missing.push((next, entry));
            next = entry.map_or(ROOT, |entry| self.names.directory(entry));
        }
        for (directory, entry) in missing.into_iter().rev() {
            let Node::Directory { attributes, mtime, .. } = self.names.node(directory) else { continue };
            let mut name = entry.map_or_else(|| b"./".to_vec(), |entry| self.names.path(entry));
            if !name.ends_with(b"/") {
                name.push(b'/');
            }
            self.writer.member(&self.directories.member(name, attributes, mtime))?;
        }
        Ok(())
    }

    fn write(&mut self, member: &Member, content: &mut dyn Read) -> Result<(), Error> {
        self.writer.member(member)?;
        let mut left = member.size;
        let mut buffer = vec![0; BUFFER.min(usize::try_from(left).unwrap_or(BUFFER))];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(buffer.len()));
            let got = content.read(&mut buffer[..most]).map_err(|source| unreadable(&member.name, source))?;
            if got == 0 {
                return Err(unreadable(&member.name, io::ErrorKind::UnexpectedEof.into()));
            }
            self.writer.sink().bytes(&buffer[..got])?;
            left -= got as u64;
        }
        if member.size > 0 {
            self.writer.pad(member.size)?;
        }
        Ok(())
    }

    /// Writes the directories that are left, and ends the archive.
    fn finish(mut self) -> Result<u64, Error> {
        if let Some((_, node)) = self.waiting.last() {
            let name = self.names.names(*node).next().map(|entry| self.names.path(entry));
            return Err(Error::Changed { path: path_of(&name.unwrap_or_default()) });
        }
        let directories: Vec<NodeId> = self.names.nodes().collect();
        for node in directories {
            if matches!(self.names.node(node), Node::Directory { .. }) {
                self.directory(node)?;
            }
        }
        Ok(self.writer.finish()?)
    }
}

/// Hands over each entry of the layer with this number: its claim, its path without slashes around it, what is said of it, its
/// content.
fn each(
    layer: LayerContent<'_>,
    number: u32,
    mut take: impl FnMut(Claim, &[u8], Member, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let broken = |source| unreadable(layer.title().as_bytes(), source);
    let (reader, writer) = io::pipe().map_err(broken)?;
    std::thread::scope(|scope| {
        let written = scope.spawn(move || {
            let progress = AtomicU64::new(0);
            let mut sink = DescriptorSink::new(OwnedFd::from(writer), &progress);
            layer.write(&mut sink)?;
            sink.finish().map_err(Error::from).map(drop)
        });
        let read = || {
            let reader = BufReader::with_capacity(BUFFER, reader);
            let mut reader: Box<dyn Read> = match layer.descriptor().and_then(Descriptor::codec) {
                None => Box::new(reader),
                Some(codec) => Box::new(codec.decoder(reader).map_err(broken)?),
            };
            let mut archive = TarReader::new(&mut reader);
            for place in 0.. {
                let Some(found) = archive.next_member().map_err(broken)? else { break };
                check(&found.member, found.is_sparse)?;
                let path = normal(&found.member.name);
                take(Claim { layer: number, place }, &path, bare(found.member), &mut archive)?;
            }
            io::copy(&mut reader, &mut io::sink()).map(drop).map_err(broken)
        };
        let read = read();
        let written = written.join().unwrap_or(Err(Error::Cancelled));
        match (read, written) {
            // A reader that stops makes the writer fail.
            (Err(error), Ok(()) | Err(Error::Write(_))) | (_, Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
        }
    })
}

/// A path without `.` and slashes that mean nothing.
fn normal(name: &[u8]) -> Vec<u8> {
    let parts = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.collect::<Vec<_>>().join(&b'/')
}

/// Sees that an entry is one that can be written again, in its place.
fn check(member: &Member, is_sparse: bool) -> Result<(), Error> {
    let outside = |name: &[u8]| name.split(|byte| *byte == b'/').any(|part| part == b"..");
    let kind = match member.kind {
        _ if outside(&member.name) => "name that leads out of the image",
        Kind::HARD_LINK if outside(&member.linkname) => "link that leads out of the image",
        _ if is_sparse => "sparse file",
        Kind(b'3' | b'4') => "device",
        Kind::HARD_LINK | Kind::SYMLINK | Kind::DIRECTORY | FIFO => return limits(member),
        kind if kind.is_file() => return limits(member),
        _ => "file of an unknown type",
    };
    Err(Error::FileType { path: path_of(&member.name), kind })
}

/// A named pipe.
const FIFO: Kind = Kind(b'6');

fn limits(member: &Member) -> Result<(), Error> {
    let problem = if member.name.len() > MAX_PATH || member.linkname.len() > MAX_PATH {
        "has a path longer than 4096 bytes"
    } else if member.uname.len() > MAX_NAME || member.gname.len() > MAX_NAME {
        "has an owner whose name is longer than 255 bytes"
    } else {
        return Ok(());
    };
    Err(unpack(member, problem))
}

fn unpack(member: &Member, problem: &'static str) -> Error {
    // All of a name could fill the screen.
    Error::Unpack { path: path_of(&member.name[..member.name.len().min(MAX_NAME)]), problem }
}

/// The member without the records that say its name and its size.
fn bare(mut member: Member) -> Member {
    member.records.retain(|(keyword, _)| !matches!(&keyword[..], b"path" | b"linkpath" | b"size"));
    member
}

fn path_of(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

fn unreadable(path: &[u8], source: io::Error) -> Error {
    Error::Read { path: path_of(path), source }
}

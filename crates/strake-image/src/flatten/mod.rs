//! An image's file system as one tar archive: what a container of the image would see.
//!
//! Format: the OCI image specification, "layer", sections "whiteouts" and "applying changesets".
//!
//! The layers are read twice. First from the top down, to find out which layer's word counts for each path (`winners`);
//! then from the bottom up, and each entry that counts is written. A directory is written when the first thing in it
//! is, with the attributes that count in the end, so that it comes before what is in it. Of the image only the names are
//! held in memory.

mod winners;

use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use tar::{Archive, Entry};

use crate::error::Error;
use crate::layer::Layer;
use crate::parsed::{self, Records};
use crate::sink::{DescriptorSink, Sink};
use crate::tar::{Kind, Member, Writer};
use winners::{Claim, Winners};

/// Content goes through in pieces of so many bytes.
const BUFFER: usize = 256 * 1024;

/// Writes the file system that these layers make, the lowest first, as a tar archive. Returns its length in bytes.
pub fn flatten(layers: &[Layer], sink: &mut dyn Sink) -> Result<u64, Error> {
    let mut winners = Winners::default();
    for (number, layer) in layers.iter().enumerate().rev() {
        each(layer, |place, path, member, _| {
            winners.claim(Claim { layer: number, place }, path, member);
            Ok(())
        })?;
        winners.end_layer();
    }
    let moved = winners.moved_links();
    let mut flat = Flat { winners: &winners, moved, written: HashSet::new(), writer: Writer::new(sink) };
    for (number, layer) in layers.iter().enumerate() {
        each(layer, |place, path, member, content| {
            flat.entry(Claim { layer: number, place }, path, member, content)
        })?;
    }
    Ok(flat.writer.finish()?)
}

/// The archive as it grows.
struct Flat<'w, 's> {
    winners: &'w Winners,
    /// Hard links whose target does not count any more, by layer and target: the first takes the target's content.
    moved: HashMap<(usize, Vec<u8>), Vec<Vec<u8>>>,
    written: HashSet<Vec<u8>>,
    writer: Writer<'s>,
}

impl Flat<'_, '_> {
    fn entry(
        &mut self,
        claim: Claim,
        path: &[u8],
        member: Member,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        if self.winners.counts(claim, path) {
            return match member.kind {
                Kind::DIRECTORY => self.directories(path, true),
                Kind::HARD_LINK if self.written.contains(path) => Ok(()),
                Kind::HARD_LINK => {
                    let target = normal(&member.linkname);
                    self.write(path, Member { linkname: named(&target), size: 0, ..member }, &mut io::empty())
                }
                _ => self.write(path, member, content),
            };
        }
        let links = self.moved.remove(&(claim.layer, path.to_vec())).unwrap_or_default();
        let Some((first, others)) = links.split_first() else { return Ok(()) };
        let link = Member { kind: Kind::HARD_LINK, linkname: named(first), size: 0, ..member.clone() };
        self.write(first, member, content)?;
        others.iter().try_for_each(|other| self.write(other, link.clone(), &mut io::empty()))
    }

    fn write(&mut self, path: &[u8], member: Member, content: &mut dyn Read) -> Result<(), Error> {
        self.directories(path, false)?;
        self.written.insert(path.to_vec());
        let size = if member.kind.is_file() { member.size } else { 0 };
        self.writer.member(&Member { name: named(path), size, ..member })?;
        let mut left = size;
        let mut buffer = vec![0; BUFFER.min(usize::try_from(size).unwrap_or(BUFFER))];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(buffer.len()));
            let got = content.read(&mut buffer[..most]).map_err(|source| unreadable(path, source))?;
            if got == 0 {
                return Err(unreadable(path, io::ErrorKind::UnexpectedEof.into()));
            }
            self.writer.sink().bytes(&buffer[..got])?;
            left -= got as u64;
        }
        if size > 0 {
            self.writer.pad(size)?;
        }
        Ok(())
    }

    /// Writes the directories that lead to a path, and with `itself` that of the path, unless they have been written.
    fn directories(&mut self, path: &[u8], itself: bool) -> Result<(), Error> {
        let ends = path.iter().enumerate().filter(|&(_, byte)| *byte == b'/').map(|(at, _)| at);
        let above = if path.is_empty() { None } else { Some(0) };
        for end in above.into_iter().chain(ends).chain(itself.then_some(path.len())) {
            let path = &path[..end];
            if self.written.contains(path) {
                continue;
            }
            // Of what only the names of other entries tell, nothing is known. Links to directories are no directories.
            let implied = Member { kind: Kind::DIRECTORY, mode: 0o755, ..Member::file("", 0, 0) };
            let Some(member) = self.winners.directory(path, &implied) else { continue };
            let mut name = named(path);
            if !path.is_empty() {
                name.push(b'/');
            }
            self.writer.member(&Member { name, size: 0, ..member.clone() })?;
            self.written.insert(path.to_vec());
        }
        Ok(())
    }
}

/// Hands over each entry of a layer: its place in it, its path without slashes around it, what is said of it, its content.
fn each(
    layer: &Layer,
    mut take: impl FnMut(usize, &[u8], Member, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let broken = |source| unreadable(layer.title.as_bytes(), source);
    let (reader, writer) = io::pipe().map_err(broken)?;
    std::thread::scope(|scope| {
        let written = scope.spawn(move || {
            let progress = AtomicU64::new(0);
            let mut sink = DescriptorSink::new(OwnedFd::from(writer), &progress);
            layer.write(false, &mut sink)?;
            sink.finish().map_err(Error::from).map(drop)
        });
        let read = || {
            let reader = BufReader::with_capacity(BUFFER, reader);
            let mut reader: Box<dyn Read> = match layer.stored.codec() {
                None => Box::new(reader),
                Some(codec) => Box::new(codec.decoder(reader).map_err(broken)?),
            };
            let mut archive = Archive::new(&mut reader);
            let mut global = Records::new();
            for (place, entry) in archive.entries().map_err(broken)?.enumerate() {
                let mut entry = entry.map_err(broken)?;
                let Some(member) = parsed::next_member(&mut entry, &mut global).map_err(broken)? else {
                    continue;
                };
                let path = normal(&member.name);
                check(&member)?;
                take(place, &path, bare(member), &mut entry as &mut Entry<'_, _>)?;
            }
            io::copy(&mut reader, &mut io::sink()).map(drop).map_err(broken)
        };
        let read = read();
        let written = written.join().unwrap_or(Err(Error::Cancelled));
        match (read, written) {
            // Who does not want to read on makes the writer fail.
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

/// The name that a path has in the archive.
fn named(path: &[u8]) -> Vec<u8> {
    [b"./", path].concat()
}

/// Sees that an entry is one that can be written again, in its place.
fn check(member: &Member) -> Result<(), Error> {
    let outside = |name: &[u8]| name.split(|byte| *byte == b'/').any(|part| part == b"..");
    let kind = match member.kind {
        _ if outside(&member.name) => "name that leads out of the image",
        Kind::HARD_LINK if outside(&member.linkname) => "link that leads out of the image",
        Kind(b'3' | b'4') => "device",
        _ => return Ok(()),
    };
    Err(Error::FileType { path: path_of(&member.name), kind })
}

/// The member without the records that say its name.
fn bare(mut member: Member) -> Member {
    member.records.retain(|(keyword, _)| !matches!(&keyword[..], b"path" | b"linkpath"));
    member
}

fn path_of(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

fn unreadable(path: &[u8], source: io::Error) -> Error {
    Error::Read { path: path_of(path), source }
}

//! Doors for fuzz targets and tests to readers that are no part of the interface.

use std::io::{self, BufReader, Cursor, Read};

use crate::parsed::{OpenError, check_json, shapes};
use crate::recipe::check_layer;
use crate::tar::{Member, TarReader};

/// A member of an archive.
#[derive(Debug, PartialEq, Eq)]
pub struct ListedMember {
    /// The member's metadata.
    pub member: Member,
    /// Where its content begins.
    pub position: u64,
    /// Whether it is a sparse file.
    pub is_sparse: bool,
}

/// How an archive comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As a stream, a few bytes at once.
    Stream,
    /// Through a buffer.
    Buffer,
    /// As a file, whose contents need not be read.
    File,
}

/// Lists a layer's members, whether or not they can be unpacked.
pub fn members(archive: &[u8], access: Access) -> io::Result<Vec<ListedMember>> {
    match access {
        Access::Stream => all(TarReader::new(Pieces(archive))),
        Access::Buffer => all(TarReader::buffered(BufReader::with_capacity(700, archive))),
        Access::File => all(TarReader::seeking(Cursor::new(archive))),
    }
}

fn all<R: Read>(mut reader: TarReader<R>) -> io::Result<Vec<ListedMember>> {
    let mut members = Vec::new();
    while let Some(found) = reader.next_member()? {
        let (position, is_sparse) = (found.position, found.is_sparse);
        members.push(ListedMember { member: found.member, position, is_sparse });
    }
    Ok(members)
}

/// Fails unless an archive is one that `verify` takes as a layer.
pub fn layer(archive: &[u8]) -> io::Result<()> {
    check_layer(archive, &mut crate::etc_changes::EtcChanges::default())
}

/// A kind of JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonDocument {
    /// `oci-layout`.
    Layout,
    /// A manifest or an index.
    Manifest,
    /// A docker-archive's `manifest.json`.
    Archive,
    /// A config.
    Config,
    /// A config, of which all is read that a container is started with.
    Container,
}

impl JsonDocument {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Layout, Self::Manifest, Self::Archive, Self::Config, Self::Container];
}

/// Fails unless a text is JSON of this kind that all programs read alike.
pub fn json(document: JsonDocument, text: &[u8]) -> Result<(), OpenError> {
    let shape = match document {
        JsonDocument::Layout => &shapes::LAYOUT,
        JsonDocument::Manifest => &shapes::MANIFEST,
        JsonDocument::Archive => &shapes::ARCHIVE,
        JsonDocument::Config => &shapes::CONFIG,
        JsonDocument::Container => &shapes::CONTAINER,
    };
    check_json("it", shape, text)
}

/// Bytes that come a few at once.
struct Pieces<'b>(&'b [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(97);
        self.0.read(&mut buffer[..most])
    }
}

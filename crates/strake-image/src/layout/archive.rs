//! Writes an OCI layout as a tar archive, as a stream: layers first, the index last.
//!
//! A blob's digest and size stand in front of it. So a layer that is compressed on its way is put aside until it is whole,
//! unless it is known what it will be.

use std::collections::HashSet;
use std::path::PathBuf;

use super::index::LayoutIndex;
use super::spool::Spool;
use super::{BLOBS, INDEX, LAYOUT, LAYOUT_TEXT, blob_name};
use crate::blob::Blob;
use crate::destination::{Destination, FinishError};
use crate::digest::Digest;
use crate::error::Error;
use crate::image::Image;
use crate::layer::Layer;
use crate::manifest::Manifest;
use crate::sink::Sink;
use crate::tar::{Kind, Member, Writer};

/// Writes an archive that holds one image.
pub struct LayoutArchiveWriter<'s> {
    tar: Writer<'s>,
    mtime: i64,
    tags: Option<Vec<String>>,
    written: HashSet<Digest>,
    begun: bool,
    /// Where layers are put aside.
    aside: PathBuf,
    layer: State,
}

/// What becomes of the layer that was begun last.
enum State {
    /// It is there already.
    Present,
    /// It is being written.
    Open,
    /// It is being put aside.
    Aside(Spool),
}

impl<'s> LayoutArchiveWriter<'s> {
    /// Begins an archive. `mtime` is for everything in it, in seconds since 1970; `tags`, if any, are the image's names
    /// in place of its own. Layers whose digests are not known beforehand are put aside in the directory `aside`, in files
    /// without names.
    pub fn new(sink: &'s mut dyn Sink, mtime: i64, tags: Option<Vec<String>>, aside: PathBuf) -> Self {
        let tar = Writer::new(sink);
        let (written, layer) = (HashSet::new(), State::Present);
        Self { tar, mtime, tags, written, begun: false, aside, layer }
    }

    /// What stands in front of all blobs.
    fn start(&mut self) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begun, true) {
            self.file(LAYOUT, LAYOUT_TEXT.as_bytes())?;
            for name in ["blobs/".to_owned(), format!("{BLOBS}/")] {
                let member =
                    Member { kind: Kind::DIRECTORY, mode: 0o755, ..Member::file(name, 0, self.mtime) };
                self.tar.member(&member)?;
            }
        }
        Ok(())
    }

    fn blob(&mut self, content: &[u8]) -> Result<(), Error> {
        let digest = Digest::of(content);
        if self.written.insert(digest) { self.file(&blob_name(digest), content) } else { Ok(()) }
    }

    fn member(&self, blob: &Blob) -> Member {
        Member::file(blob_name(blob.digest), blob.size, self.mtime)
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        self.tar.member(&Member::file(name, content.len() as u64, self.mtime))?;
        Ok(self.tar.bytes(content)?)
    }
}

impl Destination for LayoutArchiveWriter<'_> {
    fn begin(&mut self, _: &Layer, blob: Option<&Blob>) -> Result<Option<&mut dyn Sink>, Error> {
        self.start()?;
        self.layer = match blob {
            None => State::Aside(Spool::new(&self.aside)?),
            Some(blob) if self.written.insert(blob.digest) => {
                self.tar.member(&self.member(blob))?;
                State::Open
            }
            Some(_) => State::Present,
        };
        Ok(match &mut self.layer {
            State::Present => None,
            State::Open => Some(self.tar.sink()),
            State::Aside(spool) => Some(spool),
        })
    }

    fn end(&mut self, _: &Layer, blob: &Blob) -> Result<(), Error> {
        match std::mem::replace(&mut self.layer, State::Present) {
            State::Present => {}
            State::Open => self.tar.pad(blob.size)?,
            State::Aside(spool) => {
                if self.written.insert(blob.digest) {
                    self.tar.member(&self.member(blob))?;
                    self.tar.file(spool.content(), blob.size)?;
                }
            }
        }
        Ok(())
    }

    fn image(&mut self, image: &Image, manifest: &Manifest) -> Result<(), FinishError> {
        self.start()?;
        self.blob(&image.config)?;
        self.manifest(manifest)
    }

    fn manifest(&mut self, manifest: &Manifest) -> Result<(), FinishError> {
        self.start()?;
        Ok(self.blob(&manifest.text)?)
    }

    fn finish(&mut self, top: &Manifest, names: &[String]) -> Result<u64, FinishError> {
        let mut index = LayoutIndex::empty();
        index.add(top, self.tags.as_deref().unwrap_or(names));
        self.file(INDEX, &index.text())?;
        Ok(self.tar.finish().map_err(Error::from)?)
    }
}

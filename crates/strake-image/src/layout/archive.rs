//! Writes an OCI layout as a tar archive, as a stream: layers first, the index last.

use std::collections::HashSet;

use super::index::Index;
use super::{INDEX, LAYOUT, LAYOUT_TEXT, blob_name};
use crate::destination::{Destination, FinishError, Written};
use crate::digest::Digest;
use crate::error::Error;
use crate::image::Image;
use crate::layer::Layer;
use crate::manifest::{Listing, Manifest};
use crate::sink::Sink;
use crate::tar::{Kind, Member, Writer};

/// Writes an archive that holds one image.
pub struct LayoutArchiveWriter<'s> {
    tar: Writer<'s>,
    mtime: i64,
    tags: Option<Vec<String>>,
    listing: Listing,
    written: HashSet<Digest>,
    begun: bool,
    /// Whether a layer is being written.
    open: bool,
}

impl<'s> LayoutArchiveWriter<'s> {
    /// Begins an archive. `mtime` is for everything in it, in seconds since 1970; `tags`, if any, are the image's names
    /// in place of its own.
    pub fn new(sink: &'s mut dyn Sink, mtime: i64, tags: Option<Vec<String>>, listing: Listing) -> Self {
        let tar = Writer::new(sink);
        Self { tar, mtime, tags, listing, written: HashSet::new(), begun: false, open: false }
    }

    /// What stands in front of all blobs.
    fn start(&mut self) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begun, true) {
            self.file(LAYOUT, LAYOUT_TEXT.as_bytes())?;
            for name in ["blobs/", "blobs/sha256/"] {
                let member =
                    Member { kind: Kind::DIRECTORY, mode: 0o755, ..Member::file(name, 0, self.mtime) };
                self.tar.member(&member)?;
            }
        }
        Ok(())
    }

    fn blob(&mut self, content: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(content);
        if self.written.insert(digest) {
            self.file(&blob_name(digest), content)?;
        }
        Ok(digest)
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        self.tar.member(&Member::file(name, content.len() as u64, self.mtime))?;
        Ok(self.tar.bytes(content)?)
    }
}

impl Destination for LayoutArchiveWriter<'_> {
    fn begin(&mut self, layer: &Layer) -> Result<Option<&mut dyn Sink>, Error> {
        self.start()?;
        self.open = self.written.insert(layer.digest);
        if !self.open {
            return Ok(None);
        }
        self.tar.member(&Member::file(blob_name(layer.digest), layer.size, self.mtime))?;
        Ok(Some(self.tar.sink()))
    }

    fn end(&mut self, layer: &Layer) -> Result<(), Error> {
        if self.open {
            self.tar.pad(layer.size)?;
        }
        Ok(())
    }

    fn finish(&mut self, image: &Image) -> Result<Written, FinishError> {
        self.start()?;
        let image_id = self.blob(&image.config)?;
        let manifest = Manifest::new(image, &self.listing);
        let digest = self.blob(&manifest.text)?;
        let mut index = Index::empty();
        index.add(&manifest, self.tags.as_ref().unwrap_or(&image.tags));
        self.file(INDEX, &index.text())?;
        let size = self.tar.finish().map_err(Error::from)?;
        Ok(Written { image_id, manifest: Some(digest), size })
    }
}

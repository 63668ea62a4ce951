//! Writes an OCI layout as a tar archive, as a stream: layers first, the index last.
//!
//! A blob's digest and size stand in front of it. So a layer that is compressed on its way is put aside until it is whole,
//! unless it is known what it will be.
//!
//! A *hybrid archive* holds a docker-archive's `manifest.json` as well, which lists the same blobs: whatever loads images reads one or
//! the other. Blobs that the other side has can be left out of one: Docker's classic store opens only the layers above the ones
//! that it has, containerd and podman only the blobs that they lack.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use super::index::LayoutIndex;
use super::{BLOBS, INDEX, LAYOUT, LAYOUT_TEXT, blob_name};
use crate::archive_stream::ArchiveStream;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::document::Document;
use crate::error::Error;
use crate::event::Report;
use crate::layer::Layer;
use crate::output::{Output, OutputError};
use crate::sink::{Sink, SinkError};
use crate::spool::Spool;
use crate::tar::{Kind, Member};
use crate::target::{BlobWriter, ListedImage, Target, TargetError};

/// The file that lists the image for Docker.
const DOCKER_MANIFEST: &str = "manifest.json";

/// An archive of a layout that holds one image, or one index.
pub struct LayoutArchiveTarget<'p> {
    tar: ArchiveStream<'p>,
    mtime: i64,
    names: Option<Vec<String>>,
    written: HashSet<Digest>,
    begun: bool,
    /// Where layers of unknown digest are put aside.
    aside: PathBuf,
    is_hybrid: bool,
    /// The image of a hybrid archive, as `manifest.json` lists it but for its names, and its manifest.
    listed: Option<(Value, Document)>,
}

/// A blob that is put aside until its digest is known.
struct Aside<'a, 'p> {
    archive: &'a mut LayoutArchiveTarget<'p>,
    spool: Spool,
}

impl<'p> LayoutArchiveTarget<'p> {
    /// Begins an archive. `mtime` is the time of everything in it, in seconds since 1970; `names`, if any, are the image's
    /// names in place of its own. Layers whose digests are not known beforehand are put aside in the directory `aside`, in
    /// files without names. Bytes written are added to `progress`.
    pub fn new(
        output: Output,
        mtime: i64,
        names: Option<Vec<String>>,
        aside: PathBuf,
        progress: &'p AtomicU64,
    ) -> Result<Self, OutputError> {
        let tar = ArchiveStream::new(output, progress)?;
        let (written, begun) = (HashSet::new(), false);
        Ok(Self { tar, mtime, names, written, begun, aside, is_hybrid: false, listed: None })
    }

    /// Makes it a hybrid archive.
    #[must_use]
    pub fn hybrid(self) -> Self {
        Self { is_hybrid: true, ..self }
    }

    /// Writes what stands in front of all blobs.
    fn start(&mut self) -> Result<(), Error> {
        if !std::mem::replace(&mut self.begun, true) {
            self.tar.document(LAYOUT, LAYOUT_TEXT.as_bytes(), self.mtime)?;
            for name in ["blobs/".to_owned(), format!("{BLOBS}/")] {
                let member =
                    Member { kind: Kind::DIRECTORY, mode: 0o755, ..Member::file(name, 0, self.mtime) };
                self.tar.member(&member)?;
            }
        }
        Ok(())
    }

    fn document(&mut self, document: &Document) -> Result<(), Error> {
        self.start()?;
        let digest = document.digest();
        if self.written.insert(digest) {
            self.tar.document(&blob_name(digest), document.text(), self.mtime)?;
        }
        Ok(())
    }

    fn member(&self, blob: &Descriptor) -> Member {
        Member::file(blob_name(blob.digest), blob.size, self.mtime)
    }
}

impl Target for LayoutArchiveTarget<'_> {
    fn name(&self) -> String {
        let form = if self.is_hybrid { "hybrid-archive" } else { "oci-archive" };
        format!("{form}:{}", self.tar.path().display())
    }

    /// In a `manifest.json` there is no room for an index.
    fn has_manifests(&self) -> bool {
        !self.is_hybrid
    }

    fn blob<'t>(
        &'t mut self,
        _: &Layer,
        blob: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError> {
        self.start()?;
        Ok(match blob {
            None => {
                let spool = Spool::new(&self.aside).map_err(Error::Write)?;
                Some(Box::new(Aside { archive: self, spool }))
            }
            Some(blob) if self.written.insert(blob.digest) => {
                self.tar.member(&self.member(blob))?;
                Some(Box::new(self.tar.content(blob.size)))
            }
            Some(_) => None,
        })
    }

    fn image(&mut self, listed: &ListedImage<'_>, _: &Report<'_>) -> Result<(), TargetError> {
        self.document(&listed.image.config)?;
        if self.is_hybrid {
            let layers: Vec<String> =
                listed.image.layers.iter().map(|layer| blob_name(layer.descriptor.digest)).collect();
            let entry = json!({ "Config": blob_name(listed.image.id()), "RepoTags": [], "Layers": layers });
            self.listed = Some((entry, listed.manifest.clone()));
        }
        self.manifest(listed.manifest)
    }

    fn manifest(&mut self, manifest: &Document) -> Result<(), TargetError> {
        Ok(self.document(manifest)?)
    }

    fn finish(&mut self, top: &Document, names: &[String]) -> Result<(), TargetError> {
        let names = self.names.take().unwrap_or_else(|| names.to_vec());
        let mut index = LayoutIndex::empty();
        if let Some((mut entry, manifest)) = self.listed.take() {
            entry["RepoTags"] = json!(names);
            let list = json!([entry]).to_string();
            self.tar.document(DOCKER_MANIFEST, list.as_bytes(), self.mtime)?;
            index.add(&manifest, &names);
        } else {
            self.document(top)?;
            index.add(top, &names);
        }
        self.tar.document(INDEX, &index.text(), self.mtime)?;
        Ok(self.tar.finish()?)
    }
}

impl Sink for Aside<'_, '_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.spool.bytes(data)
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        self.spool.file(file, offset, length)
    }
}

impl BlobWriter for Aside<'_, '_> {
    fn finish(self: Box<Self>, blob: &Descriptor) -> Result<(), TargetError> {
        let Self { archive, spool } = *self;
        if archive.written.insert(blob.digest) {
            archive.tar.member(&archive.member(blob))?;
            archive.tar.file(spool.content(), blob.size)?;
        }
        Ok(())
    }
}

//! Writes an image into an OCI layout directory, which may hold others.
//!
//! Each file gets its name when it is whole. Documents that list a blob come after the blob, `index.json` last: a process that is
//! killed leaves a layout in which nothing is missing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;

use super::blobs::LayoutBlobs;
use super::checked::CheckedBlobs;
use super::index::LayoutIndex;
use super::{BLOBS, INDEX, LAYOUT, LAYOUT_TEXT, blob_name};
use crate::descriptor::Descriptor;
use crate::directory_handle::DirectoryHandle;
use crate::document::Document;
use crate::error::Error;
use crate::event::Report;
use crate::layer::Layer;
use crate::new_file::NewFile;
use crate::parsed::OpenError;
use crate::sink::{DescriptorSink, Sink, SinkError};
use crate::target::{BlobWriter, ListedImage, Target, TargetError};

/// Why images cannot be put into a directory.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It cannot be made or written to.
    #[error("cannot be written")]
    Write(#[source] io::Error),
    /// It holds something else.
    #[error("is not an OCI layout, and not empty")]
    Occupied,
    /// It is a layout that is damaged.
    #[error(transparent)]
    Damaged(#[from] OpenError),
}

/// A layout in a directory, which may hold other images.
pub struct LayoutTarget<'p> {
    root: PathBuf,
    names: Option<Vec<String>>,
    progress: &'p AtomicU64,
    /// The properties of existing blobs, where they are requested.
    checked: Option<CheckedBlobs>,
}

/// A blob that is being written.
struct NewBlob<'a, 'p> {
    layout: &'a LayoutTarget<'p>,
    file: NewFile,
    sink: DescriptorSink<'p>,
}

impl<'p> LayoutTarget<'p> {
    /// Makes the layout in `root` if there is none, else makes sure that it can be added to. `names`, if any, are the
    /// image's names in place of its own. Bytes written are added to `progress`.
    pub fn new(
        root: &Path,
        names: Option<Vec<String>>,
        progress: &'p AtomicU64,
    ) -> Result<Self, PrepareError> {
        fs::create_dir_all(root).map_err(PrepareError::Write)?;
        let root = fs::canonicalize(root).map_err(PrepareError::Write)?;
        let layout = Self { root, names, progress, checked: None };
        let _lock = layout.lock().map_err(PrepareError::Write)?;
        if layout.root.join(LAYOUT).symlink_metadata().is_ok() {
            let blobs = LayoutBlobs::directory(&layout.root)?;
            blobs.check_version()?;
            layout.index(&blobs)?;
        } else {
            for entry in fs::read_dir(&layout.root).map_err(PrepareError::Write)? {
                let name = entry.map_err(PrepareError::Write)?.file_name();
                // A process that was killed may have left its beginning.
                if !name.to_string_lossy().starts_with(&format!(".{LAYOUT}.")) {
                    return Err(PrepareError::Occupied);
                }
            }
            layout.file(LAYOUT, LAYOUT_TEXT.as_bytes()).map_err(PrepareError::Write)?;
        }
        let root = DirectoryHandle::open(&layout.root).map_err(PrepareError::Write)?;
        root.make(BLOBS, 0o777).map_err(PrepareError::Write)?;
        Ok(layout)
    }

    /// Has blobs that are there already read before they count as being there. Otherwise their sizes tell.
    #[must_use]
    pub fn verifying(self, verify: bool) -> Self {
        Self { checked: verify.then(CheckedBlobs::default), ..self }
    }

    /// Waits until no other process changes the layout, and keeps others waiting until it is dropped.
    fn lock(&self) -> io::Result<File> {
        let directory = File::open(&self.root)?;
        // Some file systems have no locks; there it is as without.
        let _ = rustix::fs::flock(&directory, FlockOperation::LockExclusive);
        Ok(directory)
    }

    fn index(&self, blobs: &LayoutBlobs) -> Result<LayoutIndex, OpenError> {
        match self.root.join(INDEX).symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(LayoutIndex::empty()),
            _ => LayoutIndex::parse(&blobs.file(INDEX)?),
        }
    }

    /// Lists the image, by itself: of two processes that do so the second sees what the first has done.
    fn list(&self, manifest: &Document, names: &[String]) -> Result<(), TargetError> {
        let _lock = self.lock().map_err(Error::Write)?;
        let blobs = LayoutBlobs::directory(&self.root).map_err(TargetError::Add)?;
        let mut index = self.index(&blobs).map_err(TargetError::Add)?;
        index.add(manifest, names);
        self.file(INDEX, &index.text()).map_err(Error::Write)?;
        Ok(())
    }

    fn document(&self, document: &Document) -> Result<(), Error> {
        if self.has_blob(document.descriptor()) {
            return Ok(());
        }
        self.file(&blob_name(document.digest()), document.text()).map_err(Error::Write)?;
        self.checked.iter().for_each(|checked| checked.written(document.digest()));
        Ok(())
    }

    fn file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = NewFile::beneath(&DirectoryHandle::open(&self.root)?, name)?;
        new.file().write_all(content)?;
        self.progress.fetch_add(content.len() as u64, Ordering::Relaxed);
        new.commit()
    }

    fn has_blob(&self, blob: &Descriptor) -> bool {
        let path = self.root.join(blob_name(blob.digest));
        let is_there = path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == blob.size);
        is_there && self.checked.as_ref().is_none_or(|checked| checked.is_right(&self.root, blob.digest))
    }
}

impl Target for LayoutTarget<'_> {
    fn name(&self) -> String {
        format!("oci:{}", self.root.display())
    }

    fn missing(&self, blobs: &[Descriptor]) -> Result<Vec<bool>, TargetError> {
        Ok(blobs.iter().map(|blob| !self.has_blob(blob)).collect())
    }

    fn blob<'t>(
        &'t mut self,
        _: &Layer,
        blob: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError> {
        if blob.is_some_and(|blob| self.has_blob(blob)) {
            return Ok(None);
        }
        let root = DirectoryHandle::open(&self.root).map_err(Error::Write)?;
        let new = NewFile::beneath(&root, format!("{BLOBS}/unnamed")).map_err(Error::Write)?;
        let file = new.file().as_fd().try_clone_to_owned().map_err(Error::Write)?;
        let sink = DescriptorSink::new(file, self.progress);
        Ok(Some(Box::new(NewBlob { layout: self, file: new, sink })))
    }

    fn image(&mut self, listed: &ListedImage<'_>, _: &Report<'_>) -> Result<(), TargetError> {
        self.document(&listed.image.config)?;
        self.manifest(listed.manifest)
    }

    fn manifest(&mut self, manifest: &Document) -> Result<(), TargetError> {
        Ok(self.document(manifest)?)
    }

    fn finish(&mut self, top: &Document, names: &[String]) -> Result<(), TargetError> {
        self.document(top)?;
        self.list(top, self.names.as_deref().unwrap_or(names))
    }
}

impl Sink for NewBlob<'_, '_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.sink.bytes(data)
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        self.sink.file(file, offset, length)
    }
}

impl BlobWriter for NewBlob<'_, '_> {
    fn finish(self: Box<Self>, blob: &Descriptor) -> Result<(), TargetError> {
        let Self { layout, file, sink } = *self;
        sink.finish()?;
        if !layout.has_blob(blob) {
            file.commit_as(&blob.digest.hex()).map_err(Error::Write)?;
            layout.checked.iter().for_each(|checked| checked.written(blob.digest));
        }
        Ok(())
    }
}

//! Writes an image into an OCI layout directory, which may hold others.
//!
//! Each file gets its name when it is whole. What lists a blob comes after the blob, `index.json` last: a process that is
//! killed leaves a layout in which nothing is missing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;

use super::blobs::LayoutBlobs;
use super::checked::CheckedBlobs;
use super::index::LayoutIndex;
use super::{BLOBS, INDEX, LAYOUT, LAYOUT_TEXT, blob_name};
use crate::blob::Blob;
use crate::destination::{Destination, FinishError};
use crate::digest::Digest;
use crate::directory_handle::DirectoryHandle;
use crate::error::Error;
use crate::image::Image;
use crate::layer::Layer;
use crate::manifest::Manifest;
use crate::new_file::NewFile;
use crate::parsed::OpenError;
use crate::sink::{Descriptor, Sink};

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

/// Writes an image into a directory.
pub struct LayoutWriter<'p> {
    root: PathBuf,
    tags: Option<Vec<String>>,
    progress: &'p AtomicU64,
    /// What has been found out of blobs that are there, where that is asked for.
    checked: Option<CheckedBlobs>,
    /// Bytes written.
    written: u64,
    /// The layer that is being written.
    open: Option<(NewFile, Descriptor<'p>)>,
}

impl<'p> LayoutWriter<'p> {
    /// Makes the layout in `root` if there is none, else makes sure that it can be added to. `tags`, if any, are the
    /// image's names in place of its own. What is written is added to `progress`.
    pub fn new(
        root: &Path,
        tags: Option<Vec<String>>,
        progress: &'p AtomicU64,
    ) -> Result<Self, PrepareError> {
        fs::create_dir_all(root).map_err(PrepareError::Write)?;
        let root = fs::canonicalize(root).map_err(PrepareError::Write)?;
        let mut writer = Self { root, tags, progress, checked: None, written: 0, open: None };
        let _lock = writer.lock().map_err(PrepareError::Write)?;
        if writer.root.join(LAYOUT).symlink_metadata().is_ok() {
            let blobs = LayoutBlobs::directory(&writer.root)?;
            blobs.check_version()?;
            writer.index(&blobs)?;
        } else {
            for entry in fs::read_dir(&writer.root).map_err(PrepareError::Write)? {
                let name = entry.map_err(PrepareError::Write)?.file_name();
                // A process that was killed may have left its beginning.
                if !name.to_string_lossy().starts_with(&format!(".{LAYOUT}.")) {
                    return Err(PrepareError::Occupied);
                }
            }
            writer.file(LAYOUT, LAYOUT_TEXT.as_bytes()).map_err(PrepareError::Write)?;
        }
        let root = DirectoryHandle::open(&writer.root).map_err(PrepareError::Write)?;
        root.make(BLOBS, 0o777).map_err(PrepareError::Write)?;
        Ok(writer)
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
    fn list(&mut self, manifest: &Manifest, names: &[String]) -> Result<(), FinishError> {
        let _lock = self.lock().map_err(Error::Write)?;
        let blobs = LayoutBlobs::directory(&self.root).map_err(FinishError::Add)?;
        let mut index = self.index(&blobs).map_err(FinishError::Add)?;
        index.add(manifest, names);
        self.file(INDEX, &index.text()).map_err(Error::Write)?;
        Ok(())
    }

    fn blob(&mut self, content: &[u8]) -> Result<(), Error> {
        let digest = Digest::of(content);
        if self.has(digest, content.len() as u64) {
            return Ok(());
        }
        self.file(&blob_name(digest), content).map_err(Error::Write)?;
        self.checked.iter().for_each(|checked| checked.written(digest));
        Ok(())
    }

    fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = NewFile::beneath(&DirectoryHandle::open(&self.root)?, name)?;
        new.file().write_all(content)?;
        self.progress.fetch_add(content.len() as u64, Ordering::Relaxed);
        self.written += content.len() as u64;
        new.commit()
    }
}

impl Destination for LayoutWriter<'_> {
    fn has(&self, digest: Digest, size: u64) -> bool {
        let path = self.root.join(blob_name(digest));
        let is_there = path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == size);
        is_there && self.checked.as_ref().is_none_or(|checked| checked.is_right(&self.root, digest))
    }

    fn begin(&mut self, _: &Layer, blob: Option<&Blob>) -> Result<Option<&mut dyn Sink>, Error> {
        if blob.is_some_and(|blob| self.has(blob.digest, blob.size)) {
            return Ok(None);
        }
        let root = DirectoryHandle::open(&self.root).map_err(Error::Write)?;
        let new = NewFile::beneath(&root, format!("{BLOBS}/unnamed")).map_err(Error::Write)?;
        let file = new.file().as_fd().try_clone_to_owned().map_err(Error::Write)?;
        let (_, sink) = self.open.insert((new, Descriptor::new(file, self.progress)));
        Ok(Some(sink))
    }

    fn end(&mut self, _: &Layer, blob: &Blob) -> Result<(), Error> {
        if let Some((new, sink)) = self.open.take() {
            sink.finish()?;
            self.written += blob.size;
            if !self.has(blob.digest, blob.size) {
                new.commit_as(&blob.digest.hex()).map_err(Error::Write)?;
                self.checked.iter().for_each(|checked| checked.written(blob.digest));
            }
        }
        Ok(())
    }

    fn image(&mut self, image: &Image, manifest: &Manifest) -> Result<(), FinishError> {
        self.blob(&image.config)?;
        self.manifest(manifest)
    }

    fn manifest(&mut self, manifest: &Manifest) -> Result<(), FinishError> {
        Ok(self.blob(&manifest.text)?)
    }

    fn finish(&mut self, top: &Manifest, names: &[String]) -> Result<u64, FinishError> {
        let names = self.tags.clone().unwrap_or_else(|| names.to_vec());
        self.list(top, &names)?;
        Ok(self.written)
    }
}

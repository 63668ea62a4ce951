//! Uploads of layers that are on their way to other places as well: they are read once for all.
//!
//! Such an upload cannot be begun again, so one that fails is given up, and none of its failures counts: the layer is left
//! to [`Push`](crate::Push), which sends whatever is missing.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use strake_image::blob::Blob;
use strake_image::destination::{Destination, FinishError};
use strake_image::digest::Digest;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::layer::Layer;
use strake_image::manifest::Manifest;
use strake_image::sink::{Sink, SinkError};

use crate::body::{PipeSink, pipe};
use crate::repository::Repository;

/// Uploads layers as they come. What it was is not finished by this, but by a [`Push`](crate::Push).
pub struct Along<'p> {
    repository: Arc<Repository>,
    progress: &'p AtomicU64,
    open: Option<Open<'p>>,
    sent: HashSet<Digest>,
}

/// An upload.
struct Open<'p> {
    progress: &'p AtomicU64,
    /// `None`: it has failed.
    sink: Option<PipeSink>,
    /// Tells whether it is there.
    uploader: JoinHandle<bool>,
}

impl<'p> Along<'p> {
    /// Will upload to this repository, and add what is sent to `progress`.
    pub fn new(repository: Arc<Repository>, progress: &'p AtomicU64) -> Self {
        Self { repository, progress, open: None, sent: HashSet::new() }
    }

    /// Whether the registry has the layer in another repository, so that it need not come here.
    fn can_be_mounted(&self, layer: &Layer) -> bool {
        layer.draft.recipe.repository().is_some_and(|(host, _)| host == self.repository.host())
    }

    /// What was sent.
    pub fn sent(self) -> HashSet<Digest> {
        self.sent
    }
}

impl Destination for Along<'_> {
    fn has(&self, digest: Digest, size: u64) -> bool {
        self.repository.has_blob(digest, size).unwrap_or(false)
    }

    fn begin(&mut self, layer: &Layer, blob: Option<&Blob>) -> Result<Option<&mut dyn Sink>, Error> {
        if blob.is_some_and(|blob| *blob == layer.blob) && self.can_be_mounted(layer) {
            return Ok(None);
        }
        if blob.is_some_and(|blob| self.has(blob.digest, blob.size)) {
            return Ok(None);
        }
        let known = blob.map(|blob| (blob.digest, blob.size));
        let (sink, reader) = pipe();
        let repository = self.repository.clone();
        let uploader = std::thread::spawn(move || repository.upload_once(reader, known).unwrap_or(false));
        Ok(Some(self.open.insert(Open { progress: self.progress, sink: Some(sink), uploader })))
    }

    fn end(&mut self, _layer: &Layer, blob: &Blob) -> Result<(), Error> {
        let Some(Open { sink, uploader, .. }) = self.open.take() else { return Ok(()) };
        // Whatever has failed, what is missing will be sent later.
        let _ = sink.map(|sink| sink.finish((blob.digest, blob.size)));
        if uploader.join().unwrap_or(false) {
            self.sent.insert(blob.digest);
        }
        Ok(())
    }

    fn image(&mut self, _: &Image, _: &Manifest) -> Result<(), FinishError> {
        Ok(())
    }

    fn manifest(&mut self, _: &Manifest) -> Result<(), FinishError> {
        Ok(())
    }

    fn finish(&mut self, _: &Manifest, _: &[String]) -> Result<u64, FinishError> {
        Ok(0)
    }
}

impl Sink for Open<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.pass(data.len() as u64, |sink| sink.bytes(data))
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        self.pass(length, |sink| sink.file(file, offset, length))
    }
}

impl Open<'_> {
    fn pass(
        &mut self,
        length: u64,
        write: impl FnOnce(&mut PipeSink) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        match self.sink.as_mut().map(write) {
            // The upload has failed, which is no failure of the others.
            Some(Err(SinkError::Cancelled)) => {
                self.sink = None;
                Ok(())
            }
            Some(result) => {
                self.progress.fetch_add(length, Ordering::Relaxed);
                result
            }
            None => Ok(()),
        }
    }
}

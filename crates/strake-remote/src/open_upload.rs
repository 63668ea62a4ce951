//! Uploads of layers that are on their way to other targets as well: they are read once for all.
//!
//! Such an upload cannot be begun again, so one that fails is given up, and none of its failures counts: the target sends
//! whatever is missing when it is given the image.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use strake_image::sink::{Sink, SinkError};
use strake_image::{BlobWriter, Descriptor, Digest, TargetError};

use crate::body::{PipeSink, pipe};
use crate::repository::Repository;

/// An upload in the background.
pub(crate) struct OpenUpload<'t> {
    progress: &'t AtomicU64,
    /// `None`: it has failed.
    sink: Option<PipeSink>,
    /// Tells whether the blob is there.
    uploader: JoinHandle<bool>,
    sent: &'t mut HashSet<Digest>,
}

impl<'t> OpenUpload<'t> {
    /// Begins an upload of what is written. A blob that is there in the end is added to `sent`.
    pub(crate) fn begin(
        repository: Arc<Repository>,
        blob: Option<Descriptor>,
        progress: &'t AtomicU64,
        sent: &'t mut HashSet<Digest>,
    ) -> Self {
        let (sink, reader) = pipe();
        let uploader =
            std::thread::spawn(move || repository.upload_once(reader, blob.as_ref()).unwrap_or(false));
        Self { progress, sink: Some(sink), uploader, sent }
    }

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

impl Sink for OpenUpload<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.pass(data.len() as u64, |sink| sink.bytes(data))
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        self.pass(length, |sink| sink.file(file, offset, length))
    }
}

impl BlobWriter for OpenUpload<'_> {
    fn finish(self: Box<Self>, blob: &Descriptor) -> Result<(), TargetError> {
        let Self { sink, uploader, sent, .. } = *self;
        // Whatever has failed, what is missing will be sent later.
        let _ = sink.map(|sink| sink.finish(blob.clone()));
        if uploader.join().unwrap_or(false) {
            sent.insert(blob.digest);
        }
        Ok(())
    }
}

//! Where images go: what all forms in which they are written have in common.
//!
//! Layers come one by one, lowest first, so that a layer's digest need only be known when its turn comes.

use crate::blob::Blob;
use crate::digest::Digest;
use crate::error::Error;
use crate::image::Image;
use crate::layer::Layer;
use crate::manifest::Manifest;
use crate::parsed::OpenError;
use crate::python::json::JsonError;
use crate::sink::Sink;

/// Something that an image is written to.
pub trait Destination {
    /// Whether this blob is there already, so that it will not be wanted.
    fn has(&self, _digest: Digest, _size: u64) -> bool {
        false
    }

    /// Whether layers go there as they are, even if they are to be compressed for others. Then the blob that it is told of
    /// is [`Layer::blob`].
    fn uncompressed_only(&self) -> bool {
        false
    }

    /// Begins a layer. Its bytes are to be written to what is returned, if anything is, before [`Destination::end`].
    ///
    /// `blob` is what will be written. `None`: that will be known when it is written, since the layer is compressed on its
    /// way. Then it is always wanted.
    fn begin(&mut self, layer: &Layer, blob: Option<&Blob>) -> Result<Option<&mut dyn Sink>, Error>;

    /// Ends the layer that was begun last; `blob` is what was written, or is there already.
    fn end(&mut self, layer: &Layer, blob: &Blob) -> Result<(), Error>;

    /// Writes what lists an image whose layers were written: its config and its manifest.
    fn image(&mut self, image: &Image, manifest: &Manifest) -> Result<(), FinishError>;

    /// Writes what lists something else that was written: a manifest or an index.
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), FinishError>;

    /// Ends. From now on `top`, which was written last, stands for all of it under these names. Returns how many bytes were
    /// written.
    fn finish(&mut self, top: &Manifest, names: &[String]) -> Result<u64, FinishError>;
}

/// Why an image could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// See [`Error`].
    #[error(transparent)]
    Write(#[from] Error),
    /// The image's config cannot be written as JSON.
    #[error("cannot write the image's config")]
    Config(#[from] JsonError),
    /// What the image is to be added to is damaged.
    #[error("cannot add the image")]
    Add(#[source] OpenError),
}

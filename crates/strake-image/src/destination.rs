//! Where images go: what all forms in which they are written have in common.
//!
//! Layers come one by one, lowest first, so that a layer's digest need only be known when its turn comes, and each is
//! read once for however many destinations there are.

use crate::digest::Digest;
use crate::error::Error;
use crate::foreign::OpenError;
use crate::image::Image;
use crate::layer::Layer;
use crate::python::json::JsonError;
use crate::sink::{Fan, Sink};
use crate::store::Store;

/// Something that an image is written to.
pub trait Destination {
    /// Whether this blob is there already, so that it will not be wanted.
    fn has(&self, _digest: Digest, _size: u64) -> bool {
        false
    }

    /// Begins a layer. Its bytes are to be written to what is returned, if anything is, before [`Destination::end`].
    fn begin(&mut self, layer: &Layer) -> Result<Option<&mut dyn Sink>, Error>;

    /// Ends the layer that was begun last.
    fn end(&mut self, layer: &Layer) -> Result<(), Error>;

    /// Writes what is not in the layers. `image` holds the layers that were written.
    fn finish(&mut self, image: &Image) -> Result<Written, FinishError>;
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The image's ID: the digest of its config.
    pub image_id: Digest,
    /// The digest of its manifest, where it has one.
    pub manifest: Option<Digest>,
    /// Bytes written.
    pub size: u64,
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

/// Writes a layer to several destinations, reading it once, or not at all if none wants it. For `verify` see
/// [`Layer::write`].
pub fn write_layer(
    layer: &Layer,
    store: &Store,
    verify: bool,
    destinations: &mut [&mut dyn Destination],
) -> Result<(), Error> {
    let mut sinks = Vec::with_capacity(destinations.len());
    for destination in &mut *destinations {
        sinks.extend(destination.begin(layer)?);
    }
    match &mut sinks[..] {
        [] => {}
        [sink] => layer.write(store, verify, *sink)?,
        _ => layer.write(store, verify, &mut Fan(sinks))?,
    }
    destinations.iter_mut().try_for_each(|destination| destination.end(layer))
}

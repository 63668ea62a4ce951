//! Targets: where images are delivered to.
//!
//! One file for each target implements [`Target`]; `deliver` drives all of them. A target that is
//! a file takes each layer when its turn comes. A target that asks for what it lacks, such as a registry or an engine, is
//! given the described image.

use std::collections::HashMap;

use crate::compression::Compression;
use crate::content::Content;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::document::Document;
use crate::error::Error;
use crate::event::Report;
use crate::image::Image;
use crate::layer::Layer;
use crate::parsed::OpenError;
use crate::sink::Sink;

/// Something that images are delivered to.
pub trait Target {
    /// The name in messages.
    fn name(&self) -> String;

    /// Whether layers go there uncompressed, even if they are compressed for others.
    fn uncompressed_only(&self) -> bool {
        false
    }

    /// Whether images are listed there by manifests. If not, there is no room for indexes.
    fn has_manifests(&self) -> bool {
        true
    }

    /// Whether it asks for the blobs that it lacks ([`Target::send`]), so that it need not be offered them one by one.
    fn asks(&self) -> bool {
        false
    }

    /// Which of these blobs are missing there, in their order: all of them where nothing is kept from before.
    fn missing(&self, blobs: &[Descriptor]) -> Result<Vec<bool>, TargetError> {
        Ok(vec![true; blobs.len()])
    }

    /// What layers are there once compressed in this format, by diff id, as far as images that are there tell; or uncompressed,
    /// with `plain_too`. A blob that it names is there.
    fn known_blobs(
        &self,
        _image: &Image,
        _diff_ids: &[Digest],
        _compression: Compression,
        _plain_too: bool,
    ) -> Result<HashMap<Digest, Descriptor>, TargetError> {
        Ok(HashMap::new())
    }

    /// Begins a layer, or another blob. `blob` is what will be written; `None`: that will be known when it is written, since
    /// the layer is compressed on its way. Returns nothing if the blob is there already, or will be asked for.
    fn blob<'t>(
        &'t mut self,
        layer: &Layer,
        blob: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError>;

    /// Makes sure that all of these are there, in any order. Returns their descriptors.
    fn send(
        &mut self,
        contents: &[&dyn Content],
        _report: &Report<'_>,
    ) -> Result<Vec<Descriptor>, TargetError> {
        Ok(contents.iter().filter_map(|content| content.descriptor().cloned()).collect())
    }

    /// Whether a manifest is there already. `is_top`: under the names that it is to get.
    fn has(&mut self, _manifest: &Document, _is_top: bool) -> Result<bool, TargetError> {
        Ok(false)
    }

    /// Fails if the target was promised another manifest than this one, which will get its names.
    fn expects(&self, _top: &Document) -> Result<(), TargetError> {
        Ok(())
    }

    /// Lists an image whose blobs are there: writes its config and its manifest. `contents` are its blobs, should some of them
    /// have vanished. `is_top`: nothing else will list it.
    fn image(&mut self, image: &ListedImage<'_>, report: &Report<'_>) -> Result<(), TargetError>;

    /// Adds a manifest or an index that lists what is there.
    fn manifest(&mut self, manifest: &Document) -> Result<(), TargetError>;

    /// Ends: everything is there, and from now on `top` has these names.
    fn finish(&mut self, top: &Document, names: &[String]) -> Result<(), TargetError>;
}

/// An image on its way into a target.
#[derive(Clone, Copy)]
pub struct ListedImage<'i> {
    /// The image.
    pub image: &'i Image,
    /// Its manifest.
    pub manifest: &'i Document,
    /// Its layers and its config.
    pub contents: &'i [&'i dyn Content],
    /// Whether it gets the names itself, rather than an index that lists it.
    pub is_top: bool,
}

/// A blob that is being written to a target. If it is dropped before it is finished, nothing is left of it.
pub trait BlobWriter: Sink {
    /// Ends the blob: this is what was written.
    fn finish(self: Box<Self>, blob: &Descriptor) -> Result<(), TargetError>;
}

/// Why an image could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A layer cannot be read, or a target cannot be written to.
    #[error(transparent)]
    Write(#[from] Error),
    /// The image cannot be put together.
    #[error(transparent)]
    Describe(crate::engine::DescribeError),
    /// The archive or layout that the image is added to is damaged.
    #[error("cannot add the image")]
    Add(#[source] OpenError),
    /// Images cannot be listed together.
    #[error(transparent)]
    Index(#[from] crate::manifest::IndexError),
    /// A target that is no file failed.
    #[error(transparent)]
    Remote(Box<dyn std::error::Error + Send + Sync>),
}

impl From<crate::sink::SinkError> for TargetError {
    fn from(error: crate::sink::SinkError) -> Self {
        Self::Write(error.into())
    }
}

impl From<crate::python::json::JsonError> for TargetError {
    fn from(error: crate::python::json::JsonError) -> Self {
        Self::Describe(error.into())
    }
}

//! Writes a docker-archive, as a stream: layers first, what lists them last.

use serde_json::json;

use crate::digest::Digest;
use crate::error::Error;
use crate::image::Image;
use crate::layer::Layer;
use crate::python::json::{JsonError, to_vec_pretty};
use crate::sink::Sink;
use crate::store::Store;
use crate::tar::{Member, Writer};

/// Why an archive could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// See [`Error`].
    #[error(transparent)]
    Write(#[from] Error),
    /// The image's config cannot be written as JSON.
    #[error("cannot write the image's config")]
    Config(#[from] JsonError),
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The image's ID: the digest of its config.
    pub image_id: Digest,
    /// The archive's size in bytes.
    pub size: u64,
}

/// Writes an archive layer by layer, so that a layer's digest need only be known when its turn comes.
pub struct ArchiveWriter<'s> {
    tar: Writer<'s>,
    mtime: i64,
}

impl<'s> ArchiveWriter<'s> {
    /// Begins an archive. `mtime` is for everything in it that has no time of its own, in seconds since 1970.
    pub fn new(sink: &'s mut dyn Sink, mtime: i64) -> Self {
        Self { tar: Writer::new(sink), mtime }
    }

    /// Writes the next layer. For `verify` see [`Layer::write`].
    pub fn layer(&mut self, layer: &Layer, store: &Store, verify: bool) -> Result<(), Error> {
        let mut member = match &layer.draft.member {
            Some(member) => member.clone(),
            None => Member::file(layer_name(layer), layer.size, self.mtime),
        };
        if !member.kind.is_file() {
            member.size = 0;
            return Ok(self.tar.member(&member)?);
        }
        self.tar.member(&member)?;
        self.tar.content(layer.size, |sink| layer.write(store, verify, sink))
    }

    /// Writes the config and `manifest.json`, and ends the archive. `image` holds the layers that were written.
    pub fn finish(mut self, image: &Image) -> Result<Written, FinishError> {
        let image_id = image.id();
        let config_name = format!("{}.json", image_id.hex());
        self.file(&config_name, &image.config)?;
        let manifest = to_vec_pretty(&json!([{
            "Config": config_name,
            "RepoTags": image.tags,
            "Layers": image.layers.iter().map(layer_name).collect::<Vec<_>>(),
        }]))?;
        self.file("manifest.json", &manifest)?;
        Ok(Written { image_id, size: self.tar.finish().map_err(Error::from)? })
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        self.tar.member(&Member::file(name, content.len() as u64, self.mtime))?;
        Ok(self.tar.bytes(content)?)
    }
}

/// The name under which a layer is in the archive.
fn layer_name(layer: &Layer) -> String {
    match &layer.draft.member {
        // A base image's layers are found by names in a JSON text, so they are text.
        Some(member) => String::from_utf8_lossy(&member.name).into_owned(),
        None => format!("{}/layer.tar", layer.diff_id.hex()),
    }
}

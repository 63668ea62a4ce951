//! Writes a docker-archive, as a stream: layers first, what lists them last.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::blob::Blob;
use crate::destination::{Destination, FinishError};
use crate::draft::usual_member_name;
use crate::error::Error;
use crate::image::Image;
use crate::layer::Layer;
use crate::manifest::Manifest;
use crate::python::json::to_vec_pretty;
use crate::sink::Sink;
use crate::tar::{Member, Writer};

/// Writes an archive layer by layer, so that a layer's digest need only be known when its turn comes.
///
/// It may get several images, one after the other. What an earlier one has is not written again.
pub struct ArchiveWriter<'s> {
    tar: Writer<'s>,
    mtime: i64,
    tags: Option<Vec<String>>,
    /// The images that are complete, as `manifest.json` lists them.
    images: Vec<Value>,
    /// The names of all that these have.
    written: HashSet<String>,
    /// Whether a layer is being written.
    open: bool,
}

impl<'s> ArchiveWriter<'s> {
    /// Begins an archive. `mtime` is for everything in it that has no time of its own, in seconds since 1970.
    pub fn new(sink: &'s mut dyn Sink, mtime: i64) -> Self {
        Self {
            tar: Writer::new(sink),
            mtime,
            tags: None,
            images: Vec::new(),
            written: HashSet::new(),
            open: false,
        }
    }

    /// The image gets these names rather than its own.
    #[must_use]
    pub fn named(self, tags: Vec<String>) -> Self {
        Self { tags: Some(tags), ..self }
    }

    /// Completes an image: writes its config. Another may follow.
    pub fn add(&mut self, image: &Image) -> Result<(), Error> {
        let config_name = format!("{}.json", image.id().hex());
        if self.written.insert(config_name.clone()) {
            self.file(&config_name, &image.config)?;
        }
        let layers: Vec<_> = image.layers.iter().map(layer_name).collect();
        self.images.push(json!({
            "Config": config_name,
            "RepoTags": image.tags,
            "Layers": layers,
        }));
        self.written.extend(layers);
        Ok(())
    }

    /// Writes `manifest.json`, and ends the archive. Returns its length in bytes.
    pub fn close(&mut self) -> Result<u64, FinishError> {
        let manifest = to_vec_pretty(&json!(self.images))?;
        self.file("manifest.json", &manifest)?;
        Ok(self.tar.finish().map_err(Error::from)?)
    }

    fn file(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        self.tar.member(&Member::file(name, content.len() as u64, self.mtime))?;
        Ok(self.tar.bytes(content)?)
    }
}

impl Destination for ArchiveWriter<'_> {
    /// Docker's format names layers by their diff ids, and `docker load` would have to decompress them.
    fn uncompressed_only(&self) -> bool {
        true
    }

    fn begin(&mut self, layer: &Layer, _: Option<&Blob>) -> Result<Option<&mut dyn Sink>, Error> {
        if self.written.contains(&layer_name(layer)) {
            self.open = false;
            return Ok(None);
        }
        let mut member = match &layer.draft.member {
            Some(member) => member.clone(),
            None => Member::file(layer_name(layer), layer.blob.size, self.mtime),
        };
        self.open = member.kind.is_file();
        if !self.open {
            member.size = 0;
        }
        self.tar.member(&member)?;
        Ok(if self.open { Some(self.tar.sink()) } else { None })
    }

    fn end(&mut self, layer: &Layer, _: &Blob) -> Result<(), Error> {
        if self.open {
            self.tar.pad(layer.blob.size)?;
        }
        Ok(())
    }

    fn image(&mut self, image: &Image, _: &Manifest) -> Result<(), FinishError> {
        Ok(self.add(image)?)
    }

    /// There is no place for it.
    fn manifest(&mut self, _: &Manifest) -> Result<(), FinishError> {
        Ok(())
    }

    /// Writes `manifest.json`, and ends the archive.
    fn finish(&mut self, _: &Manifest, names: &[String]) -> Result<u64, FinishError> {
        let names = self.tags.take().unwrap_or_else(|| names.to_vec());
        if let Some(image) = self.images.last_mut() {
            image["RepoTags"] = json!(names);
        }
        self.close()
    }
}

/// The name under which a layer is in the archive.
fn layer_name(layer: &Layer) -> String {
    match &layer.draft.member {
        // A base image's layers are found by names in a JSON text, so they are text.
        Some(member) => String::from_utf8_lossy(&member.name).into_owned(),
        None => usual_member_name(layer.diff_id),
    }
}

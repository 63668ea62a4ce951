//! Writes a docker-archive, as a stream: layers first, what lists them last.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use crate::archive_stream::ArchiveStream;
use crate::descriptor::Descriptor;
use crate::document::Document;
use crate::draft::usual_member_name;
use crate::error::Error;
use crate::event::Report;
use crate::image::Image;
use crate::layer::Layer;
use crate::output::{Output, OutputError};
use crate::python::json::to_vec_pretty;
use crate::tar::Member;
use crate::target::{BlobWriter, ListedImage, Target, TargetError};

/// A docker-archive. It may hold several images; what an earlier one has is not written again.
pub struct ArchiveTarget<'p> {
    tar: ArchiveStream<'p>,
    mtime: i64,
    names: Option<Vec<String>>,
    /// The images that are complete, as `manifest.json` lists them.
    images: Vec<Value>,
    /// The names of all members that these have.
    written: HashSet<String>,
}

impl<'p> ArchiveTarget<'p> {
    /// Begins an archive. `mtime` is the time of everything in it that has no time of its own, in seconds since 1970. Bytes
    /// written are added to `progress`.
    pub fn new(output: Output, mtime: i64, progress: &'p AtomicU64) -> Result<Self, OutputError> {
        let tar = ArchiveStream::new(output, progress)?;
        Ok(Self { tar, mtime, names: None, images: Vec::new(), written: HashSet::new() })
    }

    /// The image gets these names rather than its own.
    #[must_use]
    pub fn named(self, names: Option<Vec<String>>) -> Self {
        Self { names, ..self }
    }

    /// Completes an image: writes its config.
    fn add(&mut self, image: &Image) -> Result<(), Error> {
        let config_name = format!("{}.json", image.id().hex());
        if self.written.insert(config_name.clone()) {
            self.tar.document(&config_name, image.config.text(), self.mtime)?;
        }
        let layers: Vec<_> = image.layers.iter().map(|one| layer_name(&one.layer)).collect();
        self.images.push(json!({
            "Config": config_name,
            "RepoTags": self.names.as_ref().unwrap_or(&image.tags),
            "Layers": layers,
        }));
        self.written.extend(layers);
        Ok(())
    }
}

impl Target for ArchiveTarget<'_> {
    fn name(&self) -> String {
        format!("docker-archive:{}", self.tar.path().display())
    }

    /// Docker's format names layers by their diff ids, and `docker load` would have to decompress them.
    fn uncompressed_only(&self) -> bool {
        true
    }

    fn has_manifests(&self) -> bool {
        false
    }

    fn blob<'t>(
        &'t mut self,
        layer: &Layer,
        _: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError> {
        if self.written.contains(&layer_name(layer)) {
            return Ok(None);
        }
        let size = layer.stored.size;
        let mut member = match &layer.draft.member {
            Some(member) => member.clone(),
            None => Member::file(layer_name(layer), size, self.mtime),
        };
        let is_file = member.kind.is_file();
        if !is_file {
            member.size = 0;
        }
        self.tar.member(&member)?;
        Ok(is_file.then(|| Box::new(self.tar.content(size)) as _))
    }

    fn image(&mut self, listed: &ListedImage<'_>, _: &Report<'_>) -> Result<(), TargetError> {
        Ok(self.add(listed.image)?)
    }

    /// There is no place for it.
    fn manifest(&mut self, _: &Document) -> Result<(), TargetError> {
        Ok(())
    }

    /// Writes `manifest.json`, and ends the archive.
    fn finish(&mut self, _: &Document, _: &[String]) -> Result<(), TargetError> {
        let manifest = to_vec_pretty(&json!(self.images))?;
        self.tar.document("manifest.json", &manifest, self.mtime)?;
        Ok(self.tar.finish()?)
    }
}

/// The name under which a layer is in the archive.
fn layer_name(layer: &Layer) -> String {
    match &layer.draft.member {
        // A base image's layers are found by names in a JSON text, so they are strings.
        Some(member) => String::from_utf8_lossy(&member.name).into_owned(),
        None => usual_member_name(layer.diff_id),
    }
}

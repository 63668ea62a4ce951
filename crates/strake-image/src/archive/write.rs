//! Writes a docker-archive, as a stream: layers first, what lists them last.

use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use super::names::{MemberNames, Presence};
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
use crate::sink::Discard;
use crate::tar::Member;
use crate::target::{BlobWriter, ListedImage, Target, TargetError};

/// A docker-archive. It may hold several images; what an earlier one has is not written again.
pub struct ArchiveTarget<'p> {
    tar: ArchiveStream<'p>,
    mtime: i64,
    names: Option<Vec<String>>,
    /// The images that are complete, as `manifest.json` lists them.
    images: Vec<Value>,
    taken: MemberNames,
}

impl<'p> ArchiveTarget<'p> {
    /// Begins an archive. `mtime` is the time of everything in it that has no time of its own, in seconds since 1970. Bytes
    /// written are added to `progress`.
    pub fn new(output: Output, mtime: i64, progress: &'p AtomicU64) -> Result<Self, OutputError> {
        let tar = ArchiveStream::new(output, progress)?;
        Ok(Self { tar, mtime, names: None, images: Vec::new(), taken: MemberNames::new() })
    }

    /// The image gets these names rather than its own.
    #[must_use]
    pub fn named(self, names: Option<Vec<String>>) -> Self {
        Self { names, ..self }
    }

    /// Completes an image: writes its config.
    fn add(&mut self, image: &Image) -> Result<(), Error> {
        let config_name = format!("{}.json", image.id().hex());
        if self.taken.config(&config_name, image.id())? == Presence::New {
            self.tar.document(&config_name, image.config.text(), self.mtime)?;
        }
        let layers: Vec<_> = image.layers.iter().map(|one| layer_name(&one.layer)).collect();
        self.images.push(json!({
            "Config": config_name,
            "RepoTags": self.names.as_ref().unwrap_or(&image.tags),
            "Layers": layers,
        }));
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
        match self.taken.layer(&layer_name(layer), layer)? {
            Presence::New => {}
            Presence::Unproven => return Ok(Some(Box::new(Discard))),
            // The script writes a layer as often as it is in an image.
            Presence::Present if self.images.is_empty() && is_scripts(layer) => {}
            Presence::Present | Presence::Recoded => return Ok(None),
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

/// A layer that is in the archive already, if it has the diff id that is said of it: it is only read.
impl BlobWriter for Discard {
    fn finish(self: Box<Self>, _: &Descriptor) -> Result<(), TargetError> {
        Ok(())
    }
}

/// Whether dockerTools' script could have written the layer: its own, or one of a docker-archive.
fn is_scripts(layer: &Layer) -> bool {
    layer.draft.member.is_some() || layer.draft.recipe.packs()
}

/// The name under which a layer is in the archive.
fn layer_name(layer: &Layer) -> String {
    match &layer.draft.member {
        // A base image's layers are found by names in a JSON text, so they are strings.
        Some(member) => String::from_utf8_lossy(&member.name).into_owned(),
        None => usual_member_name(layer.diff_id),
    }
}

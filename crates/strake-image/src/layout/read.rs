//! Opens an image in an OCI layout.

use std::path::Path;

use super::blobs::Blobs;
use super::pick::{self, Entry, Pick, Picked};
use crate::digest::Digest;
use crate::draft::{LayerDraft, Origin};
use crate::foreign::{Config, Fault, Foreign, OpenError, parse};
use crate::media_type::{Format, codec_of_layer};
use crate::recipe::{Recipe, Tarball};

/// The part of a manifest that tells what it is.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Text {
    pub(super) media_type: Option<String>,
}

/// The part of an image's manifest that is used.
#[derive(serde::Deserialize)]
struct ManifestText {
    config: Entry,
    layers: Vec<Entry>,
}

/// Opens an image in a layout directory.
pub fn open_directory(path: &Path, pick: &Pick) -> Result<Foreign, OpenError> {
    open(&Blobs::directory(path)?, pick)
}

/// Opens an image in a layout's archive, plain or compressed.
pub fn open_archive(path: &Path, pick: &Pick) -> Result<Foreign, OpenError> {
    open(&Blobs::archive(path)?, pick)
}

fn open(blobs: &Blobs, pick: &Pick) -> Result<Foreign, OpenError> {
    blobs.check_version()?;
    let Picked { entry, text, tags } = pick::manifest(blobs, pick)?;
    let name = entry.digest.as_str();
    let said: Text = parse(name, &text)?;
    let media_type = said.media_type.as_deref().unwrap_or(&entry.media_type);
    if Format::of_manifest(media_type).is_none() {
        return Err(OpenError::NotAnImage(media_type.to_owned()));
    }
    let manifest: ManifestText = parse(name, &text)?;
    if !Format::ALL.iter().any(|format| format.config() == manifest.config.media_type) {
        return Err(OpenError::NotAnImage(manifest.config.media_type));
    }
    let config = blobs.json(manifest.config.digest()?, manifest.config.size)?;
    let config = Config::parse(&manifest.config.digest, config, manifest.layers.len())?;
    let mut problems = contradictions(&entry, media_type, &config);
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for (entry, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
        layers.push(layer(blobs, entry, *diff_id, layers.len(), &mut problems)?);
    }
    let media_types = manifest.layers.into_iter().map(|entry| entry.media_type).collect();
    Ok(Foreign { layers, config, tags, manifest: text, has_oci_manifest: true, media_types, problems })
}

/// In what the manifest and the config are other than the index says.
fn contradictions(entry: &Entry, media_type: &str, config: &Config) -> Vec<Fault> {
    let name = &entry.digest;
    let mut found = Vec::new();
    if media_type != entry.media_type {
        let listed = &entry.media_type;
        found
            .push(format!("the manifest {name} is listed as {listed:?}, and says that it is {media_type:?}"));
    }
    if let Some(platform) = &entry.platform {
        for (listed, said) in [(&platform.architecture, &config.architecture), (&platform.os, &config.os)] {
            if let Some(said) = said.as_ref().filter(|said| *said != listed) {
                found.push(format!(
                    "the manifest {name} is listed for {listed:?}, and its config is for {said:?}"
                ));
            }
        }
    }
    found.into_iter().map(Fault::contradiction).collect()
}

fn layer(
    blobs: &Blobs,
    entry: &Entry,
    diff_id: Digest,
    place: usize,
    problems: &mut Vec<Fault>,
) -> Result<LayerDraft, OpenError> {
    let (digest, media_type) = (entry.digest()?, &entry.media_type);
    let codec = codec_of_layer(media_type);
    if codec.is_none() {
        let text = format!("the layer {digest} is of the type {media_type:?}, which is no layer's");
        problems.push(Fault::contradiction(text));
    }
    let found = blobs.layer(digest, entry.size, codec.flatten());
    problems.extend(found.problem.map(|error| Fault { blob_of: Some(place), error }));
    let tarball = Tarball { source: found.source, size: entry.size, diff_id, digest: Some(digest) };
    Ok(LayerDraft {
        recipe: Recipe::Tarball(tarball),
        origin: Origin::Base,
        contents: vec![digest.to_string()],
        member: None,
    })
}

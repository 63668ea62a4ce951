//! Opens an image that is listed by a manifest, wherever its blobs are.

use serde_json::Value;

use super::pick::choose;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::draft::{Contents, LayerDraft, Origin, usual_member_name};
use crate::media_type::MediaType;
use crate::parsed::{Config, Fault, OpenError, ParsedImage, parse};
use crate::platform::Platform;
use crate::recipe::{Recipe, Source, Tarball};

/// Indexes may list indexes, so deep.
pub(super) const MAX_DEPTH: usize = 4;

/// Somewhere that blobs are found by their digests.
pub trait Blobs {
    /// A blob that should be JSON, and is what its digest and size say.
    fn json(&self, blob: &Descriptor) -> Result<Vec<u8>, OpenError>;

    /// A manifest or an index, likewise. Registries keep them apart from other blobs.
    fn manifest(&self, manifest: &Descriptor) -> Result<Vec<u8>, OpenError> {
        self.json(manifest)
    }

    /// A layer's blob. That it is missing is no problem until it is needed.
    fn layer(&self, blob: &Descriptor) -> FoundBlob;
}

/// What is known of a layer's blob before it is read.
pub struct FoundBlob {
    /// Where its bytes are.
    pub source: Source,
    /// What is wrong with it.
    pub problem: Option<OpenError>,
}

/// A manifest, or an index, that was found.
pub struct Listed {
    /// What it is listed as.
    pub descriptor: Descriptor,
    /// Its text.
    pub text: Vec<u8>,
    /// The names under which it was found.
    pub tags: Vec<String>,
}

/// The part of a manifest that tells what it is.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaTypeText {
    media_type: Option<MediaType>,
}

/// The part of an index that is used.
#[derive(serde::Deserialize)]
struct IndexText {
    manifests: Option<Vec<Value>>,
}

/// The part of an image's manifest that is used.
#[derive(serde::Deserialize)]
struct ManifestText {
    config: Value,
    layers: Vec<Value>,
}

/// What an image's manifest lists.
pub(super) struct ManifestParts {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

impl ManifestParts {
    /// Reads a manifest. `name` is what the error calls it.
    pub(super) fn parse(name: Digest, text: &[u8]) -> Result<Self, OpenError> {
        let name = name.to_string();
        let ManifestText { config, layers } = parse(&name, text)?;
        let layers = layers.into_iter().map(|value| descriptor(&name, value));
        Ok(Self { config: descriptor(&name, config)?, layers: layers.collect::<Result<_, _>>()? })
    }
}

/// A descriptor in a document. `name` is what the error calls that.
pub(crate) fn descriptor(name: &str, value: Value) -> Result<Descriptor, OpenError> {
    if let Some(digest) = value.get("digest").and_then(Value::as_str) {
        Digest::parse(digest).map_err(OpenError::BlobName)?;
    }
    serde_json::from_value(value).map_err(|source| OpenError::Json { member: name.to_owned(), source })
}

/// Opens the image that is listed, or the one for this platform where an index is.
pub fn open(blobs: &dyn Blobs, listed: Listed, platform: &Platform) -> Result<ParsedImage, OpenError> {
    open_image(blobs, descend(blobs, listed, platform)?)
}

/// Opens the image that a manifest lists.
pub(super) fn open_image(blobs: &dyn Blobs, listed: Listed) -> Result<ParsedImage, OpenError> {
    let Listed { descriptor, text, tags } = listed;
    let media_type = media_type(&descriptor, &text)?;
    if media_type.manifest_format().is_none() {
        return Err(OpenError::NotAnImage(media_type));
    }
    let manifest = ManifestParts::parse(descriptor.digest, &text)?;
    if !manifest.config.media_type.is_config() {
        return Err(OpenError::NotAnImage(manifest.config.media_type));
    }
    let config = blobs.json(&manifest.config)?;
    let config = Config::parse(&manifest.config.digest.to_string(), config, manifest.layers.len())?;
    let mut problems = contradictions(&descriptor, &media_type, &config);
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for (blob, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
        layers.push(layer(blobs, blob, *diff_id, layers.len(), &mut problems));
    }
    let media_types = manifest.layers.into_iter().map(|blob| blob.media_type).collect();
    Ok(ParsedImage { layers, config, tags, manifest: text, has_oci_manifest: true, media_types, problems })
}

/// The images that an index lists. `None`: it is a manifest.
pub fn entries(listed: &Descriptor, text: &[u8]) -> Result<Option<Vec<Descriptor>>, OpenError> {
    let entries = all_entries(listed, text)?;
    Ok(entries.map(|entries| entries.into_iter().filter(|entry| !entry.is_attestation()).collect()))
}

/// All that an index lists. `None`: it is none.
pub(super) fn all_entries(listed: &Descriptor, text: &[u8]) -> Result<Option<Vec<Descriptor>>, OpenError> {
    if media_type(listed, text)?.index_format().is_none() {
        return Ok(None);
    }
    let name = listed.digest.to_string();
    let list: IndexText = parse(&name, text)?;
    let entries = list.manifests.into_iter().flatten().map(|value| descriptor(&name, value));
    entries.collect::<Result<_, _>>().map(Some)
}

/// What a manifest or an index says that it is, or else is listed as.
pub(super) fn media_type(listed: &Descriptor, text: &[u8]) -> Result<MediaType, OpenError> {
    let said: MediaTypeText = parse(&listed.digest.to_string(), text)?;
    Ok(said.media_type.unwrap_or_else(|| listed.media_type.clone()))
}

/// Goes from indexes to the manifest.
fn descend(blobs: &dyn Blobs, listed: Listed, platform: &Platform) -> Result<Listed, OpenError> {
    let Listed { mut descriptor, mut text, tags } = listed;
    for _ in 0..MAX_DEPTH {
        let Some(all) = entries(&descriptor, &text)? else { return Ok(Listed { descriptor, text, tags }) };
        descriptor = choose(all, platform)?;
        text = blobs.manifest(&descriptor)?;
    }
    Err(OpenError::Depth)
}

/// In what the manifest and the config are other than the index says.
fn contradictions(listed: &Descriptor, media_type: &MediaType, config: &Config) -> Vec<Fault> {
    let name = &listed.digest;
    let mut found = Vec::new();
    if *media_type != listed.media_type {
        let (listed, said) = (listed.media_type.as_str(), media_type.as_str());
        found.push(format!("the manifest {name} is listed as {listed:?}, and says that it is {said:?}"));
    }
    if let Some(platform) = &listed.platform {
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
    blobs: &dyn Blobs,
    blob: &Descriptor,
    diff_id: Digest,
    place: usize,
    problems: &mut Vec<Fault>,
) -> LayerDraft {
    if blob.media_type.layer().is_none() {
        let (digest, media_type) = (blob.digest, blob.media_type.as_str());
        let text = format!("the layer {digest} is of the type {media_type:?}, which is no layer's");
        problems.push(Fault::contradiction(text));
    }
    let found = blobs.layer(blob);
    problems.extend(found.problem.map(|error| Fault { blob_of: Some(place), error, is_tolerated: false }));
    let tarball = Tarball {
        source: found.source,
        size: blob.size,
        diff_id,
        digest: Some(blob.digest),
        codec: blob.codec(),
        is_layer: true,
    };
    // As a base image in a docker-archive is listed, so that an image on it is the same.
    let contents = Contents::Base(usual_member_name(diff_id));
    LayerDraft::new(Recipe::Tarball(tarball), Origin::Base, contents)
}

//! Opens an image that is listed by a manifest, wherever its blobs are.

use super::Platform;
use super::pick::{Entry, choose};
use crate::digest::Digest;
use crate::draft::{LayerDraft, Origin, usual_member_name};
use crate::media_type::{Format, codec_of_layer};
use crate::parsed::{Config, Fault, OpenError, ParsedImage, parse};
use crate::recipe::{Recipe, Source, Tarball};

/// Indexes may list indexes, so deep.
pub(super) const MAX_DEPTH: usize = 4;

/// Somewhere that blobs are found by their digests.
pub trait Blobs {
    /// A blob that should be JSON, and is what its digest and size say.
    fn json(&self, digest: Digest, size: u64) -> Result<Vec<u8>, OpenError>;

    /// A manifest or an index, likewise. Registries keep them apart from other blobs.
    fn manifest(&self, digest: Digest, size: u64) -> Result<Vec<u8>, OpenError> {
        self.json(digest, size)
    }

    /// A layer's blob. That it is missing is no problem until it is needed.
    fn layer(&self, digest: Digest, size: u64) -> FoundBlob;
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
    /// What is said of it.
    pub entry: Entry,
    /// Its text.
    pub text: Vec<u8>,
    /// The names under which it was found.
    pub tags: Vec<String>,
}

/// The part of a manifest that tells what it is.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaTypeText {
    media_type: Option<String>,
}

/// The part of an index that is used.
#[derive(serde::Deserialize)]
struct IndexText {
    manifests: Option<Vec<Entry>>,
}

/// The part of an image's manifest that is used.
#[derive(serde::Deserialize)]
pub(super) struct ManifestText {
    pub(super) config: Entry,
    pub(super) layers: Vec<Entry>,
}

/// Opens the image that is listed, or the one for this platform where an index is.
pub fn open(blobs: &dyn Blobs, listed: Listed, platform: &Platform) -> Result<ParsedImage, OpenError> {
    open_image(blobs, descend(blobs, listed, platform)?)
}

/// Opens the image that a manifest lists.
pub(super) fn open_image(blobs: &dyn Blobs, listed: Listed) -> Result<ParsedImage, OpenError> {
    let Listed { entry, text, tags } = listed;
    let name = entry.digest.as_str();
    let media_type = media_type(&entry, &text)?;
    if Format::of_manifest(&media_type).is_none() {
        return Err(OpenError::NotAnImage(media_type));
    }
    let manifest: ManifestText = parse(name, &text)?;
    if !Format::ALL.iter().any(|format| format.config() == manifest.config.media_type) {
        return Err(OpenError::NotAnImage(manifest.config.media_type));
    }
    let config = blobs.json(manifest.config.digest()?, manifest.config.size)?;
    let config = Config::parse(&manifest.config.digest, config, manifest.layers.len())?;
    let mut problems = contradictions(&entry, &media_type, &config);
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for (entry, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
        layers.push(layer(blobs, entry, *diff_id, layers.len(), &mut problems)?);
    }
    let media_types = manifest.layers.into_iter().map(|entry| entry.media_type).collect();
    Ok(ParsedImage { layers, config, tags, manifest: text, has_oci_manifest: true, media_types, problems })
}

/// The images that an index lists. `None`: it is a manifest.
pub fn entries(entry: &Entry, text: &[u8]) -> Result<Option<Vec<Entry>>, OpenError> {
    let entries = all_entries(entry, text)?;
    Ok(entries.map(|entries| entries.into_iter().filter(|entry| !entry.is_attestation()).collect()))
}

/// All that an index lists. `None`: it is none.
pub(super) fn all_entries(entry: &Entry, text: &[u8]) -> Result<Option<Vec<Entry>>, OpenError> {
    let media_type = media_type(entry, text)?;
    if Format::of_index(&media_type).is_none() {
        return Ok(None);
    }
    let list: IndexText = parse(&entry.digest, text)?;
    Ok(Some(list.manifests.unwrap_or_default()))
}

/// What a manifest or an index says that it is, or else is listed as.
pub(super) fn media_type(entry: &Entry, text: &[u8]) -> Result<String, OpenError> {
    let said: MediaTypeText = parse(&entry.digest, text)?;
    Ok(said.media_type.unwrap_or_else(|| entry.media_type.clone()))
}

/// Goes from indexes to the manifest.
fn descend(blobs: &dyn Blobs, listed: Listed, platform: &Platform) -> Result<Listed, OpenError> {
    let Listed { mut entry, mut text, tags } = listed;
    for _ in 0..MAX_DEPTH {
        let Some(all) = entries(&entry, &text)? else { return Ok(Listed { entry, text, tags }) };
        entry = choose(all, platform)?;
        text = blobs.manifest(entry.digest()?, entry.size)?;
    }
    Err(OpenError::Depth)
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
    blobs: &dyn Blobs,
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
    let found = blobs.layer(digest, entry.size);
    problems.extend(found.problem.map(|error| Fault { blob_of: Some(place), error }));
    let tarball = Tarball {
        source: found.source,
        size: entry.size,
        diff_id,
        digest: Some(digest),
        codec: codec.flatten(),
    };
    Ok(LayerDraft {
        recipe: Recipe::Tarball(tarball),
        origin: Origin::Base,
        // What a base image in a docker-archive is listed as, so that an image on it is the same.
        contents: vec![usual_member_name(diff_id)],
        member: None,
        described: None,
        history: serde_json::Map::new(),
    })
}

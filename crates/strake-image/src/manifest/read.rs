//! Opens an image that is listed by a manifest, wherever its blobs are.

use serde_json::Value;

use super::contradictions::{Repeats, contradictions};
use super::pick::{choose, names};
use super::text::{Lists, ManifestParts, ManifestText, entry, listed_otherwise};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::draft::{Contents, LayerDraft, Origin, usual_member_name};
use crate::media_type::MediaType;
use crate::parsed::{Config, Fault, OpenError, ParsedImage};
use crate::platform::PlatformPick;
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

/// The data of a layer's blob that is known before it is read.
pub struct FoundBlob {
    /// Where its bytes are.
    pub source: Source,
    /// The reason.
    pub problem: Option<OpenError>,
}

/// A manifest, or an index, that was found.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The type that the list states.
    pub descriptor: Descriptor,
    /// Its text.
    pub text: Vec<u8>,
    /// The names under which it was found.
    pub tags: Vec<String>,
}

/// Opens the image that is listed, or the one that is meant where an index is. An image that no index lists for a platform is
/// opened whatever it is for: see [`ParsedImage::check_platform`].
pub fn open(blobs: &dyn Blobs, listed: Listed, pick: &PlatformPick) -> Result<ParsedImage, OpenError> {
    let Listed { mut descriptor, mut text, tags } = listed;
    let (mut there, mut above) = (Vec::new(), Vec::new());
    for _ in 0..MAX_DEPTH {
        let ManifestText { media_type, lists } = ManifestText::read(&descriptor, &text)?;
        match lists {
            Lists::Parts(parts) => {
                let mut image = open_image(blobs, Listed { descriptor, text, tags }, &media_type, *parts)?;
                let of_indexes = above.iter().flat_map(|index| contradictions(index, &image.config));
                image.problems.extend(of_indexes.collect::<Vec<_>>());
                return Ok(image);
            }
            Lists::Entries(entries) => {
                let entries = images(&descriptor, entries)?;
                there.extend(entries.iter().filter(|entry| entry.platform.is_some()).cloned());
                above.push(descriptor);
                descriptor = choose(entries, pick).map_err(|error| match error {
                    OpenError::NoPlatform { wanted, .. } => {
                        OpenError::NoPlatform { wanted, there: names(&there) }
                    }
                    error => error,
                })?;
                text = blobs.manifest(&descriptor)?;
            }
        }
    }
    Err(OpenError::Depth)
}

/// Opens the image with these parts, which a manifest lists.
pub(super) fn open_image(
    blobs: &dyn Blobs,
    listed: Listed,
    media_type: &MediaType,
    parts: ManifestParts,
) -> Result<ParsedImage, OpenError> {
    let Listed { descriptor, text, tags } = listed;
    if !parts.config.media_type.is_config() {
        return Err(OpenError::NotAnImage(parts.config.media_type));
    }
    Repeats::check(&parts.layers)?;
    let config = blobs.json(&parts.config)?;
    let config = Config::parse(&parts.config.digest.to_string(), config, parts.layers.len())?;
    let mut problems = contradictions(&descriptor, &config);
    if !descriptor.media_type.is_empty() && descriptor.media_type != *media_type {
        let name = descriptor.digest.to_string();
        problems.push(listed_otherwise(&name, &descriptor.media_type, media_type).into());
    }
    let mut layers = Vec::with_capacity(parts.layers.len());
    for (blob, diff_id) in parts.layers.iter().zip(&config.diff_ids) {
        layers.push(layer(blobs, blob, *diff_id, layers.len(), &mut problems));
    }
    let media_types = parts.layers.into_iter().map(|blob| blob.media_type).collect();
    Ok(ParsedImage { layers, config, tags, manifest: text, has_oci_manifest: true, media_types, problems })
}

/// The images that an index lists, at least one. `None`: it is a manifest.
pub fn entries(listed: &Descriptor, text: &[u8]) -> Result<Option<Vec<Descriptor>>, OpenError> {
    match ManifestText::read(listed, text)?.lists {
        Lists::Parts(_) => Ok(None),
        Lists::Entries(entries) => match images(listed, entries)? {
            images if images.is_empty() => Err(OpenError::NoImage),
            images => Ok(Some(images)),
        },
    }
}

/// The entries of an index that are listed as images.
fn images(index: &Descriptor, entries: Vec<Value>) -> Result<Vec<Descriptor>, OpenError> {
    let mut entries = self::all_entries(index, entries)?;
    Repeats::check(&entries)?;
    entries.retain(|entry| !entry.is_attestation());
    Ok(entries)
}

/// All entries of an index.
pub(super) fn all_entries(index: &Descriptor, entries: Vec<Value>) -> Result<Vec<Descriptor>, OpenError> {
    let name = index.digest.to_string();
    entries.into_iter().map(|value| entry(&name, value)).collect()
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

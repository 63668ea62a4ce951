//! Indexes for images that are made here, or that are listed anew.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::write::replace;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::document::Document;
use crate::image::Image;
use crate::media_type::Format;
use crate::platform::Platform;

/// The annotation by which builds say of which manifest they attest something.
pub(super) const REFERENCE: &str = "vnd.docker.reference.digest";

/// Why images cannot be listed together.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// An image does not say what it runs on.
    #[error("image {0} does not say what platform it is for")]
    NoPlatform(usize),
    /// Nothing would tell two images apart.
    #[error("two images are for {0}")]
    Twice(Platform),
}

/// All that lists images for several platforms, as somebody else has written it.
#[derive(Clone, Debug)]
pub struct IndexPlan {
    /// The names of all of it.
    pub tags: Vec<String>,
    /// The index.
    pub top: Document,
    /// The indexes in it, and the manifests that are no images', each behind what it lists.
    pub manifests: Vec<Document>,
    /// The digests of the images' manifests.
    pub images: Vec<Digest>,
}

/// Makes sure that images for these platforms can be distinguished.
pub fn check_platforms(platforms: &[Option<Platform>]) -> Result<(), IndexError> {
    for (place, platform) in platforms.iter().enumerate() {
        let platform = platform.as_ref().ok_or(IndexError::NoPlatform(place + 1))?;
        if platforms[..place].iter().flatten().any(|other| other.is_same(platform)) {
            return Err(IndexError::Twice(platform.clone()));
        }
    }
    Ok(())
}

/// An index of images, each for another platform, which its config says.
pub fn index_of(images: &[(&Image, &Document)], format: Format) -> Result<Document, IndexError> {
    let of_config = |(image, _): &(&Image, &Document)| Platform::of_config(image.config.text());
    let platforms: Vec<_> = images.iter().map(of_config).collect();
    check_platforms(&platforms)?;
    let entries = images.iter().zip(platforms);
    let entries =
        entries.map(|((_, manifest), platform)| Descriptor { platform, ..manifest.descriptor().clone() });
    let entries: Vec<Descriptor> = entries.collect();
    Ok(index_listing(&entries, format))
}

/// A new index that lists these manifests.
pub fn index_listing(entries: &[Descriptor], format: Format) -> Document {
    let index = json!({ "schemaVersion": 2, "mediaType": format.index(), "manifests": entries });
    Document::new(format.index(), index.to_string().into_bytes())
}

impl IndexPlan {
    /// The same where the images have these manifests, in their order, and all indexes are in this format. Unaffected documents
    /// stay as they are, byte for byte. Returns what is in the index, and the index.
    pub fn around(&self, images: &[Document], format: Option<Format>) -> (Vec<Document>, Document) {
        let mut new = Replaced { format, by: HashMap::new() };
        for (old, manifest) in self.images.iter().zip(images) {
            new.replace(*old, manifest);
        }
        let mut inside = Vec::with_capacity(self.manifests.len());
        for manifest in &self.manifests {
            let listed = new.list(manifest);
            new.replace(manifest.digest(), &listed);
            inside.push(listed);
        }
        (inside, new.list(&self.top))
    }
}

/// Manifests that are others now.
struct Replaced {
    format: Option<Format>,
    /// Descriptors by the digests that there were before.
    by: HashMap<String, Descriptor>,
}

impl Replaced {
    fn replace(&mut self, old: Digest, new: &Document) {
        if old != new.digest() {
            self.by.insert(old.to_string(), new.descriptor().clone());
        }
    }

    /// An index that lists the new ones; everything else as it is.
    fn list(&self, manifest: &Document) -> Document {
        let Some(format) = manifest.media_type().index_format() else { return manifest.clone() };
        let Ok(mut index) = serde_json::from_slice::<Map<String, Value>>(manifest.text()) else {
            return manifest.clone();
        };
        let mut changed = false;
        for entry in index.get_mut("manifests").and_then(Value::as_array_mut).into_iter().flatten() {
            let new = entry["digest"].as_str().and_then(|old| self.by.get(old));
            if let Some(new) = new {
                replace(entry, new);
                changed = true;
            }
            let about = entry["annotations"][REFERENCE].as_str().and_then(|old| self.by.get(old));
            if let Some(new) = about {
                entry["annotations"][REFERENCE] = json!(new.digest);
                changed = true;
            }
        }
        let wanted = self.format.filter(|wanted| *wanted != format);
        if let Some(wanted) = wanted {
            index.insert("mediaType".to_owned(), json!(wanted.index()));
        }
        if !changed && wanted.is_none() {
            return manifest.clone();
        }
        let text = Value::Object(index).to_string().into_bytes();
        Document::new(wanted.unwrap_or(format).index(), text)
    }
}

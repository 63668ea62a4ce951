//! Manifests for images that are made here.

use serde_json::{Map, Value, json};

use crate::blob::Blob;
use crate::digest::Digest;
use crate::image::Image;
use crate::media_type::Format;

/// How an image is listed.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Whose media types it has; `None`: those that it comes with, else the OCI's.
    pub format: Option<Format>,
    /// What is written into its manifest, beside what stands there. Only an OCI manifest has room for it.
    pub annotations: Vec<(String, String)>,
}

/// A manifest, or an index.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its text.
    pub text: Vec<u8>,
    /// What it is.
    pub media_type: String,
}

/// A descriptor: what something is, its digest and its size.
pub fn descriptor(media_type: &str, digest: Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

impl Listing {
    /// Whose media types the manifest of an image has that comes with this manifest, if with any.
    pub fn format_of(&self, given: Option<&[u8]>) -> Format {
        let kept = given.and_then(|text| self.kept(text));
        kept.map_or_else(|| self.format.unwrap_or_default(), |(_, format)| format)
    }

    /// The manifest that an image comes with, if it can be what is asked for.
    fn kept(&self, given: &[u8]) -> Option<(Map<String, Value>, Format)> {
        let manifest: Map<String, Value> = serde_json::from_slice(given).ok()?;
        let format = match manifest.get("mediaType") {
            // An OCI manifest need not say what it is.
            None => Format::Oci,
            Some(media_type) => Format::of_manifest(media_type.as_str()?)?,
        };
        let is_wanted = self.format.is_none_or(|wanted| wanted == format);
        let has_room = self.annotations.is_empty() || format == Format::Oci;
        (is_wanted && has_room).then_some((manifest, format))
    }
}

impl Manifest {
    /// An image's manifest. One that the image comes with stays as it is, byte for byte, if it is what is asked for and lists
    /// the image's blobs. If some have been compressed since, these entries change and all else stays.
    pub fn new(image: &Image, listing: &Listing) -> Self {
        Self::of_blobs(image, &image.blobs, listing)
    }

    /// The manifest that an image has where its layers are these blobs.
    pub fn of_blobs(image: &Image, blobs: &[Blob], listing: &Listing) -> Self {
        let given = image.manifest.as_deref().and_then(|text| Some((text, listing.kept(text)?)));
        if let Some((text, (mut manifest, format))) = given {
            let changed = relist(&mut manifest, blobs, format) | annotate(&mut manifest, listing);
            let text = if changed { Value::Object(manifest).to_string().into_bytes() } else { text.to_vec() };
            return Self { text, media_type: format.manifest().to_owned() };
        }
        let format = listing.format.unwrap_or_default();
        let layers: Vec<Value> =
            blobs.iter().map(|blob| descriptor(&format.layer(blob.codec), blob.digest, blob.size)).collect();
        let mut manifest = Map::new();
        manifest.insert("schemaVersion".to_owned(), json!(2));
        manifest.insert("mediaType".to_owned(), json!(format.manifest()));
        let config = descriptor(format.config(), image.id(), image.config.len() as u64);
        manifest.insert("config".to_owned(), config);
        manifest.insert("layers".to_owned(), json!(layers));
        annotate(&mut manifest, listing);
        let text = Value::Object(manifest).to_string().into_bytes();
        Self { text, media_type: format.manifest().to_owned() }
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }

    /// The descriptor of the manifest, under a name if it has one.
    pub fn descriptor(&self, name: Option<&str>) -> Value {
        let mut descriptor = descriptor(&self.media_type, self.digest(), self.text.len() as u64);
        if let Some(name) = name {
            descriptor["annotations"] = json!({ REF_NAME: name });
        }
        descriptor
    }
}

/// The annotation that names a manifest in an index.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Lists these blobs in place of others. Returns whether there were any.
fn relist(manifest: &mut Map<String, Value>, blobs: &[Blob], format: Format) -> bool {
    let Some(Value::Array(layers)) = manifest.get_mut("layers") else { return false };
    let mut changed = false;
    for (entry, blob) in layers.iter_mut().zip(blobs) {
        if entry["digest"] == blob.digest.to_string() {
            continue;
        }
        let Value::Object(entry) = entry else { continue };
        let Value::Object(new) = descriptor(&format.layer(blob.codec), blob.digest, blob.size) else {
            continue;
        };
        entry.extend(new);
        // A copy of the blob itself, which the OCI allows for.
        entry.shift_remove("data");
        changed = true;
    }
    changed
}

/// Writes the annotations that are asked for. Returns whether there are any.
fn annotate(manifest: &mut Map<String, Value>, listing: &Listing) -> bool {
    if listing.annotations.is_empty() {
        return false;
    }
    let annotations = manifest.entry("annotations").or_insert_with(|| json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    for (key, value) in &listing.annotations {
        annotations[key] = json!(value);
    }
    true
}

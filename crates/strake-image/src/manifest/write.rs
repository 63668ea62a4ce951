//! Manifests for images that are made here.

use serde_json::{Map, Value, json};

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

/// A manifest.
#[derive(Debug)]
pub struct Manifest {
    /// Its text.
    pub text: Vec<u8>,
    /// Whose media types it has.
    pub format: Format,
}

/// A descriptor: what something is, its digest and its size.
pub fn descriptor(media_type: &str, digest: Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

impl Manifest {
    /// An image's manifest. One that the image comes with stays as it is, byte for byte, if it is what is asked for.
    pub fn new(image: &Image, listing: &Listing) -> Self {
        if let Some(given) = image.manifest.as_ref().and_then(|text| Self::given(text, listing)) {
            return given;
        }
        let format = listing.format.unwrap_or_default();
        // Layers go as they are; a compressed form of one would be listed here.
        let layers: Vec<Value> = image
            .layers
            .iter()
            .map(|layer| descriptor(&format.layer(layer.codec), layer.digest, layer.size))
            .collect();
        let mut manifest = Map::new();
        manifest.insert("schemaVersion".to_owned(), json!(2));
        manifest.insert("mediaType".to_owned(), json!(format.manifest()));
        let config = descriptor(format.config(), image.id(), image.config.len() as u64);
        manifest.insert("config".to_owned(), config);
        manifest.insert("layers".to_owned(), json!(layers));
        annotate(&mut manifest, listing);
        Self { text: Value::Object(manifest).to_string().into_bytes(), format }
    }

    fn given(text: &[u8], listing: &Listing) -> Option<Self> {
        let mut manifest: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let format = match manifest.get("mediaType") {
            // An OCI manifest need not say what it is.
            None => Format::Oci,
            Some(media_type) => Format::of_manifest(media_type.as_str()?)?,
        };
        if listing.format.is_some_and(|wanted| wanted != format) {
            return None;
        }
        match (listing.annotations.is_empty(), format) {
            (true, _) => Some(Self { text: text.to_vec(), format }),
            (false, Format::Docker) => None,
            (false, Format::Oci) => {
                annotate(&mut manifest, listing);
                Some(Self { text: Value::Object(manifest).to_string().into_bytes(), format })
            }
        }
    }

    /// The descriptor of the manifest, under a name if it has one.
    pub fn descriptor(&self, name: Option<&str>) -> Value {
        let mut descriptor =
            descriptor(self.format.manifest(), Digest::of(&self.text), self.text.len() as u64);
        if let Some(name) = name {
            descriptor["annotations"] = json!({ REF_NAME: name });
        }
        descriptor
    }
}

/// The annotation that names a manifest in an index.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

fn annotate(manifest: &mut Map<String, Value>, listing: &Listing) {
    if listing.annotations.is_empty() {
        return;
    }
    let annotations = manifest.entry("annotations").or_insert_with(|| json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    for (key, value) in &listing.annotations {
        annotations[key] = json!(value);
    }
}

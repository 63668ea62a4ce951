//! Manifests for images that are made here.

use serde_json::{Map, Value, json};

use crate::descriptor::Descriptor;
use crate::document::Document;
use crate::image::{Image, ImageLayer};
use crate::media_type::{Format, MediaType};

/// How an image is listed.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Whose media types it has; `None`: those that it comes with, else the OCI's.
    pub format: Option<Format>,
    /// The annotations that are added to its manifest. Only an OCI manifest has room for it.
    pub annotations: Vec<(String, String)>,
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
            Some(media_type) => MediaType::from(media_type.as_str()?.to_owned()).manifest_format()?,
        };
        let is_wanted = self.format.is_none_or(|wanted| wanted == format);
        let has_room = self.annotations.is_empty() || format == Format::Oci;
        (is_wanted && has_room).then_some((manifest, format))
    }
}

/// An image's manifest. One that the image comes with stays as it is, byte for byte, if it is what is asked for and lists
/// the image's blobs. If some have been compressed since, these entries change and all else stays.
pub fn of_image(image: &Image, listing: &Listing) -> Document {
    let given = image.manifest.as_deref().and_then(|text| Some((text, listing.kept(text)?)));
    if let Some((text, (mut manifest, format))) = given {
        let changed = relist(&mut manifest, &image.layers, format) | annotate(&mut manifest, listing);
        let text = if changed { Value::Object(manifest).to_string().into_bytes() } else { text.to_vec() };
        return Document::new(format.manifest(), text);
    }
    let format = listing.format.unwrap_or_default();
    let layers: Vec<Descriptor> = image.layers.iter().map(|layer| listed(layer, format)).collect();
    let config = Descriptor { media_type: format.config(), ..image.config.descriptor().clone() };
    let mut manifest = Map::new();
    manifest.insert("schemaVersion".to_owned(), json!(2));
    manifest.insert("mediaType".to_owned(), json!(format.manifest()));
    manifest.insert("config".to_owned(), json!(config));
    manifest.insert("layers".to_owned(), json!(layers));
    annotate(&mut manifest, listing);
    Document::new(format.manifest(), Value::Object(manifest).to_string().into_bytes())
}

/// A layer as a manifest of this format lists it.
fn listed(layer: &ImageLayer, format: Format) -> Descriptor {
    let Descriptor { digest, size, .. } = layer.descriptor;
    Descriptor::new(format.layer(layer.descriptor.codec()), digest, size)
}

/// Lists an image's blobs in place of others. Returns whether there were any.
fn relist(manifest: &mut Map<String, Value>, layers: &[ImageLayer], format: Format) -> bool {
    let Some(Value::Array(entries)) = manifest.get_mut("layers") else { return false };
    let mut changed = false;
    for (entry, layer) in entries.iter_mut().zip(layers) {
        let new = listed(layer, format);
        if entry["digest"] != new.digest.to_string() {
            replace(entry, &new);
            changed = true;
        }
    }
    changed
}

/// Lists something else in an entry. Other fields stay.
pub(super) fn replace(entry: &mut Value, new: &Descriptor) {
    let (Value::Object(entry), Value::Object(new)) = (entry, json!(new)) else { return };
    entry.extend(new);
    // A copy of the bytes themselves, which the OCI allows for.
    entry.shift_remove("data");
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

//! Manifests, indexes and configs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use strake_image::manifest::{Blobs, FoundBlob, Listed, Opened, open_all};
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::recipe::Source;
use strake_image::testing::{JsonDocument, json as check_json};
use strake_image::{Descriptor, Digest, Document, Format, MediaType};

use super::json::has_one_meaning;
use super::memory::said;

/// The documents of an input: a config for as many layers as are requested, and manifests by their digests.
struct Somewhere {
    config: Vec<u8>,
    manifests: BTreeMap<Digest, Vec<u8>>,
}

impl Blobs for Somewhere {
    fn json(&self, _: &Descriptor) -> Result<Vec<u8>, OpenError> {
        Ok(self.config.clone())
    }

    fn manifest(&self, manifest: &Descriptor) -> Result<Vec<u8>, OpenError> {
        let found = self.manifests.get(&manifest.digest).cloned();
        found.ok_or_else(|| OpenError::Missing(manifest.digest.to_string()))
    }

    fn layer(&self, blob: &Descriptor) -> FoundBlob {
        FoundBlob { source: Source::Elsewhere { path: blob.digest.hex().into() }, problem: None }
    }
}

/// A config for this number of layers.
fn config_of(layers: usize) -> Vec<u8> {
    let diff_ids = vec![Digest::of(b"").to_string(); layers];
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    json!({ "architecture": "amd64", "os": "linux", "rootfs": rootfs }).to_string().into_bytes()
}

/// The manifest of an image with one layer.
pub fn known_manifest() -> Vec<u8> {
    let config = Descriptor::of(Format::Oci.config(), &config_of(1));
    let layer = Descriptor::of(Format::Oci.layer(None), &[0; 1024]);
    let of_type = Format::Oci.manifest();
    json!({ "schemaVersion": 2, "mediaType": of_type, "config": config, "layers": [layer] })
        .to_string()
        .into_bytes()
}

/// An index that lists nothing.
pub fn empty_index() -> Vec<u8> {
    json!({ "schemaVersion": 2, "mediaType": Format::Oci.index(), "manifests": [] }).to_string().into_bytes()
}

/// An index that lists one image.
pub fn known_index() -> Vec<u8> {
    let manifest = Descriptor::of(Format::Oci.manifest(), &known_manifest());
    json!({ "schemaVersion": 2, "mediaType": Format::Oci.index(), "manifests": [manifest] })
        .to_string()
        .into_bytes()
}

fn open(of_type: MediaType, text: &[u8], config: Vec<u8>) -> Result<Opened, OpenError> {
    let manifests = [known_manifest(), empty_index(), known_index()];
    let manifests = manifests.into_iter().map(|text| (Digest::of(&text), text)).collect();
    let blobs = Somewhere { config, manifests };
    let listed = Listed { descriptor: Descriptor::of(of_type, text), text: text.to_vec(), tags: Vec::new() };
    open_all(&blobs, listed)
}

/// A manifest, of an image or of something else, as either form.
pub fn manifest(data: &[u8]) {
    let said_of_it: Option<Value> = serde_json::from_slice(data).ok();
    let layers = said_of_it.as_ref().and_then(|text| text["layers"].as_array()).map_or(0, Vec::len);
    for format in Format::ALL {
        match open(format.manifest(), data, config_of(layers.min(1000))) {
            Ok(Opened::Image(image)) => {
                let text = said_of_it.as_ref().expect("it is JSON");
                assert!(has_one_meaning(data) && check_json(JsonDocument::Manifest, data).is_ok());
                check_layers(&image, text);
                assert_eq!(image.manifest, data);
                drop(image.into_draft());
            }
            // One that says itself that it is an index.
            Ok(Opened::Index(index)) => assert_eq!(index.plan.top.text(), data),
            Err(error) => drop(said(&error)),
        }
    }
}

fn check_layers(image: &ParsedImage, text: &Value) {
    let listed: Vec<&str> = text["layers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|layer| layer["mediaType"].as_str().unwrap_or(""))
        .collect();
    let found: Vec<&str> = image.media_types.iter().map(MediaType::as_str).collect();
    assert_eq!(found, listed);
    let digests = text["layers"].as_array().into_iter().flatten().map(|layer| layer["digest"].as_str());
    for (layer, digest) in image.layers.iter().zip(digests) {
        assert_eq!(layer.recipe.claimed_diff_id(), Some(Digest::of(b"")));
        assert_eq!(Some(&*format!("sha256:{}", place(layer))), digest);
    }
}

fn place(layer: &strake_image::LayerDraft) -> String {
    layer.recipe.place().display().to_string()
}

/// An index. Where its images get other manifests it lists those, and stays as it is otherwise.
pub fn index(data: &[u8]) {
    for format in Format::ALL {
        let index = match open(format.index(), data, config_of(1)) {
            Ok(Opened::Index(index)) => index,
            Ok(Opened::Image(image)) => {
                assert_eq!(image.manifest, data);
                continue;
            }
            Err(error) => {
                said(&error);
                continue;
            }
        };
        assert!(has_one_meaning(data) && check_json(JsonDocument::Manifest, data).is_ok());
        let same: Vec<Document> = index
            .images
            .iter()
            .map(|(_, image)| Document::new(Format::Oci.manifest(), image.manifest.clone()))
            .collect();
        let (inside, top) = index.plan.around(&same, None);
        assert_eq!((inside, top.text()), (index.plan.manifests.clone(), data));
        let other = Document::new(Format::Oci.manifest(), b"other".to_vec());
        let (inside, top) = index.plan.around(&vec![other.clone(); index.images.len()], None);
        assert_eq!(inside.len(), index.plan.manifests.len());
        assert_eq!(top.digest() == index.plan.top.digest(), index.images.is_empty());
        if !index.images.is_empty() {
            let texts =
                inside.iter().chain([&top]).map(|text| String::from_utf8_lossy(text.text()).into_owned());
            assert!(texts.collect::<String>().contains(&other.digest().to_string()));
        }
        assert!(check_json(JsonDocument::Manifest, top.text()).is_ok());
    }
}

/// A config. Its fields are read as serde's generic reader finds them.
pub fn config(data: &[u8]) {
    let text: Option<Value> = serde_json::from_slice(data).ok();
    let diff_ids = text.as_ref().and_then(|text| text["rootfs"]["diff_ids"].as_array());
    let layers = vec![Descriptor::of(Format::Oci.layer(None), b""); diff_ids.map_or(0, Vec::len).min(1000)];
    let described = Descriptor::of(Format::Oci.config(), data);
    let of_type = Format::Oci.manifest();
    let manifest = json!({ "schemaVersion": 2, "mediaType": of_type, "config": described, "layers": layers });
    let opened = open(of_type_of(&manifest), manifest.to_string().as_bytes(), data.to_vec());
    let image = match opened {
        Ok(Opened::Image(image)) => image,
        Ok(Opened::Index(_)) => panic!("it is no index"),
        Err(error) => return drop(said(&error)),
    };
    let text = text.expect("what is read as a config is JSON");
    assert!(has_one_meaning(data) && check_json(JsonDocument::Config, data).is_ok());
    let said = |key: &str| text[key].as_str().unwrap_or_default().to_owned();
    let found = &image.config;
    assert_eq!((&found.platform.architecture, &found.platform.os), (&said("architecture"), &said("os")));
    assert_eq!(found.platform.variant.clone().unwrap_or_default(), said("variant"));
    assert_eq!(found.platform.os_version.clone().unwrap_or_default(), said("os.version"));
    assert_eq!(found.created.clone().unwrap_or_default(), said("created"));
    let listed = text["rootfs"]["diff_ids"].as_array().into_iter().flatten();
    assert!(listed.map(|id| id.as_str()).eq(
        found.diff_ids.iter().map(Digest::to_string).collect::<Vec<_>>().iter().map(|id| Some(id.as_str()))
    ));
    assert_eq!(
        Value::Object(found.run.clone()),
        if text["config"].is_null() { json!({}) } else { text["config"].clone() }
    );
    assert_eq!(found.text, data);
}

fn of_type_of(manifest: &Value) -> MediaType {
    manifest["mediaType"].as_str().expect("it has one").to_owned().into()
}

//! Images: layers and what is said about them.

use serde_json::{Map, Value, json};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::document::Document;
use crate::draft::{About, Given, Origin, Settings};
use crate::layer::Layer;
use crate::media_type::Format;
use crate::python::json::{JsonError, to_vec_pretty};
use crate::python::repr::repr_list;

/// An image: described layers, a config, names. A plain value that is known before it is delivered anywhere.
#[derive(Debug)]
pub struct Image {
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// The config. Its digest is what Docker calls the image's ID.
    pub config: Document,
    /// The names that the image has, as `name:tag`.
    pub tags: Vec<String>,
    /// The manifest's text, if the image comes with one.
    pub manifest: Option<Vec<u8>>,
}

/// A layer of an image.
#[derive(Debug)]
pub struct ImageLayer {
    /// The layer, and what is in it.
    pub layer: Layer,
    /// The blob that manifests list: the layer as it is stored, or what it was compressed to.
    pub descriptor: Descriptor,
}

impl ImageLayer {
    /// A layer that manifests list as it is stored.
    pub fn as_it_is(layer: Layer) -> Self {
        Self { descriptor: layer.stored.clone(), layer }
    }
}

impl Image {
    /// Puts the image together.
    pub fn new(layers: Vec<ImageLayer>, about: About) -> Result<Self, JsonError> {
        let (text, tags, manifest) = match about {
            About::Settings(settings) => (config(&layers, &settings)?, vec![settings.repo_tag], None),
            About::Given(Given { config, tags, manifest }) => (config, tags, manifest),
        };
        Ok(Self { layers, config: Document::new(Format::Oci.config(), text), tags, manifest })
    }

    /// The processor architecture, by Go's name for it. Empty where the config does not say it.
    pub fn architecture(&self) -> String {
        let config: Value = serde_json::from_slice(self.config.text()).unwrap_or_default();
        config["architecture"].as_str().unwrap_or_default().to_owned()
    }

    /// The chain ID of each layer, which stands for it and all layers below it.
    ///
    /// Algorithm: the OCI image specification, "layer `ChainID`".
    pub fn chain_ids(&self) -> Vec<Digest> {
        let chain = |below: &mut Option<Digest>, one: &ImageLayer| {
            let diff_id = one.layer.diff_id;
            *below = Some(below.map_or(diff_id, |below| Digest::of(format!("{below} {diff_id}").as_bytes())));
            *below
        };
        self.layers.iter().scan(None, chain).collect()
    }

    /// The image's ID: the digest of its config.
    pub fn id(&self) -> Digest {
        self.config.digest()
    }
}

/// The image config's text.
///
/// Format: the Docker image specification v1.2, "image JSON", and the OCI image configuration, which agree. Which fields
/// there are, their order and the text's layout are those of dockerTools' stream script, or the ID would be another.
fn config(layers: &[ImageLayer], settings: &Settings) -> Result<Vec<u8>, JsonError> {
    let Settings { created, architecture, config, base_config, .. } = settings;
    let diff_ids: Value = layers.iter().map(|one| one.layer.diff_id.to_string()).collect();
    let rootfs = base_config.get("rootfs").and_then(Value::as_object);
    let rootfs = with(rootfs.cloned(), [("diff_ids", diff_ids), ("type", json!("layers"))]);
    let mut history = Vec::new();
    let mut described = 0;
    if let Some(Value::Array(entries)) = base_config.get("history") {
        history.clone_from(entries);
        described = layers.iter().filter(|one| one.layer.draft.origin == Origin::Base).count();
    }
    history.extend(layers.iter().skip(described).map(|ImageLayer { layer, .. }| {
        let contents = repr_list(&layer.draft.contents.names());
        let mut entry = json!({ "created": created, "comment": format!("store paths: {contents}") });
        layer.draft.history.iter().for_each(|(key, value)| entry[key] = value.clone());
        entry
    }));
    to_vec_pretty(&with(
        Some(base_config.clone()),
        [
            ("created", json!(created)),
            ("architecture", json!(architecture)),
            ("os", json!("linux")),
            ("config", json!(config)),
            ("rootfs", json!(rootfs)),
            ("history", json!(history)),
        ],
    ))
}

/// An object with these fields set, each in its place if it is there already.
fn with<const N: usize>(
    object: Option<Map<String, Value>>,
    fields: [(&str, Value); N],
) -> Map<String, Value> {
    let mut object = object.unwrap_or_default();
    object.extend(fields.map(|(key, value)| (key.to_owned(), value)));
    object
}

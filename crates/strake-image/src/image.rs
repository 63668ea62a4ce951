//! Images: layers and what is said about them.

use serde_json::{Map, Value, json};

use crate::blob::Blob;
use crate::digest::Digest;
use crate::draft::{About, Given, Origin, Settings};
use crate::layer::Layer;
use crate::python::json::{JsonError, to_vec_pretty};
use crate::python::repr::repr_list;

/// An image, complete.
#[derive(Debug)]
pub struct Image {
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// What each of them is where the image is listed: [`Layer::blob`], or what that was compressed to.
    pub blobs: Vec<Blob>,
    /// The config's text. Its digest is what Docker calls the image's ID.
    pub config: Vec<u8>,
    /// The names that the image has, as `name:tag`.
    pub tags: Vec<String>,
    /// The manifest's text, if the image comes with one.
    pub manifest: Option<Vec<u8>>,
}

impl Image {
    /// Puts the image together. There is a blob for each layer.
    pub fn new(layers: Vec<Layer>, blobs: Vec<Blob>, about: About) -> Result<Self, JsonError> {
        Ok(match about {
            About::Settings(settings) => {
                let config = config(&layers, &settings)?;
                Self { layers, blobs, config, tags: vec![settings.repo_tag], manifest: None }
            }
            About::Given(Given { config, tags, manifest }) => Self { layers, blobs, config, tags, manifest },
        })
    }

    /// The processor architecture, by Go's name for it. Empty where the config does not say it.
    pub fn architecture(&self) -> String {
        let config: Value = serde_json::from_slice(&self.config).unwrap_or_default();
        config["architecture"].as_str().unwrap_or_default().to_owned()
    }

    /// The image's ID: the digest of its config.
    pub fn id(&self) -> Digest {
        Digest::of(&self.config)
    }
}

/// The image config's text.
///
/// Format: the Docker image specification v1.2, "image JSON", and the OCI image configuration, which agree. Which fields
/// there are, their order and the text's layout are those of dockerTools' stream script, or the ID would be another.
fn config(layers: &[Layer], settings: &Settings) -> Result<Vec<u8>, JsonError> {
    let Settings { created, architecture, config, base_config, .. } = settings;
    let diff_ids: Value = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let rootfs = base_config.get("rootfs").and_then(Value::as_object);
    let rootfs = with(rootfs.cloned(), [("diff_ids", diff_ids), ("type", json!("layers"))]);
    let mut history = Vec::new();
    let mut described = 0;
    if let Some(Value::Array(entries)) = base_config.get("history") {
        history.clone_from(entries);
        described = layers.iter().filter(|layer| layer.draft.origin == Origin::Base).count();
    }
    history.extend(layers.iter().skip(described).map(|layer| {
        let contents = repr_list(&layer.draft.contents);
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

//! Images: layers and what is said about them.

use serde_json::{Value, json};

use crate::draft::Settings;
use crate::layer::Layer;
use crate::python::json::{JsonError, to_vec_pretty};
use crate::python::repr::repr_list;

/// An image, complete.
#[derive(Debug)]
pub struct Image {
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// All that is not in the layers.
    pub settings: Settings,
}

impl Image {
    /// The image config's text: its digest is what Docker calls the image's ID.
    ///
    /// Format: the Docker image specification v1.2, "image JSON". Which fields there are, their order and the text's
    /// layout are those of dockerTools' stream script, or the ID would be another.
    pub fn config(&self) -> Result<Vec<u8>, JsonError> {
        let Settings { created, architecture, config, .. } = &self.settings;
        let diff_ids: Vec<_> = self.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        let history: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| {
                let contents = repr_list(&layer.draft.contents);
                json!({ "created": created, "comment": format!("store paths: {contents}") })
            })
            .collect();
        to_vec_pretty(&json!({
            "created": created,
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": { "diff_ids": diff_ids, "type": "layers" },
            "history": history,
        }))
    }
}

//! The layers of other confs, which stand below an image or leave store paths out of it.

use serde_json::{Map, Value, json};

use crate::spec::{Spec, SpecError};

/// The layers that are an image's own, as its conf says them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfLayers {
    /// The store paths of each layer, the lowest layer first.
    pub store_paths: Vec<Vec<String>>,
    /// The layers of files above them.
    pub customisations: Vec<Value>,
    /// The history entry of each layer of store paths.
    pub store_history: Vec<Value>,
    /// The history entry of each layer of files.
    pub customisation_history: Vec<Value>,
}

/// Why a text is no conf whose layers can be taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfLayersError {
    /// Not a JSON object.
    #[error("is not a conf: {0}")]
    Json(serde_json::Error),
    /// Not a conf.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl ConfLayers {
    /// Reads a whole conf.
    pub fn parse(text: &[u8]) -> Result<Self, ConfLayersError> {
        let mut conf: Map<String, Value> = serde_json::from_slice(text).map_err(ConfLayersError::Json)?;
        let spec = Spec::parse(text)?;
        let names = |layer: &Vec<strake_plan::StorePath>| layer.iter().map(ToString::to_string).collect();
        let store_paths: Vec<Vec<String>> = spec.store_layers.iter().map(names).collect();
        let mut store_history: Vec<Value> = spec.history.into_iter().map(Value::Object).collect();
        store_history.resize(store_paths.len() + spec.customisations.len(), json!({}));
        let customisation_history = store_history.split_off(store_paths.len());
        let customisations = customisations(conf.remove("customisation"));
        Ok(Self { store_paths, customisations, store_history, customisation_history })
    }
}

/// One or several customisations as a list, without those that say nothing.
pub(super) fn customisations(value: Option<Value>) -> Vec<Value> {
    let all = match value {
        None => Vec::new(),
        Some(Value::Array(several)) => several,
        Some(one) => vec![one],
    };
    all.into_iter().filter(|one| *one != json!({})).collect()
}

//! The fields of an image's config that strake uses.

use serde_json::{Map, Value};

use super::error::OpenError;
use super::json::{check, parse};
use super::shapes;
use crate::digest::Digest;
use crate::limits::MAX_CONFIG;
use crate::platform::Platform;

/// The only type of file systems that images have.
const LAYERS: &str = "layers";

/// An image's config, of which most is only handed on.
#[derive(Debug)]
pub struct Config {
    /// Its text.
    pub text: Vec<u8>,
    /// The container's configuration: entrypoint, environment and so on. Empty where it says nothing of it.
    pub run: Map<String, Value>,
    /// The image's platform. Strings are empty where the config has none.
    pub platform: Platform,
    /// The time of creation.
    pub created: Option<String>,
    /// The diff ids.
    pub diff_ids: Vec<Digest>,
    /// The history's text about each layer: the store paths in it, or how it was made. Empty if the history has another
    /// number of layers.
    pub history: Vec<Vec<String>>,
    /// Of how many layers the history speaks, if there is one.
    pub history_layers: Option<usize>,
}

/// The part of an image config that is used. Docker leaves out lists that are empty.
#[derive(serde::Deserialize)]
struct ConfigText {
    config: Option<Map<String, Value>>,
    rootfs: RootFs,
    architecture: Option<String>,
    os: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    #[serde(rename = "os.features")]
    os_features: Option<Vec<String>>,
    variant: Option<String>,
    created: Option<String>,
    history: Option<Vec<Value>>,
}

#[derive(serde::Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    of_type: Option<String>,
    diff_ids: Option<Vec<String>>,
}

impl ConfigText {
    fn platform(&self) -> Platform {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Platform {
            architecture: self.architecture.clone().unwrap_or_default(),
            os: self.os.clone().unwrap_or_default(),
            os_version: said(&self.os_version),
            os_features: self.os_features.clone(),
            variant: said(&self.variant),
        }
    }
}

impl Config {
    /// Reads a config for an image with this number of layers.
    pub(crate) fn parse(name: &str, text: Vec<u8>, layers: usize) -> Result<Self, OpenError> {
        if text.len() as u64 > MAX_CONFIG {
            return Err(OpenError::TooLarge(name.to_owned()));
        }
        let said: ConfigText = parse(name, &shapes::CONFIG, &text)?;
        let platform = said.platform();
        let ConfigText { config, rootfs, created, history, .. } = said;
        let of_type = rootfs.of_type.unwrap_or_default();
        if of_type != LAYERS {
            let text = format!("{name} has a rootfs of the type {of_type:?}, not {LAYERS:?}");
            return Err(OpenError::Contradiction(text));
        }
        let diff_ids = rootfs.diff_ids.unwrap_or_default();
        if diff_ids.len() != layers {
            return Err(OpenError::Count { layers, diff_ids: diff_ids.len() });
        }
        let diff_ids = diff_ids.iter().map(|text| Digest::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let history = history.map(|entries| {
            let of_a_layer = |entry: &&Value| entry["empty_layer"] != Value::Bool(true);
            entries.iter().filter(of_a_layer).map(describe).collect::<Vec<_>>()
        });
        Ok(Self {
            text,
            run: config.unwrap_or_default(),
            platform,
            created,
            history_layers: history.as_ref().map(Vec::len),
            history: history.filter(|said| said.len() == layers).unwrap_or_default(),
            diff_ids,
        })
    }

    /// Makes sure that all programs read alike what a container is started with.
    pub(crate) fn check_container(&self) -> Result<(), OpenError> {
        check("config", &shapes::CONTAINER, &self.text)
    }

    /// All of it.
    pub(crate) fn fields(&self) -> Result<Map<String, Value>, OpenError> {
        parse("config", &shapes::CONFIG, &self.text)
    }
}

/// The text of a history entry. dockerTools, and so strake, lists a layer's contents in the comment.
fn describe(entry: &Value) -> Vec<String> {
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty());
    let list = |text: &str| text.strip_prefix("store paths: [")?.strip_suffix(']').map(str::to_owned);
    match text("comment").and_then(list) {
        Some(list) => list.split(", ").map(|path| path.trim_matches('\'').to_owned()).collect(),
        None => text("created_by").or_else(|| text("comment")).map(str::to_owned).into_iter().collect(),
    }
}

//! What an image's config says, as far as it matters here.

use serde_json::{Map, Value};

use super::error::OpenError;
use crate::digest::Digest;
use crate::draft::{About, Contents, Draft, Given, LayerDraft, Origin};
use crate::limits::MAX_CONFIG;
use crate::media_type::MediaType;

/// An image that somebody else has made. Its layers' bytes have not been looked at.
#[derive(Debug)]
pub struct ParsedImage {
    /// Its layers, lowest first.
    pub layers: Vec<LayerDraft>,
    /// Its config.
    pub config: Config,
    /// The names that it has there.
    pub tags: Vec<String>,
    /// What lists it there: the text of its manifest, or of a docker-archive's `manifest.json`.
    pub manifest: Vec<u8>,
    /// Whether that is the text of a manifest that can stand in an OCI layout.
    pub has_oci_manifest: bool,
    /// What each layer is said to be; empty where nothing is said.
    pub media_types: Vec<MediaType>,
    /// What is wrong with it that is no reason not to look at it.
    pub problems: Vec<Fault>,
}

/// Something that is wrong with an image.
#[derive(Debug)]
pub struct Fault {
    /// The place of the layer, from 0, of which the blob is wrong, so that it counts as not being there.
    pub blob_of: Option<usize>,
    /// What is wrong.
    pub error: OpenError,
    /// Whether it keeps nobody from copying the image: what is read here is what is said.
    pub is_tolerated: bool,
}

impl Fault {
    /// Parts of the image say different things.
    pub(crate) fn contradiction(text: String) -> Self {
        Self { blob_of: None, error: OpenError::Contradiction(text), is_tolerated: false }
    }

    /// Something that only those mind who read the image in another way.
    pub(crate) fn tolerated(error: OpenError) -> Self {
        Self { blob_of: None, error, is_tolerated: true }
    }
}

/// An image's config, of which most is only handed on.
#[derive(Debug)]
pub struct Config {
    /// Its text.
    pub text: Vec<u8>,
    /// What a container is started with. Empty where it says nothing of it.
    pub run: Map<String, Value>,
    /// The processor architecture, by Go's name for it.
    pub architecture: Option<String>,
    /// The operating system, by Go's name for it.
    pub os: Option<String>,
    /// The time of creation.
    pub created: Option<String>,
    /// The diff ids.
    pub diff_ids: Vec<Digest>,
    /// What the history says of each layer: the store paths in it, or how it was made. Empty if it does not speak of as
    /// many layers as there are.
    pub history: Vec<Vec<String>>,
    /// Of how many layers the history speaks, if there is one.
    pub history_layers: Option<usize>,
}

/// The part of an image config that is used.
#[derive(serde::Deserialize)]
struct ConfigText {
    config: Option<Map<String, Value>>,
    rootfs: RootFs,
    architecture: Option<Value>,
    os: Option<Value>,
    created: Option<Value>,
    history: Option<Value>,
}

#[derive(serde::Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl Config {
    /// Reads a config for an image of so many layers.
    pub(crate) fn parse(name: &str, text: Vec<u8>, layers: usize) -> Result<Self, OpenError> {
        if text.len() as u64 > MAX_CONFIG {
            return Err(OpenError::TooLarge(name.to_owned()));
        }
        let ConfigText { config, rootfs, architecture, os, created, history } = super::parse(name, &text)?;
        let diff_ids = rootfs.diff_ids;
        if diff_ids.len() != layers {
            return Err(OpenError::Count { layers, diff_ids: diff_ids.len() });
        }
        let diff_ids = diff_ids.iter().map(|text| Digest::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let said = history.as_ref().and_then(Value::as_array).map(|entries| {
            let of_a_layer = |entry: &&Value| entry["empty_layer"] != Value::Bool(true);
            entries.iter().filter(of_a_layer).map(describe).collect::<Vec<_>>()
        });
        let text_of = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            text,
            run: config.unwrap_or_default(),
            architecture: text_of(architecture),
            os: text_of(os),
            created: text_of(created),
            history_layers: said.as_ref().map(Vec::len),
            history: said.filter(|said| said.len() == layers).unwrap_or_default(),
            diff_ids,
        })
    }
}

/// What an entry of the history says. dockerTools, and so strake, lists a layer's contents in the comment.
fn describe(entry: &Value) -> Vec<String> {
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty());
    let list = |text: &str| text.strip_prefix("store paths: [")?.strip_suffix(']').map(str::to_owned);
    match text("comment").and_then(list) {
        Some(list) => list.split(", ").map(|path| path.trim_matches('\'').to_owned()).collect(),
        None => text("created_by").or_else(|| text("comment")).map(str::to_owned).into_iter().collect(),
    }
}

impl Config {
    /// All of it.
    pub fn fields(&self) -> Result<Map<String, Value>, OpenError> {
        super::parse("config", &self.text)
    }
}

impl ParsedImage {
    /// The image as one that is to be copied as it is.
    pub fn into_draft(self) -> Draft {
        let mut layers = self.layers;
        let mut history = self.config.history.into_iter();
        for layer in &mut layers {
            layer.origin = Origin::Copied;
            layer.contents = Contents::of_history(history.next().unwrap_or_default());
        }
        let manifest = self.has_oci_manifest.then_some(self.manifest);
        Draft { layers, about: About::Given(Given { config: self.config.text, tags: self.tags, manifest }) }
    }
}

//! `index.json`, to which images are added. What else stands in it stays.

use serde_json::{Map, Value, json};

use super::INDEX;
use crate::descriptor::REF_NAME;
use crate::document::Document;
use crate::media_type::Format;
use crate::parsed::{OpenError, parse, shapes};

/// The text of an index.
pub(super) struct LayoutIndex(Map<String, Value>);

impl LayoutIndex {
    /// An index without manifests.
    pub(super) fn empty() -> Self {
        let mut index = Map::new();
        index.insert("schemaVersion".to_owned(), json!(2));
        index.insert("mediaType".to_owned(), json!(Format::Oci.index()));
        index.insert("manifests".to_owned(), json!([]));
        Self(index)
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, OpenError> {
        let mut index = Self(parse(INDEX, &shapes::MANIFEST, text)?);
        index.0.entry("manifests").or_insert_with(|| json!([]));
        if index.0["manifests"].is_null() {
            index.0["manifests"] = json!([]);
        }
        Ok(index)
    }

    /// Lists a manifest under these names, which no other has then, or without a name.
    pub(super) fn add(&mut self, manifest: &Document, names: &[String]) {
        let names: Vec<Option<&str>> = if names.is_empty() {
            vec![None]
        } else {
            names.iter().map(|name| Some(name.as_str())).collect()
        };
        let Some(Value::Array(list)) = self.0.get_mut("manifests") else { return };
        for name in names {
            let mut new = manifest.descriptor().clone();
            new.annotations.extend(name.map(|name| (REF_NAME.to_owned(), name.to_owned())));
            let new = json!(new);
            let is_same = |old: &Value| match name {
                Some(name) => old["annotations"][REF_NAME] == *name,
                None => old["digest"] == new["digest"],
            };
            match list.iter().position(is_same) {
                // A name that moves takes its place with it; a manifest that is there under a name needs no other.
                Some(place) if name.is_some() => list[place] = new,
                Some(_) => {}
                None => list.push(new),
            }
        }
    }

    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("what was read as JSON can be written")
    }
}

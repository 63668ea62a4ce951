//! `index.json`, to which images are added. Its other contents stay.

use serde_json::{Map, Value, json};

use super::INDEX;
use crate::descriptor::{CONTAINERD_NAME, REF_NAME};
use crate::document::Document;
use crate::media_type::Format;
use crate::parsed::{OpenError, parse, shapes};
use crate::reference::{is_only_tag, normalised};

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
        let Some(Value::Array(list)) = self.0.get_mut("manifests") else { return };
        let mut new = json!(manifest.descriptor());
        let names = entry_names(names);
        if names.is_empty() {
            // A manifest that is there under a name needs no other.
            if list.iter().all(|old| old["digest"] != new["digest"]) {
                list.push(new);
            }
            return;
        }
        for EntryName { name, full } in names {
            new["annotations"] = json!(manifest.descriptor().annotations);
            new["annotations"][REF_NAME] = json!(name);
            if let Some(full) = &full {
                new["annotations"][CONTAINERD_NAME] = json!(full);
            }
            let has_full = |old: &Value| {
                let old = old["annotations"][CONTAINERD_NAME].as_str();
                old.is_some() && old == full.as_deref()
            };
            let is_same = |old: &Value| match &old["annotations"][REF_NAME] {
                Value::Null => has_full(old),
                old => *old == *name,
            };
            // A name that moves takes its place with it.
            let place = list.iter().position(is_same);
            for old in list.iter_mut().filter(|old| has_full(old)) {
                old["annotations"].as_object_mut().map(|annotations| annotations.remove(CONTAINERD_NAME));
            }
            match place {
                Some(place) => list[place] = new.clone(),
                None => list.push(new.clone()),
            }
        }
    }

    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("what was read as JSON can be written")
    }
}

/// The names of an image in one entry.
struct EntryName<'n> {
    /// Its name for those who look for just this one.
    name: &'n str,
    /// Its name for containerd. `None` where it has only a tag.
    full: Option<String>,
}

/// The entries for an image with these names. A tag alone, with the same image's full name behind it, is one entry: that is how
/// both have been read ([`Descriptor::names`](crate::Descriptor::names)).
fn entry_names(names: &[String]) -> Vec<EntryName<'_>> {
    let mut entries: Vec<EntryName<'_>> = Vec::with_capacity(names.len());
    for name in names {
        let full = if is_only_tag(name) { None } else { normalised(name) };
        let has_tag = |entry: &&mut EntryName<'_>| {
            entry.full.is_none() && name.strip_suffix(entry.name).is_some_and(|it| it.ends_with(':'))
        };
        match entries.last_mut().filter(has_tag) {
            Some(entry) if full.as_ref() == Some(name) => entry.full = full,
            _ => entries.push(EntryName { name, full }),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::MediaType;

    /// Lists three manifests in turn under these names. `expected` has for each entry which of them it lists, the specification's
    /// name, and containerd's.
    fn check(names: [&[&str]; 3], expected: &[(u8, Option<&str>, Option<&str>)]) {
        let document = |number: u8| Document::new(MediaType::default(), vec![number]);
        let mut index = LayoutIndex::empty();
        for (number, names) in (0..).zip(names) {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            index.add(&document(number), &names);
        }
        let index: Value = serde_json::from_slice(&index.text()).unwrap();
        let entries = index["manifests"].as_array().unwrap().iter();
        let found: Vec<_> = entries
            .map(|entry| {
                let number = (0..3).find(|number| entry["digest"] == document(*number).digest().to_string());
                let annotation = |key: &str| entry["annotations"][key].as_str();
                (number.unwrap(), annotation(REF_NAME), annotation(CONTAINERD_NAME))
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn names_for_all() {
        let (full, other) = (Some("docker.io/library/a:1"), Some("localhost/b:2"));
        check(
            [&["a:1"], &[], &["localhost/b:2"]],
            &[(0, Some("a:1"), full), (1, None, None), (2, other, other)],
        );
        check(
            [&["a:1", "localhost/b:2"], &[], &[]],
            &[(0, Some("a:1"), full), (0, other, other), (1, None, None), (2, None, None)],
        );
        // The entry that other programs find by its tag alone.
        check(
            [&["1", "docker.io/library/a:1"], &["1"], &["2", "a:1", "1"]],
            &[(2, Some("1"), None), (2, Some("2"), None), (2, Some("a:1"), full)],
        );
        check(
            [&["1", "docker.io/library/a:1"], &["2"], &["x+y:1"]],
            &[(0, Some("1"), full), (1, Some("2"), None), (2, Some("x+y:1"), None)],
        );
    }

    #[test]
    fn a_name_moves() {
        let full = Some("docker.io/library/a:1");
        check([&["a:1"], &["b", "a:1"], &["a:1"]], &[(2, Some("a:1"), full), (1, Some("b"), None)]);
        // Under another name for the same: only one of them is it for containerd.
        check(
            [&["1", "docker.io/library/a:1"], &["a:1"], &["docker.io/a:1"]],
            &[(0, Some("1"), None), (1, Some("a:1"), None), (2, Some("docker.io/a:1"), full)],
        );
    }
}

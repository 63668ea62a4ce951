//! Documents.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;
use strake_image::Digest;
use strake_image::manifest::{Opened, ParsedIndex};

use super::values::{KEYS, MAPS, change, changed};
use super::{Count, Readers, runner};
use crate::fixture::{Document, layout};
use crate::mutations::originals;

fn question(document: Document) -> u8 {
    match document {
        Document::Layout => b'o',
        Document::IndexJson | Document::Index => b'i',
        Document::Manifest | Document::Attestation => b'm',
        Document::Config => b'c',
    }
}

/// The text with nothing in it but what programs know, each thing once.
fn known(value: &Value, in_map: bool) -> Value {
    match value {
        Value::Object(entries) => {
            let known = entries.iter().filter(|(key, _)| in_map || KEYS.contains(&key.as_str()));
            known
                .map(|(key, value)| (key.clone(), self::known(value, MAPS.contains(&key.as_str()))))
                .collect()
        }
        Value::Array(items) => items.iter().map(|item| known(item, false)).collect(),
        other => other.clone(),
    }
}

/// Compares what is read in a document that strake takes.
fn compare(readers: &mut Readers, document: Document, original: &str, text: &str) -> Result<Value, String> {
    let question = question(document);
    let (usual, found) = (readers.ask(question, original.as_bytes()), readers.ask(question, text.as_bytes()));
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let plain = readers.ask(question, known(&value, false).to_string().as_bytes());
    for (reader, usual) in usual.as_object().unwrap() {
        if usual.get("error").is_some() {
            continue;
        }
        if let Some(error) = found[reader].get("error") {
            return Err(format!("{reader} refuses it: {error}"));
        }
        if found[reader] != plain[reader] {
            return Err(format!("{reader} reads {:#}\nnot {:#}", found[reader], plain[reader]));
        }
    }
    Ok(found)
}

/// Compares what strake's types hold with what the image specification's do.
fn compare_read(index: &ParsedIndex, document: Document, found: &Value) -> Result<(), String> {
    let found = &found["image-spec"]["value"];
    let Some((_, image)) = index.images.first() else { return Err("there is no image".to_owned()) };
    let same = |what: &str, ours: Value, theirs: &Value| {
        let is_empty = |value: &Value| value.is_null() || value == "" || value == &Value::Array(Vec::new());
        let is_same = ours == *theirs || is_empty(&ours) && is_empty(theirs);
        if is_same { Ok(()) } else { Err(format!("{what}: {ours} is {theirs} to Go")) }
    };
    let config = &image.config;
    match document {
        Document::Manifest => {
            let layers = found["layers"].as_array().into_iter().flatten();
            let types: Vec<Value> = layers.map(|layer| layer["mediaType"].clone()).collect();
            let ours = image.media_types.iter().map(|it| Value::from(it.as_str())).collect();
            same("media types", ours, &types.into())?;
            same("config", Digest::of(&config.text).to_string().into(), &found["config"]["digest"])
        }
        Document::Config => {
            let diff_ids: Vec<String> = config.diff_ids.iter().map(Digest::to_string).collect();
            same("diff ids", diff_ids.into(), &found["rootfs"]["diff_ids"])?;
            same("architecture", config.platform.architecture.clone().into(), &found["architecture"])?;
            same("os", config.platform.os.clone().into(), &found["os"])?;
            same("variant", config.platform.variant.clone().into(), &found["variant"])?;
            same("features", config.platform.os_features.clone().into(), &found["os.features"])?;
            let run = |key: &str| config.run.get(key).cloned().unwrap_or_default();
            ["Env", "Cmd", "Entrypoint", "User", "WorkingDir"]
                .iter()
                .try_for_each(|key| same(key, run(key), &found["config"][key]))
        }
        Document::Index => {
            let listed: Vec<&Value> = found["manifests"].as_array().into_iter().flatten().collect();
            let ours = Digest::of(&image.manifest).to_string();
            let Some(first) = listed.iter().find(|entry| entry["digest"] == ours) else {
                return Err(format!("{ours} is not listed"));
            };
            let listed = &first["platform"]["architecture"];
            let said = Value::from(config.platform.architecture.clone());
            if listed.is_null() { Ok(()) } else { same("architecture", said, listed) }
        }
        Document::Layout | Document::IndexJson | Document::Attestation => Ok(()),
    }
}

#[test]
#[ignore = "needs readers"]
fn texts_as_go_reads_them() {
    let readers = RefCell::new(Readers::start());
    let count = RefCell::new(Count::default());
    let changes = prop::collection::vec((any::<Index>(), change()), 1..4);
    let ran = runner(file!()).run(&(select(originals()), changes), |((document, original), changes)| {
        let text = changed(&original, &changes);
        let layout = layout(document, |_| text.clone().into_bytes());
        let Ok(Opened::Index(index)) = layout.open() else {
            count.borrow_mut().refused += 1;
            return Ok(());
        };
        if !layout.problems().is_empty() {
            count.borrow_mut().refused += 1;
            return Ok(());
        }
        count.borrow_mut().taken += 1;
        let compared = compare(&mut readers.borrow_mut(), document, &original, &text);
        let compared = compared.and_then(|found| compare_read(&index, document, &found));
        prop_assert_eq!(compared, Ok(()), "{:?} {}", document, text);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    count.into_inner().finish("documents");
}

/// A docker-archive's `manifest.json`, by the shape alone: what it names is another test's.
#[test]
#[ignore = "needs readers"]
fn manifests_of_archives_as_go_reads_them() {
    use strake_image::testing::{JsonDocument, json};
    const TEXT: &str = r#"[{"Config":"c.json","RepoTags":["a:1","b:2"],"Layers":["1.tar","2.tar"],"Parent":"","LayerSources":
        {"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855":{"mediaType":"a/b","size":3,
        "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}},"x":{"a":[1]}},{"Config":"d","Layers":null}]"#;
    let readers = RefCell::new(Readers::start());
    let count = RefCell::new(Count::default());
    let changes = prop::collection::vec((any::<Index>(), change()), 1..4);
    let ran = runner(file!()).run(&changes, |changes| {
        let text = changed(TEXT, &changes);
        if json(JsonDocument::Archive, text.as_bytes()).is_err() {
            count.borrow_mut().refused += 1;
            return Ok(());
        }
        count.borrow_mut().taken += 1;
        let mut readers = readers.borrow_mut();
        let found = readers.ask(b'j', text.as_bytes());
        let plain = known(&serde_json::from_str(&text).unwrap(), false).to_string();
        let plain = readers.ask(b'j', plain.as_bytes());
        prop_assert!(found == plain, "{:#} {:#} {}", found, plain, text);
        // The inside of a source's descriptor is not read here.
        let refused = found["moby"].get("error").filter(|_| !text.contains("LayerSources"));
        prop_assert!(refused.is_none(), "{:?} {}", refused, text);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    count.into_inner().finish("manifest.json");
}

//! The store paths that texts name.

use serde_json::{Map, Value};
use strake_plan::{StoreDir, StorePath};

use crate::customisation::Customisation;

/// The store paths that a config's texts name, also those that are keys.
pub(super) fn in_config(config: &Map<String, Value>, store_dir: &StoreDir) -> Vec<StorePath> {
    let mut found: Vec<StorePath> = config.keys().flat_map(|key| named(key, store_dir)).collect();
    let mut open: Vec<&Value> = config.values().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => found.extend(named(text, store_dir)),
            Value::Array(list) => open.extend(list),
            Value::Object(object) => {
                found.extend(object.keys().flat_map(|key| named(key, store_dir)));
                open.extend(object.values());
            }
            _ => {}
        }
    }
    found
}

/// The store paths that the texts and link targets of a customisation's entries name.
pub(super) fn in_customisation(customisation: &Customisation, store_dir: &StoreDir) -> Vec<StorePath> {
    let texts = customisation.entries.iter().flat_map(|entry| [&entry.text, &entry.symlink]).flatten();
    texts.flat_map(|text| named(text, store_dir)).collect()
}

/// The store paths that a text names.
fn named(text: &str, store_dir: &StoreDir) -> Vec<StorePath> {
    let start = format!("{store_dir}/");
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    text.match_indices(&start)
        .filter_map(|(at, _)| {
            let rest = &text[at + start.len()..];
            let end = rest.bytes().position(|byte| !allowed(byte)).unwrap_or(rest.len());
            store_dir.store_path(&text[at..at + start.len() + end]).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: &Value, expected: &[&str]) {
        let store_dir = StoreDir::parse("/nix/store").unwrap();
        let mut found = in_config(config.as_object().unwrap(), &store_dir);
        found.sort();
        let found: Vec<&str> = found.iter().map(StorePath::name).collect();
        assert_eq!(found, expected, "{config}");
    }

    #[test]
    fn wherever_they_stand() {
        check(&serde_json::json!({}), &[]);
        check(&serde_json::json!({ "Cmd": ["/nix/store/a-x/bin/x", "--lib=/nix/store/b-y"] }), &["x", "y"]);
        check(
            &serde_json::json!({ "Labels": { "k/nix/store/a-k": "/nix/store/b-v:/nix/store/c-w" } }),
            &["k", "v", "w"],
        );
        check(
            &serde_json::json!({ "/nix/store/a-top": 1, "User": "/nix/store/", "X": "/nix/store/é" }),
            &["top"],
        );
        check(&serde_json::json!({ "X": "/nix/store/.links /gnu/store/a-b" }), &[]);
    }
}

//! What an image takes over from its base image's config.
//!
//! In the mode `all` the rules are those of a Dockerfile's instructions on top of `FROM`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::DraftError;
use crate::parsed::{Config, OpenError};

const HEALTHCHECK: &str = "Healthcheck";

/// Objects in a config that are merged key by key.
const BY_KEY: [&str; 4] = ["Labels", "Volumes", "ExposedPorts", HEALTHCHECK];

/// How much of the base image's config goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Inherit {
    /// The environment, as in dockerTools.
    #[default]
    Env,
    /// All of it.
    All,
}

/// What a container of an image on a base is started with: the base's config with ours on top.
pub(super) fn inherited(
    inherit: Inherit,
    base: &Map<String, Value>,
    ours: &Map<String, Value>,
) -> Result<Map<String, Value>, DraftError> {
    let mut merged = match inherit {
        Inherit::Env => ours.clone(),
        Inherit::All => on_top(base, ours)?,
    };
    let env = environment(base, ours)?;
    if !env.is_empty() {
        merged.insert("Env".to_owned(), env.into_iter().map(|(_, entry)| entry).collect());
    }
    Ok(merged)
}

/// Everything in a base image's config, but for a history that does not speak of its layers.
pub(super) fn whole(base: &Config) -> Result<Map<String, Value>, OpenError> {
    let mut whole = base.fields()?;
    if base.history_layers != Some(base.diff_ids.len()) {
        whole.shift_remove("history");
    }
    Ok(whole)
}

/// All fields of both. `null` is as good as absent: Go writes it for what is empty.
fn on_top(base: &Map<String, Value>, ours: &Map<String, Value>) -> Result<Map<String, Value>, DraftError> {
    let is_said = |key| ours.get(key).is_some_and(|value: &Value| !value.is_null());
    let mut merged = base.clone();
    // They were the arguments of another program.
    if is_said("Entrypoint") && !is_said("Cmd") {
        merged.shift_remove("Cmd");
    }
    for (key, value) in ours {
        match merged.get_mut(key) {
            Some(_) if value.is_null() => {}
            Some(old) if !old.is_null() && BY_KEY.contains(&key.as_str()) => {
                let object = |whose| DraftError::Config { whose, key: key.clone(), expected: "an object" };
                let old = old.as_object_mut().ok_or_else(|| object("base image"))?;
                let new = value.as_object().ok_or_else(|| object("conf"))?.clone();
                let is_left = |value: &Value| key == HEALTHCHECK && is_inherited(value);
                old.extend(new.into_iter().filter(|(_, value)| !is_left(value)));
            }
            Some(old) => old.clone_from(value),
            None => drop(merged.insert(key.clone(), value.clone())),
        }
    }
    Ok(merged)
}

/// Whether a value in a health check means that of the base image.
fn is_inherited(value: &Value) -> bool {
    value.is_null() || value.as_u64() == Some(0) || value.as_array().is_some_and(Vec::is_empty)
}

/// The environment by name, which is what stands before `=`. Of two entries with one name the later counts, in the
/// earlier's place.
fn environment(
    base: &Map<String, Value>,
    ours: &Map<String, Value>,
) -> Result<Map<String, Value>, DraftError> {
    let mut merged = Map::new();
    for (config, whose) in [(base, "base image"), (ours, "conf")] {
        let wrong = || DraftError::Config { whose, key: "Env".to_owned(), expected: "a list of texts" };
        for entry in env(config).ok_or_else(wrong)? {
            let name = entry.split('=').next().unwrap_or_default();
            merged.insert(name.to_owned(), entry.into());
        }
    }
    Ok(merged)
}

/// A config's environment. `None` where it is something else than texts.
fn env(config: &Map<String, Value>) -> Option<Vec<&str>> {
    match config.get("Env") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(Value::as_str).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn check(inherit: Inherit, [base, ours, expected]: &[Value; 3]) {
        let merged = inherited(inherit, &object(base), &object(ours)).unwrap();
        // As text, for the order counts.
        assert_eq!(json!(merged).to_string(), expected.to_string(), "{base} {ours}");
    }

    #[test]
    fn the_environment_only() {
        for case in [
            [json!({ "Env": ["A=1"], "Cmd": ["x"], "User": "a" }), json!({}), json!({ "Env": ["A=1"] })],
            [
                json!({ "Env": ["A=1", "B=1", "A=2"] }),
                json!({ "Env": ["C=3", "B=3"], "Cmd": null }),
                json!({ "Env": ["A=2", "B=3", "C=3"], "Cmd": null }),
            ],
            [json!({ "Env": null }), json!({ "Cmd": ["x"] }), json!({ "Cmd": ["x"] })],
            [json!({}), json!({ "Env": [] }), json!({ "Env": [] })],
        ] {
            check(Inherit::Env, &case);
        }
    }

    #[test]
    fn all_of_it() {
        for case in [
            [json!({}), json!({ "Cmd": ["x"], "X": null }), json!({ "Cmd": ["x"], "X": null })],
            // By name.
            [
                json!({ "Env": ["A=1", "B=1"], "User": "a" }),
                json!({ "Env": ["B=2", "C=2"] }),
                json!({ "Env": ["A=1", "B=2", "C=2"], "User": "a" }),
            ],
            [
                json!({ "Labels": { "a": "1", "b": "1" }, "Volumes": { "/a": {} }, "ExposedPorts": null }),
                json!({ "Labels": { "b": "2", "c": "2" }, "Volumes": null, "ExposedPorts": { "80/tcp": {} } }),
                json!({ "Labels": { "a": "1", "b": "2", "c": "2" }, "Volumes": { "/a": {} }, "ExposedPorts": { "80/tcp": {} } }),
            ],
            // Ours, or else the base's.
            [
                json!({ "User": "a", "WorkingDir": "/a", "StopSignal": "1", "Shell": ["a"], "OnBuild": ["a"] }),
                json!({ "User": "b", "WorkingDir": null, "Shell": ["b"], "OnBuild": [] }),
                json!({ "User": "b", "WorkingDir": "/a", "StopSignal": "1", "Shell": ["b"], "OnBuild": [] }),
            ],
            [
                json!({ "Healthcheck": { "Test": ["CMD", "a"], "Retries": 3 }, "Unknown": [1.5] }),
                json!({ "Healthcheck": { "Test": [], "Retries": 0, "Timeout": 5 }, "Other": { "a": null } }),
                json!({ "Healthcheck": { "Test": ["CMD", "a"], "Retries": 3, "Timeout": 5 }, "Unknown": [1.5], "Other": { "a": null } }),
            ],
            // What is run.
            [
                json!({ "Entrypoint": ["a"], "Cmd": ["a"] }),
                json!({}),
                json!({ "Entrypoint": ["a"], "Cmd": ["a"] }),
            ],
            [
                json!({ "Entrypoint": ["a"], "Cmd": ["a"] }),
                json!({ "Cmd": ["b"] }),
                json!({ "Entrypoint": ["a"], "Cmd": ["b"] }),
            ],
            [
                json!({ "Cmd": ["a"], "Entrypoint": ["a"] }),
                json!({ "Entrypoint": ["b"] }),
                json!({ "Entrypoint": ["b"] }),
            ],
            [
                json!({ "Cmd": ["a"], "Entrypoint": ["a"] }),
                json!({ "Entrypoint": [], "Cmd": null }),
                json!({ "Entrypoint": [], "Cmd": null }),
            ],
            [
                json!({ "Cmd": ["a"], "Entrypoint": ["a"] }),
                json!({ "Entrypoint": null }),
                json!({ "Cmd": ["a"], "Entrypoint": ["a"] }),
            ],
        ] {
            check(Inherit::All, &case);
        }
    }

    #[test]
    fn what_cannot_be_merged() {
        for (base, ours, expected) in [
            (json!({ "Labels": [] }), json!({ "Labels": {} }), "the base image's Labels is not an object"),
            (json!({ "Volumes": {} }), json!({ "Volumes": "x" }), "the conf's Volumes is not an object"),
            (json!({ "Env": [1] }), json!({}), "the base image's Env is not a list of texts"),
            (json!({ "Env": [] }), json!({ "Env": {} }), "the conf's Env is not a list of texts"),
        ] {
            let error = inherited(Inherit::All, &object(&base), &object(&ours)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        // Nobody has to understand what is only handed on.
        check(Inherit::All, &[json!({ "Labels": [] }), json!({}), json!({ "Labels": [] })]);
    }

    /// Any config: keys that mean something and keys that nobody knows.
    fn config() -> impl Strategy<Value = Map<String, Value>> {
        let words = prop::collection::vec("[a-c=]{0,3}", 0..4).prop_map(|words| json!(words));
        let set = prop::collection::btree_map("[a-c]", "[a-c]", 0..3).prop_map(|set| json!(set));
        let or_null = |value: BoxedStrategy<Value>| prop_oneof![3 => value, 1 => Just(Value::Null)];
        let lists = ("Env|Entrypoint|Cmd|Shell", or_null(words.boxed()));
        let sets = ("Labels|Volumes|ExposedPorts", or_null(set.boxed()));
        let others = ("User|[a-z]", or_null("[a-c]{0,2}".prop_map(|text| json!(text)).boxed()));
        let fields = prop_oneof![lists.boxed(), sets.boxed(), others.boxed()];
        prop::collection::vec(fields, 0..12).prop_map(|fields| fields.into_iter().collect())
    }

    proptest! {
        #[test]
        fn once_more_is_the_same(base in config(), ours in config()) {
            for inherit in [Inherit::Env, Inherit::All] {
                let merged = inherited(inherit, &base, &ours).unwrap();
                prop_assert_eq!(&inherited(inherit, &base, &merged).unwrap(), &merged);
                if inherit == Inherit::All {
                    prop_assert_eq!(&inherited(inherit, &merged, &ours).unwrap(), &merged);
                }
            }
        }

        #[test]
        fn nothing_unknown_is_lost(base in config(), ours in config()) {
            let merged = inherited(Inherit::All, &base, &ours).unwrap();
            for (key, value) in &ours {
                let union = ["Env", "Labels", "Volumes", "ExposedPorts"].contains(&key.as_str());
                if !union && !value.is_null() {
                    prop_assert_eq!(merged.get(key), Some(value));
                }
            }
            for (key, value) in &base {
                if ours.get(key).is_none_or(Value::is_null) && key != "Cmd" && key != "Env" {
                    prop_assert_eq!(merged.get(key), Some(value));
                }
                for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                    prop_assert!(merged[key].get(name).is_some());
                }
            }
        }
    }
}

//! An image's config from words.
//!
//! Format: OCI image configuration, section "Properties", key `config`.

use serde_json::{Map, Value, json};

/// What a container is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigOptions {
    /// The config to begin with, which all that follows is put over.
    pub config: Map<String, Value>,
    /// `Entrypoint`: words one by one, or a single one that is a JSON list of them. None: as it is.
    pub entrypoint: Vec<String>,
    /// `Cmd`, in the same way.
    pub cmd: Vec<String>,
    /// `Env`: `NAME=VALUE` each. They take the place of those with the same names.
    pub env: Vec<String>,
    /// `User`: `USER[:GROUP]`.
    pub user: Option<String>,
    /// `WorkingDir`.
    pub working_dir: Option<String>,
    /// `ExposedPorts`: `PORT[/PROTOCOL]` each, with TCP where there is no protocol.
    pub exposed_ports: Vec<String>,
    /// `Labels`: `NAME=VALUE` each.
    pub labels: Vec<String>,
    /// `Volumes`: directories.
    pub volumes: Vec<String>,
    /// `StopSignal`.
    pub stop_signal: Option<String>,
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Words that begin as a JSON list does, and are none.
    #[error("{key} {text:?} is not a JSON list of words: {source}")]
    Words {
        /// The config's key.
        key: &'static str,
        /// The text.
        text: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An environment variable without a name or a value.
    #[error("the environment variable {0:?} is not NAME=VALUE")]
    Variable(String),
    /// A label without a name or a value.
    #[error("the label {0:?} is not NAME=VALUE")]
    Label(String),
    /// A port that is none.
    #[error("{0:?} is not a port")]
    Port(String),
    /// What the config to begin with has under a key cannot be added to.
    #[error("the config's {key} must be {expected}")]
    Shape {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl ConfigOptions {
    /// The config: the one to begin with, with what the words say put over it.
    pub fn config(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut config = self.config.clone();
        for (key, words) in [("Entrypoint", &self.entrypoint), ("Cmd", &self.cmd)] {
            if !words.is_empty() {
                config.insert(key.to_owned(), list(key, words)?);
            }
        }
        for (key, text) in
            [("User", &self.user), ("WorkingDir", &self.working_dir), ("StopSignal", &self.stop_signal)]
        {
            if let Some(text) = text {
                config.insert(key.to_owned(), json!(text));
            }
        }
        for variable in &self.env {
            let (name, _) = pair(variable).ok_or_else(|| ConfigError::Variable(variable.clone()))?;
            let list = member(&mut config, "Env", || json!([]));
            let list = list.as_array_mut().ok_or(ConfigError::Shape { key: "Env", expected: "a list" })?;
            list.retain(|old| old.as_str().and_then(|old| old.split('=').next()) != Some(name));
            list.push(json!(variable));
        }
        for label in &self.labels {
            let (name, value) = pair(label).ok_or_else(|| ConfigError::Label(label.clone()))?;
            object(&mut config, "Labels")?.insert(name.to_owned(), json!(value));
        }
        for port in &self.exposed_ports {
            let port = self::port(port).ok_or_else(|| ConfigError::Port(port.clone()))?;
            object(&mut config, "ExposedPorts")?.insert(port, json!({}));
        }
        for volume in &self.volumes {
            object(&mut config, "Volumes")?.insert(volume.clone(), json!({}));
        }
        Ok(config)
    }
}

/// Words one by one, or a single JSON list of them.
fn list(key: &'static str, words: &[String]) -> Result<Value, ConfigError> {
    if let [text] = words
        && text.starts_with('[')
    {
        let words: Vec<String> = serde_json::from_str(text).map_err(|source| ConfigError::Words {
            key,
            text: text.clone(),
            source,
        })?;
        return Ok(json!(words));
    }
    Ok(json!(words))
}

/// A port with its protocol, which is TCP where none is said: `80` is `80/tcp`.
pub fn port(text: &str) -> Option<String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_port = number.parse::<u16>().is_ok() && ["tcp", "udp", "sctp"].contains(&protocol);
    is_port.then(|| format!("{number}/{protocol}"))
}

/// A name that is not empty, and a value: `NAME=VALUE`.
pub fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, _)| !name.is_empty())
}

fn object<'c>(
    config: &'c mut Map<String, Value>,
    key: &'static str,
) -> Result<&'c mut Map<String, Value>, ConfigError> {
    let wrong = ConfigError::Shape { key, expected: "an object" };
    member(config, key, || json!({})).as_object_mut().ok_or(wrong)
}

/// The value of a key. `null` is as good as absent: Go writes it for what is empty.
fn member<'c>(config: &'c mut Map<String, Value>, key: &str, empty: fn() -> Value) -> &'c mut Value {
    let value = config.entry(key).or_insert_with(empty);
    if value.is_null() {
        *value = empty();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    /// `expected` is the config, or the error's text.
    fn check(begun: &Value, change: impl FnOnce(&mut ConfigOptions), expected: Result<Value, &str>) {
        let config = begun.as_object().unwrap().clone();
        let mut options = ConfigOptions { config, ..ConfigOptions::default() };
        change(&mut options);
        let found = options.config().map(Value::Object).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{options:?}");
    }

    #[test]
    fn what_the_words_say() {
        let none = json!({});
        check(&none, |_| (), Ok(json!({})));
        check(&none, |it| it.cmd = words(&["a", "b c"]), Ok(json!({ "Cmd": ["a", "b c"] })));
        check(&none, |it| it.cmd = words(&["[\"a\", \"b c\"]"]), Ok(json!({ "Cmd": ["a", "b c"] })));
        check(&none, |it| it.entrypoint = words(&["[", "x"]), Ok(json!({ "Entrypoint": ["[", "x"] })));
        check(&json!({ "User": "old" }), |it| it.user = Some("1:2".into()), Ok(json!({ "User": "1:2" })));
        check(
            &json!({ "Env": ["A=old", "B=old"] }),
            |it| it.env = words(&["A=new", "C=d=e", "C=f"]),
            Ok(json!({ "Env": ["B=old", "A=new", "C=f"] })),
        );
        check(
            &json!({ "Labels": null }),
            |it| it.labels = words(&["l="]),
            Ok(json!({ "Labels": { "l": "" } })),
        );
        check(
            &none,
            |it| it.exposed_ports = words(&["80", "53/udp"]),
            Ok(json!({ "ExposedPorts": { "80/tcp": {}, "53/udp": {} } })),
        );
        check(&none, |it| it.volumes = words(&["/data"]), Ok(json!({ "Volumes": { "/data": {} } })));
        check(
            &none,
            |it| (it.working_dir, it.stop_signal) = (Some("/w".into()), Some("9".into())),
            Ok(json!({ "WorkingDir": "/w", "StopSignal": "9" })),
        );
    }

    #[test]
    fn refused() {
        let none = json!({});
        check(&none, |it| it.env = words(&["=x"]), Err("the environment variable \"=x\" is not NAME=VALUE"));
        check(&none, |it| it.labels = words(&["x"]), Err("the label \"x\" is not NAME=VALUE"));
        for port in ["70000", "80/x", "", "-1", "80/"] {
            let expected = format!("{port:?} is not a port");
            check(&none, |it| it.exposed_ports = words(&[port]), Err(&expected));
        }
        check(&json!({ "Env": {} }), |it| it.env = words(&["A=b"]), Err("the config's Env must be a list"));
        let labels = json!({ "Labels": [] });
        check(&labels, |it| it.labels = words(&["a=b"]), Err("the config's Labels must be an object"));
        let expected = "Cmd \"[1]\" is not a JSON list of words: invalid type: integer `1`, expected a string at line 1 column 2";
        check(&none, |it| it.cmd = words(&["[1]"]), Err(expected));
    }
}

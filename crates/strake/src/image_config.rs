//! An image's config from flags and a file.
//!
//! Format: OCI image configuration, section "Properties", key `config`.

use serde_json::{Map, Value, json};

use crate::cli::Config;
use crate::failure::Failure;
use crate::input;

/// The config: the file's, with what the flags say put over it.
pub(crate) fn config(flags: &Config) -> Result<Map<String, Value>, Failure> {
    let mut config = match &flags.file {
        None => Map::new(),
        Some(path) => match serde_json::from_slice(&input::read(path)?) {
            Ok(Value::Object(config)) => config,
            Ok(_) => return Err(Failure::new(format!("{} is not a JSON object", input::name(path)))),
            Err(error) => return Err(Failure::new(format!("{} is not JSON: {error}", input::name(path)))),
        },
    };
    for (key, words) in [("Entrypoint", &flags.entrypoint), ("Cmd", &flags.cmd)] {
        if !words.is_empty() {
            config.insert(key.to_owned(), list(key, words)?);
        }
    }
    for (key, text) in
        [("User", &flags.user), ("WorkingDir", &flags.workdir), ("StopSignal", &flags.stop_signal)]
    {
        if let Some(text) = text {
            config.insert(key.to_owned(), json!(text));
        }
    }
    for variable in &flags.env {
        let (name, _) = pair("--env", variable)?;
        let list = member(&mut config, "Env", || json!([]));
        let list = list.as_array_mut().ok_or_else(|| wrong("Env", "a list"))?;
        list.retain(|old| old.as_str().and_then(|old| old.split('=').next()) != Some(name));
        list.push(json!(variable));
    }
    for label in &flags.label {
        let (name, value) = pair("--label", label)?;
        object(&mut config, "Labels")?.insert(name.to_owned(), json!(value));
    }
    for port in &flags.expose {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        if number.parse::<u16>().is_err() || !["tcp", "udp", "sctp"].contains(&protocol) {
            return Err(
                Failure::new(format!("--expose {port:?} is not a port")).hint("write it as 8080 or 8080/udp")
            );
        }
        object(&mut config, "ExposedPorts")?.insert(format!("{number}/{protocol}"), json!({}));
    }
    for volume in &flags.volume {
        object(&mut config, "Volumes")?.insert(volume.clone(), json!({}));
    }
    Ok(config)
}

/// Words one by one, or a single JSON list of them.
fn list(key: &str, words: &[String]) -> Result<Value, Failure> {
    if let [text] = words
        && text.starts_with('[')
    {
        let words: Vec<String> = serde_json::from_str(text)
            .map_err(|error| Failure::new(format!("{key} {text:?} is not a JSON list of words: {error}")))?;
        return Ok(json!(words));
    }
    Ok(json!(words))
}

fn pair<'t>(flag: &str, text: &'t str) -> Result<(&'t str, &'t str), Failure> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.ok_or_else(|| Failure::new(format!("{flag} {text:?} is not NAME=VALUE")))
}

fn object<'c>(config: &'c mut Map<String, Value>, key: &str) -> Result<&'c mut Map<String, Value>, Failure> {
    member(config, key, || json!({})).as_object_mut().ok_or_else(|| wrong(key, "an object"))
}

/// The value of a key. `null` is as good as absent: Go writes it for what is empty.
fn member<'c>(config: &'c mut Map<String, Value>, key: &str, empty: fn() -> Value) -> &'c mut Value {
    let value = config.entry(key).or_insert_with(empty);
    if value.is_null() {
        *value = empty();
    }
    value
}

fn wrong(key: &str, expected: &str) -> Failure {
    Failure::new(format!("the config's {key} must be {expected}"))
}

//! From a text to a conf.

use std::collections::HashSet;
use std::slice;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use strake_plan::{Closure, StoreDir, StorePath};

use super::{Conf, CustomisationSource, DescribedBase, Inherit, Spec, SpecError, Time};
use crate::customisation::Customisation;
use crate::recipe::Owner;

/// How much of a wrong value a message shows, in characters.
const SHOWN: usize = 60;

impl Spec {
    /// Checks a conf that was planned.
    pub fn of(conf: &Conf) -> Result<Self, SpecError> {
        Self::parse(&serde_json::to_vec(conf).map_err(SpecError::Json)?)
    }

    /// Reads a conf. Keys that it does not know are passed over, as the script does.
    pub fn parse(json: &[u8]) -> Result<Self, SpecError> {
        let Value::Object(conf) = serde_json::from_slice(json).map_err(SpecError::Json)? else {
            return Err(SpecError::NotAnObject);
        };
        let conf = Keys(conf);
        // The script writes "linux" whatever it is told, so nothing else can be wanted.
        conf.optional("os", "\"linux\"", |value| (value == "linux").then_some(()))?;
        let store_dir = conf.text("store_dir")?;
        let store_dir = StoreDir::parse(&store_dir)
            .map_err(|source| SpecError::StorePath { key: "store_dir", source })?;
        let store_layers = conf.store_layers(&store_dir)?;
        let spec = Self {
            architecture: conf.text("architecture")?,
            config: conf.key("config", "an object", |value| value.as_object().cloned())?,
            from_image: conf.key("from_image", "a path or null", |value| match value {
                Value::Null => Some(None),
                path => text(path).map(Some),
            })?,
            inherit: conf.inherit()?,
            skip_base_paths: conf
                .optional("skip_base_paths", "true or false", Value::as_bool)?
                .unwrap_or_default(),
            closure: conf.closure(&store_dir, &store_layers)?,
            store_layers,
            store_dir,
            customisations: conf.customisations()?,
            described_base: conf.optional("described_base", "what strake describe writes", |value| {
                DescribedBase::deserialize(value).ok()
            })?,
            described: conf.list("described", "a list of objects with \"diff_id\" and \"size\"")?,
            history: conf.list("history", "a list of objects")?,
            repo_tag: conf.text("repo_tag")?,
            created: conf.time("created")?,
            mtime: conf.time("mtime")?,
            owner: Owner {
                uid: conf.id("uid")?,
                gid: conf.id("gid")?,
                uname: conf.name("uname")?,
                gname: conf.name("gname")?,
            },
        };
        let layers = spec.own_layers();
        for (key, found) in [("described", spec.described.len()), ("history", spec.history.len())] {
            if found != 0 && found != layers {
                return Err(SpecError::Count { key, found, layers });
            }
        }
        Ok(spec)
    }

    /// How many layers the image has besides those of its base image.
    pub fn own_layers(&self) -> usize {
        self.store_layers.len() + self.customisations.len()
    }
}

/// The conf's object.
struct Keys(Map<String, Value>);

impl Keys {
    /// The value of a key, taken by `take`; `expected` says what that takes.
    fn key<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        take: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, SpecError> {
        self.optional(key, expected, take)?.ok_or(SpecError::Missing(key))
    }

    fn optional<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        take: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, SpecError> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        match take(value) {
            Some(taken) => Ok(Some(taken)),
            None => Err(SpecError::Value { key, expected, found: shown(value) }),
        }
    }

    fn text(&self, key: &'static str) -> Result<String, SpecError> {
        self.key(key, "a text that is not empty", text)
    }

    /// An owner's name, which may be empty.
    fn name(&self, key: &'static str) -> Result<String, SpecError> {
        self.key(key, "a text", |value| value.as_str().filter(|text| !text.contains('\0')).map(str::to_owned))
    }

    /// An owner's number: a JSON number, or a text as Nix writes it.
    fn id(&self, key: &'static str) -> Result<u32, SpecError> {
        self.key(key, "a whole number from 0 to 4294967295, or such a text", |value| match value {
            Value::Number(number) => number.as_u64().and_then(|number| number.try_into().ok()),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    fn time(&self, key: &'static str) -> Result<Time, SpecError> {
        self.key(key, "\"now\" or a time in ISO 8601", |value| Time::parse(value.as_str()?))
    }

    /// A list that may be left out.
    fn list<T: DeserializeOwned>(
        &self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<Vec<T>, SpecError> {
        let list = self.optional(key, expected, |value| Vec::deserialize(value).ok())?;
        Ok(list.unwrap_or_default())
    }

    fn inherit(&self) -> Result<Inherit, SpecError> {
        let inherit = self.optional("inherit", "\"env\" or \"all\"", |value| match value {
            Value::Null => Some(Inherit::default()),
            value if value == "env" => Some(Inherit::Env),
            value if value == "all" => Some(Inherit::All),
            _ => None,
        });
        Ok(inherit?.unwrap_or_default())
    }

    fn customisations(&self) -> Result<Vec<CustomisationSource>, SpecError> {
        const PACKED: &str = "customisation_layer";
        const DESCRIBED: &str = "customisation";
        match (self.0.get(PACKED), self.0.get(DESCRIBED)) {
            (_, None) => Ok(vec![self.text(PACKED).map(CustomisationSource::Packed)?]),
            (Some(_), Some(_)) => Err(SpecError::Both(PACKED, DESCRIBED)),
            (None, Some(described)) => {
                let described = described.as_array().map_or(slice::from_ref(described), Vec::as_slice);
                let described = described.iter().map(Customisation::deserialize);
                let described = described.collect::<Result<Vec<_>, _>>().map_err(SpecError::Customisation)?;
                let full = described.into_iter().filter(|description| !description.is_empty());
                Ok(full.map(CustomisationSource::Described).collect())
            }
        }
    }

    fn closure(
        &self,
        store_dir: &StoreDir,
        store_layers: &[Vec<StorePath>],
    ) -> Result<Option<Closure>, SpecError> {
        let Some(closure) = self.0.get("closure") else { return Ok(None) };
        let closure = Closure::parse(closure.to_string().as_bytes(), None).map_err(SpecError::Closure)?;
        if closure.store_dir() != store_dir && !closure.is_empty() {
            return Err(SpecError::OtherStore(closure.store_dir().clone()));
        }
        match store_layers.iter().flatten().find(|path| closure.node(path.as_str()).is_none()) {
            Some(path) => Err(SpecError::NotInClosure(path.clone())),
            None => Ok(Some(closure)),
        }
    }

    fn store_layers(&self, store_dir: &StoreDir) -> Result<Vec<Vec<StorePath>>, SpecError> {
        const KEY: &str = "store_layers";
        let layers: Vec<Vec<String>> = self.key(KEY, "a list of lists of store paths", |value| {
            let texts = |layer: &Value| layer.as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
            value.as_array()?.iter().map(texts).collect()
        })?;
        let mut seen = HashSet::new();
        let mut take = |text: String| {
            let path =
                store_dir.store_path(&text).map_err(|source| SpecError::StorePath { key: KEY, source })?;
            if seen.insert(text) { Ok(path) } else { Err(SpecError::Twice(path)) }
        };
        layers.into_iter().map(|layer| layer.into_iter().map(&mut take).collect()).collect()
    }
}

/// A text that can be a path or a name.
fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty() && !text.contains('\0')).map(str::to_owned)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A conf with this value in place of what a key has, or without the key: what is wrong with it, if anything is.
    fn check(key: &str, value: impl Into<Option<Value>>, expected: Option<&str>) {
        let value = value.into();
        let mut conf = json!({
            "architecture": "amd64", "config": {}, "os": "linux", "store_dir": "/nix/store", "from_image": null,
            "store_layers": [["/nix/store/aaa-b"]], "customisation": {}, "repo_tag": "a:1",
            "created": "1970-01-01T00:00:01+00:00", "mtime": "now", "uid": "0", "gid": 0, "uname": "", "gname": "",
        });
        let keys = conf.as_object_mut().unwrap();
        match &value {
            None => drop(keys.shift_remove(key)),
            Some(value) => drop(keys.insert(key.to_owned(), value.clone())),
        }
        let found = Spec::parse(conf.to_string().as_bytes()).err().map(|error| error.to_string());
        let matches = match (&found, expected) {
            (Some(found), Some(expected)) => found.contains(expected),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(matches, "{key} {value:?}: {found:?} is not {expected:?}");
    }

    #[test]
    fn keys() {
        check("architecture", json!("arm64"), None);
        check("architecture", None, Some("has no key \"architecture\""));
        check("architecture", json!(1), Some("key \"architecture\" must be"));
        check("os", json!("windows"), Some("key \"os\" must be \"linux\""));
        check("store_dir", json!("nix/store"), Some("key \"store_dir\""));
        check("store_layers", json!([["/gnu/store/aaa-b"]]), Some("key \"store_layers\""));
        check("store_layers", json!([["/nix/store/aaa-b", "/nix/store/aaa-b"]]), Some("twice"));
        check("store_layers", json!("/nix/store/aaa-b"), Some("key \"store_layers\" must be"));
        check("customisation", None, Some("has no key"));
        check("customisation_layer", json!("/nix/store/ccc-d"), Some("has both keys"));
        check("created", json!("yesterday"), Some("key \"created\""));
        check("mtime", json!("2024-01-01"), None);
        check("uid", json!("root"), Some("key \"uid\""));
        let described = json!({ "diff_id": format!("sha256:{}", "0".repeat(64)), "size": 1 });
        check("described", json!(vec![described; 3]), Some("key \"described\" speaks of 3 layers"));
        check("unknown", json!({ "to": "us" }), None);
    }

    #[test]
    fn no_confs() {
        for (text, expected) in [("", "is not JSON"), ("[]", "is not a JSON object"), ("{}", "has no key")] {
            let error = Spec::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}

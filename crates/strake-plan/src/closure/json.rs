//! References graphs in JSON.
//!
//! Formats: `exportReferencesGraph` with structured attributes (Nix manual, "Advanced attributes"): a list of objects,
//! or an object that has such a list under some key; `nix path-info --json -r`: such a list (until Nix 2.18), an object
//! by store path (from 2.19), or (version 2, from 2.33) an object by base name under the key `info`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Closure, ClosureError, Row, store_dir_of};
use crate::store_path::StoreDir;

/// A store path in a list or an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    references: Vec<Cow<'a, str>>,
    nar_size: Option<u64>,
    #[serde(borrow)]
    nar_hash: Option<Hash<'a>>,
    valid: Option<bool>,
}

/// A hash: a text, or its parts (path-info, version 2).
#[derive(Deserialize)]
#[serde(untagged)]
enum Hash<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Parts { algorithm: Cow<'a, str>, hash: Cow<'a, str> },
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

pub(super) fn parse(text: &[u8], key: Option<&str>) -> Result<Closure, ClosureError> {
    if text.trim_ascii_start().first() == Some(&b'[') {
        return list(serde_json::from_slice(text).map_err(ClosureError::Json)?);
    }
    let object: Object<'_> = serde_json::from_slice(text).map_err(ClosureError::Json)?;
    if let Some(key) = key {
        let value = object.get(key).ok_or_else(|| ClosureError::NoKey(key.to_owned()))?;
        return list(read(value)?);
    }
    if let (Some(info), Some(store_dir)) = (object.get("info"), object.get("storeDir")) {
        return by_base_name(&read(info)?, &read::<String>(store_dir)?);
    }
    if object.keys().all(|key| key.starts_with('/')) {
        return by_path(&object);
    }
    let mut graphs: Vec<_> = object.iter().filter(|(_, value)| is_graph(value)).collect();
    // Any attribute may be an empty list.
    let empty = |value: &RawValue| value.get()[1..].trim_start().starts_with(']');
    if graphs.iter().any(|(_, value)| !empty(value)) {
        graphs.retain(|(_, value)| !empty(value));
    }
    match graphs[..] {
        [(_, graph)] => list(read(graph)?),
        _ => Err(ClosureError::Keys {
            found: graphs.len(),
            keys: graphs.into_iter().map(|(key, _)| key.clone()).collect(),
        }),
    }
}

fn read<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, ClosureError> {
    serde_json::from_str(value.get()).map_err(ClosureError::Json)
}

/// Whether it is a list of objects with a `path`. Other attributes of a derivation may be lists too.
fn is_graph(value: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Listed {
        #[serde(rename = "path")]
        _path: String,
        #[serde(rename = "references")]
        _references: Vec<String>,
    }
    serde_json::from_str::<Vec<Listed>>(value.get()).is_ok()
}

fn list(infos: Vec<Info<'_>>) -> Result<Closure, ClosureError> {
    let rows = infos.into_iter().map(|info| {
        let path = info.path.clone().ok_or_else(|| missing_field("path"))?.into_owned();
        row(path, info, |reference| reference)
    });
    let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
    Closure::new(store_dir_of(&rows)?, rows)
}

fn by_path(object: &Object<'_>) -> Result<Closure, ClosureError> {
    let rows = object.iter().map(|(path, info)| row(path.clone(), valid(path, info)?, |reference| reference));
    let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
    Closure::new(store_dir_of(&rows)?, rows)
}

fn by_base_name(object: &Object<'_>, store_dir: &str) -> Result<Closure, ClosureError> {
    let whole = |name: String| format!("{store_dir}/{name}");
    let rows = object.iter().map(|(name, info)| row(whole(name.clone()), valid(name, info)?, whole));
    let rows = rows.collect::<Result<_, _>>()?;
    Closure::new(StoreDir::parse(store_dir)?, rows)
}

/// Reads an object's entry; Nix writes `null` for a path that is not in the store.
fn valid<'a>(path: &str, info: &'a RawValue) -> Result<Info<'a>, ClosureError> {
    read::<Option<Info<'a>>>(info)?.ok_or_else(|| ClosureError::Invalid(path.to_owned()))
}

fn row(path: String, info: Info<'_>, whole: impl Fn(String) -> String) -> Result<Row, ClosureError> {
    if info.valid == Some(false) {
        return Err(ClosureError::Invalid(path));
    }
    Ok(Row {
        nar_size: info.nar_size.ok_or_else(|| missing_field("narSize"))?,
        references: info.references.into_iter().map(|reference| whole(reference.into_owned())).collect(),
        nar_hash: info.nar_hash.map(|hash| match hash {
            Hash::Text(text) => text.into_owned(),
            Hash::Parts { algorithm, hash } => format!("{algorithm}:{hash}"),
        }),
        path,
    })
}

fn missing_field(name: &'static str) -> ClosureError {
    ClosureError::Json(serde::de::Error::missing_field(name))
}

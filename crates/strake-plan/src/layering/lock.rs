//! Lock files: the layers of a plan, kept for the next one.
//!
//! Format: a JSON object with `version` (1), `planner` (the version of the planner that made it), `maxLayers` and
//! `layers`, a list of lists of store paths, lowest first. For a fleet the list has the layers of all images, each once.
//! The user keeps the file beside the image's source; nothing is ever read from a registry to plan.

use serde::{Deserialize, Serialize};

use super::PLANNER_VERSION;
use crate::store_path::StorePath;

/// The version of the format.
const VERSION: u32 = 1;

/// The layers of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The maximum number of layers.
    pub max_layers: usize,
    /// The layers' store paths, the lowest layer first.
    pub layers: Vec<Vec<String>>,
}

/// Why something is no lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not JSON, or JSON of another shape.
    #[error("is not a lock file")]
    Json(#[source] serde_json::Error),
    /// Of a version that is not known here.
    #[error("has version {0} of the format; this strake knows version {VERSION}")]
    Version(u64),
    /// Made by a planner that is not known here.
    #[error("was written by version {0} of the planner; this strake has version {PLANNER_VERSION}")]
    Planner(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    version: u64,
    planner: u64,
    max_layers: usize,
    layers: Vec<Vec<String>>,
}

impl Lock {
    /// Keeps layers of which `max_layers` were allowed.
    pub fn of<'l>(max_layers: usize, layers: impl IntoIterator<Item = &'l Vec<StorePath>>) -> Self {
        let names = |layer: &Vec<StorePath>| layer.iter().map(ToString::to_string).collect();
        Self { max_layers, layers: layers.into_iter().map(names).collect() }
    }

    /// Reads a lock file.
    pub fn parse(text: &[u8]) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        struct Versions {
            version: u64,
            planner: u64,
        }
        // Another version may have another shape.
        let versions: Versions = serde_json::from_slice(text).map_err(LockError::Json)?;
        if versions.version != u64::from(VERSION) {
            return Err(LockError::Version(versions.version));
        }
        if versions.planner > u64::from(PLANNER_VERSION) {
            return Err(LockError::Planner(versions.planner));
        }
        let file: File = serde_json::from_slice(text).map_err(LockError::Json)?;
        Ok(Self { max_layers: file.max_layers, layers: file.layers })
    }

    /// The lock file's text.
    pub fn text(&self) -> String {
        let file = File {
            version: VERSION.into(),
            planner: PLANNER_VERSION.into(),
            max_layers: self.max_layers,
            layers: self.layers.clone(),
        };
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::{Lock, LockError};

    #[test]
    fn comes_back() {
        let lock = Lock { max_layers: 7, layers: vec![vec!["/nix/store/a-b".into()], vec![]] };
        assert_eq!(Lock::parse(lock.text().as_bytes()).unwrap(), lock);
    }

    #[test]
    fn refused() {
        let check = |text: &str, expected: &str| {
            let error = Lock::parse(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
            assert_eq!(matches!(error, LockError::Json(_)), expected == "is not a lock file");
        };
        for text in ["", "[]", "{}", "{\"version\": \"1\"}", "{\"version\":1,\"planner\":1}"] {
            check(text, "is not a lock file");
        }
        check(r#"{"version":1,"planner":1,"maxLayers":-1,"layers":[]}"#, "is not a lock file");
        check(r#"{"version":1,"planner":1,"maxLayers":1,"layers":[[1]]}"#, "is not a lock file");
        check(r#"{"version":2,"planner":1}"#, "version 2 of the format");
        check(r#"{"version":1,"planner":9,"maxLayers":1,"layers":[]}"#, "version 9 of the planner");
    }
}

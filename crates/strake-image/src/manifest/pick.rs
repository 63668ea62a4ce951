//! Which of the manifests in an index is meant.

use std::collections::{BTreeMap, HashSet};

use super::REF_NAME;
use crate::digest::Digest;
use crate::foreign::OpenError;
use crate::media_type::Format;
use crate::reference;

/// A descriptor, of which a part is used.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it describes.
    #[serde(default)]
    pub media_type: String,
    /// The digest, as a text.
    pub digest: String,
    /// The size in bytes.
    pub size: u64,
    /// What else is said of it.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
    /// For what it is, where that is said.
    #[serde(default)]
    pub platform: Option<Platform>,
}

/// What an image runs on, of which a part is used.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Platform {
    /// The processor architecture, by Go's name for it.
    pub architecture: String,
    /// The operating system, by Go's name for it.
    pub os: String,
}

impl Entry {
    /// Its digest.
    pub fn digest(&self) -> Result<Digest, OpenError> {
        Digest::parse(&self.digest).map_err(OpenError::BlobName)
    }

    /// The name that it has in its index.
    pub fn name(&self) -> Option<&str> {
        self.annotations.as_ref()?.get(REF_NAME).map(String::as_str)
    }

    /// For what it is, as `os/architecture`.
    pub fn platform_name(&self) -> String {
        let platform = self.platform.as_ref();
        platform.map_or_else(
            || "unknown".to_owned(),
            |platform| format!("{}/{}", platform.os, platform.architecture),
        )
    }

    /// Whether it lists manifests itself.
    pub fn is_index(&self) -> bool {
        Format::ALL.iter().any(|format| format.index() == self.media_type)
    }

    /// Whether it describes another manifest rather than being an image of its own, as attestations of builds do.
    pub(super) fn is_remark(&self) -> bool {
        self.annotations.as_ref().is_some_and(|all| all.contains_key("vnd.docker.reference.type"))
    }
}

/// The entry for Linux on this architecture, or the only one.
pub fn choose(entries: Vec<Entry>, architecture: &str) -> Result<Entry, OpenError> {
    let mut seen = HashSet::new();
    let is_new = |entry: &Entry| !entry.is_remark() && seen.insert(entry.digest.clone());
    let mut left: Vec<Entry> = entries.into_iter().filter(is_new).collect();
    if left.len() > 1 {
        let fits = |entry: &Entry| {
            let platform = entry.platform.as_ref();
            platform.is_some_and(|platform| platform.os == "linux" && platform.architecture == architecture)
        };
        let by_platform = left.iter().all(|entry| entry.platform.is_some());
        match left.iter().filter(|entry| fits(entry)).count() {
            0 if by_platform => {
                let wanted = format!("linux/{architecture}");
                return Err(OpenError::NoSuchImage { wanted, there: names(&left) });
            }
            1 if by_platform => left.retain(fits),
            _ => {}
        }
    }
    match left.len() {
        0 => Err(OpenError::NoImage),
        1 => Ok(left.remove(0)),
        _ => Err(OpenError::Several(names(&left))),
    }
}

/// What the entries are called, for people.
pub(crate) fn names(entries: &[Entry]) -> String {
    let names: Vec<String> = entries
        .iter()
        .map(|entry| match (entry.name(), &entry.platform) {
            (Some(name), _) => name.to_owned(),
            (None, Some(_)) => entry.platform_name(),
            (None, None) => entry.digest.chars().take(80).collect(),
        })
        .collect();
    reference::list(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

//! Which of the manifests in an index is meant.

use std::collections::{BTreeMap, HashSet};

use super::{Platform, REF_NAME};
use crate::digest::Digest;
use crate::media_type::Format;
use crate::parsed::OpenError;
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
        self.platform.as_ref().map_or_else(|| "unknown".to_owned(), Platform::to_string)
    }

    /// Whether it lists manifests itself.
    pub fn is_index(&self) -> bool {
        Format::ALL.iter().any(|format| format.index() == self.media_type)
    }

    /// Whether it describes another manifest rather than being an image of its own, as attestations of builds do.
    pub(super) fn is_attestation(&self) -> bool {
        self.annotations.as_ref().is_some_and(|all| all.contains_key("vnd.docker.reference.type"))
    }
}

/// The entry for this platform, or the only one.
pub fn choose(entries: Vec<Entry>, wanted: &Platform) -> Result<Entry, OpenError> {
    let mut seen = HashSet::new();
    let is_new = |entry: &Entry| !entry.is_attestation() && seen.insert(entry.digest.clone());
    let mut left: Vec<Entry> = entries.into_iter().filter(is_new).collect();
    if left.len() > 1 {
        let fits = |entry: &Entry| entry.platform.as_ref().is_some_and(|platform| platform.is_a(wanted));
        // An index in an index, which may have it.
        let is_inner = |entry: &Entry| entry.platform.is_none() && entry.is_index() && entry.name().is_none();
        if left.iter().all(|entry| entry.platform.is_some() || is_inner(entry)) {
            if left.iter().any(fits) {
                left.retain(fits);
            } else if left.iter().any(is_inner) {
                left.retain(is_inner);
            } else {
                let wanted = wanted.to_string();
                return Err(OpenError::NoSuchImage { wanted, there: names(&left) });
            }
            // Of several kinds of one architecture the one that runs on all of them.
            let is_plain =
                |entry: &Entry| entry.platform.as_ref().is_some_and(|platform| platform.variant.is_none());
            if left.iter().filter(|entry| is_plain(entry)).count() == 1 {
                left.retain(is_plain);
            }
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

//! The state of a registry.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::auth::Grants;
use super::fault::Counters;

/// Everything a registry keeps.
#[derive(Default)]
pub(super) struct State {
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: HashMap<String, Upload>,
    pub(super) grants: Grants,
    pub(super) counters: Counters,
    /// How many uploads have been started.
    pub(super) started: u64,
}

/// The contents of a repository, without the blobs of others.
#[derive(Default)]
pub(super) struct Repository {
    pub(super) blobs: BTreeMap<String, Arc<Vec<u8>>>,
    /// By digest.
    pub(super) manifests: BTreeMap<String, Manifest>,
    /// Digests by tag.
    pub(super) tags: BTreeMap<String, String>,
}

/// A manifest as it came.
#[derive(Clone)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    pub(super) bytes: Arc<Vec<u8>>,
}

/// An upload that has begun.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
    pub(super) hasher: Sha256,
    /// How many PATCH requests it has seen to their end. It is part of the session's URL.
    pub(super) step: u32,
    /// Whether a request writes into it.
    pub(super) busy: bool,
    /// Whether the last piece was smaller than pieces must be.
    pub(super) short: bool,
}

impl Repository {
    /// A manifest by its tag or digest, with its digest.
    pub(super) fn manifest(&self, reference: &str) -> Option<(String, Manifest)> {
        let digest = self.tags.get(reference).map_or(reference, String::as_str);
        self.manifests.get(digest).map(|manifest| (digest.to_owned(), manifest.clone()))
    }

    /// Everything that a manifest needs and the repository lacks, as sentences.
    pub(super) fn lacks(&self, manifest: &[u8]) -> Vec<String> {
        let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(manifest) else {
            return vec!["the manifest is not JSON".to_owned()];
        };
        let list = |key: &str| manifest[key].as_array().cloned().unwrap_or_default();
        let config = manifest.get("config").cloned().into_iter();
        let needed = config.chain(list("layers")).map(|descriptor| (descriptor, false));
        let needed = needed.chain(list("manifests").into_iter().map(|descriptor| (descriptor, true)));
        let lack = |(descriptor, is_manifest): (serde_json::Value, bool)| {
            let digest = descriptor["digest"].as_str().unwrap_or_default();
            let there = if is_manifest {
                self.manifests.get(digest).map(|manifest| manifest.bytes.clone())
            } else {
                self.blobs.get(digest).cloned()
            };
            match there {
                None if descriptor.get("urls").is_some() => None,
                None => Some(format!("{digest} is not there")),
                Some(bytes) if Some(bytes.len() as u64) != descriptor["size"].as_u64() => {
                    Some(format!("{digest} has {} bytes, not {}", bytes.len(), descriptor["size"]))
                }
                Some(_) => None,
            }
        };
        needed.filter_map(lack).collect()
    }
}

impl Upload {
    /// Adds bytes at its end.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.hasher.update(bytes);
    }
}

/// Names of repositories that are asked about or written to.
pub(super) fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let edge =
            |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
    };
    name.len() <= 255 && name.split('/').all(is_part)
}

/// Whether this can be a tag.
pub(super) fn is_tag(tag: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=128).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.bytes().all(inner)
}

//! The digests of layers as last computed.
//!
//! An entry is used only as long as the layer's files have the fingerprint they had when they were hashed. The body of
//! its file is the fingerprint as 8 bytes a file, little-endian.

use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Cache, LAYERS, entry};
use crate::digest::Digest;
use crate::fingerprint::Fingerprint;
use crate::survey::Survey;

/// The key of a recipe's digest in the cache: the digest of all that decides the layer's bytes but the files' content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(Digest);

/// A cached digest.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) fingerprint: Fingerprint,
}

/// The data of an entry, not compared with any file.
#[derive(Clone, Debug)]
pub struct LayerEntry {
    /// The layer's digest.
    pub digest: Digest,
    /// The layer's size in bytes.
    pub size: u64,
    /// Files in the layer.
    pub files: u64,
    /// The name by the layer's maker: package names.
    pub title: String,
    /// When it was last used.
    pub used: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct LayerHead {
    digest: String,
    size: u64,
    files: u64,
    title: String,
}

impl Key {
    /// A key from the digest of a recipe.
    pub(crate) fn new(digest: Digest) -> Self {
        Self(digest)
    }
}

impl Cache {
    /// The entry of a key. A damaged entry is ignored.
    pub(crate) fn get(&self, key: Key) -> Option<Remembered> {
        let (head, body) = whole(entry::use_it(&self.layers, &key.0.hex())?)?;
        let fingerprint = body.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        Some(Remembered {
            digest: Digest::parse(&head.digest).ok()?,
            size: head.size,
            fingerprint: Fingerprint(fingerprint),
        })
    }

    /// Caches a digest. `title` is for people who look at the cache.
    pub(crate) fn put(&self, key: Key, digest: Digest, survey: &Survey, title: &str) -> io::Result<()> {
        let fingerprint = &survey.fingerprint.0;
        let head = LayerHead {
            digest: digest.to_string(),
            size: survey.size,
            files: fingerprint.len() as u64,
            title: title.to_owned(),
        };
        let body = fingerprint.iter().flat_map(|number| number.to_le_bytes());
        entry::write(&self.layers, &key.0.hex(), &head, body)
    }

    /// Removes a digest.
    pub fn remove(&self, key: Key) {
        // If it is gone already, or cannot be removed, its fingerprint still guards it.
        let _ = self.layers.remove(key.0.hex());
    }

    /// All layers whose digests are cached, the last used first.
    pub fn layers(&self) -> io::Result<Vec<LayerEntry>> {
        self.list(LAYERS, &self.layers, |file| {
            let (LayerHead { digest, size, files, title }, _) =
                whole(entry::read(&self.layers, &file.name)?)?;
            let digest = Digest::parse(&digest).ok()?;
            Some(LayerEntry { digest, size, files, title, used: file.used })
        })
    }
}

/// The entry, if its fingerprint is as long as it says.
fn whole((head, body): (LayerHead, Vec<u8>)) -> Option<(LayerHead, Vec<u8>)> {
    (body.len() as u64 == head.files.checked_mul(8)?).then_some((head, body))
}

//! Diff ids of third-party layers, as computed from their blobs.

use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Cache, DIFF_IDS, entry};
use crate::digest::Digest;

/// A cached diff id, for people who look at the cache.
#[derive(Clone, Debug)]
pub struct DiffIdEntry {
    /// The layer as it is stored, which may be compressed.
    pub digest: Digest,
    /// Its diff id.
    pub diff_id: Digest,
    /// When it was last used.
    pub used: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct DiffIdHead {
    digest: String,
    diff_id: String,
}

impl DiffIdHead {
    fn digests(&self) -> Option<(Digest, Digest)> {
        Some((Digest::parse(&self.digest).ok()?, Digest::parse(&self.diff_id).ok()?))
    }
}

impl Cache {
    /// The diff id that was computed from this blob. A damaged entry is none.
    pub(crate) fn diff_id(&self, blob: Digest) -> Option<Digest> {
        let (head, _) = entry::use_it::<DiffIdHead>(&self.diff_ids, &blob.hex())?;
        head.digests().filter(|(digest, _)| *digest == blob).map(|(_, diff_id)| diff_id)
    }

    /// Caches the diff id that was computed from a blob.
    pub(crate) fn put_diff_id(&self, blob: Digest, diff_id: Digest) -> io::Result<()> {
        let head = DiffIdHead { digest: blob.to_string(), diff_id: diff_id.to_string() };
        entry::write(&self.diff_ids, &blob.hex(), &head, std::iter::empty())
    }

    /// All diff ids that are cached, the last used first.
    pub fn diff_ids(&self) -> io::Result<Vec<DiffIdEntry>> {
        self.list(DIFF_IDS, &self.diff_ids, |file| {
            let (head, _) = entry::read::<DiffIdHead>(&self.diff_ids, &file.name)?;
            let (digest, diff_id) = head.digests()?;
            Some(DiffIdEntry { digest, diff_id, used: file.used })
        })
    }
}

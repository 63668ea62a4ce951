//! Diff ids of third-party layers that strake has computed itself.
//!
//! A blob's digest fixes its bytes, and so what they decompress to: a diff id that was once computed from a blob stays valid.
//! Diff ids from configs are never stored here, only those computed when all of the blob was read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::digest::Digest;

/// Diff ids by the digests of blobs, as computed in this run.
#[derive(Clone, Debug, Default)]
pub struct DiffIds(Arc<Mutex<HashMap<Digest, Digest>>>);

impl DiffIds {
    /// The values computed from a blob.
    pub(crate) fn get(&self, blob: Digest) -> Option<Digest> {
        self.known().get(&blob).copied()
    }

    /// Notes what was computed from a blob. Returns whether that is new.
    pub(crate) fn note(&self, blob: Digest, diff_id: Digest) -> bool {
        self.known().insert(blob, diff_id).is_none()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

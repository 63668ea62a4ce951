//! The context that all work on images shares.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;

use crate::cache::Cache;
use crate::diff_ids::DiffIds;
use crate::digest::Digest;
use crate::progress::Progress;
use crate::store::Store;

/// The store, the digest cache, the number of threads, the clock and the counters that commands share.
///
/// It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The store, where nothing names another.
    pub store: Store,
    /// The digest cache, if one is used.
    pub cache: Option<Cache>,
    /// How many layers are hashed at once.
    pub jobs: NonZeroUsize,
    /// Whether layers from the store are hashed again while they are written, and finished layers in any case.
    pub verify: bool,
    /// Tells the time.
    pub clock: fn() -> SystemTime,
    /// How far the work is.
    pub progress: Arc<Progress>,
    /// The cached data of third-party layers.
    pub diff_ids: DiffIds,
}

impl Context {
    /// A context without a cache, with one thread for each processor.
    pub fn new(store: Store, clock: fn() -> SystemTime) -> Self {
        let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            store,
            cache: None,
            jobs,
            verify: false,
            clock,
            progress: Arc::default(),
            diff_ids: DiffIds::default(),
        }
    }

    /// The diff id of the layer that is stored as this blob, if it was computed in this run or, as the cache has it, in an
    /// earlier one. With [`Context::verify`] only this run counts.
    pub fn diff_id(&self, blob: Digest) -> Option<Digest> {
        self.diff_ids.get(blob).or_else(|| {
            let found = self.cache.as_ref().filter(|_| !self.verify)?.diff_id(blob)?;
            self.diff_ids.note(blob, found);
            Some(found)
        })
    }

    /// Notes what was computed from the bytes of a blob.
    pub(crate) fn computed(&self, blob: Digest, diff_id: Digest) {
        if self.diff_ids.note(blob, diff_id)
            && let Some(cache) = &self.cache
        {
            // If it cannot be cached, it will be computed again.
            let _ = cache.put_diff_id(blob, diff_id);
        }
    }
}

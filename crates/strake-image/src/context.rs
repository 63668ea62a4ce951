//! What all work on images has in common.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;

use crate::cache::Cache;
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
}

impl Context {
    /// A context without a cache, with one thread for each processor.
    pub fn new(store: Store, clock: fn() -> SystemTime) -> Self {
        let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { store, cache: None, jobs, verify: false, clock, progress: Arc::default() }
    }
}

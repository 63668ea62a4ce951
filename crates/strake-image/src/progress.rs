//! How far the work is: counters.

use std::sync::atomic::AtomicU64;

/// Bytes done.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes written to targets.
    pub written: AtomicU64,
    /// Bytes hashed.
    pub hashed: AtomicU64,
    /// Bytes of layers that were read to be written or sent, before they are compressed: each layer once for all targets that get it
    /// in one pass.
    pub passed: AtomicU64,
    /// Bytes that went into compressors.
    pub compressed: AtomicU64,
}

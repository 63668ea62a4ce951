//! How far the work is: counters that whoever works adds to.

use std::sync::atomic::AtomicU64;

/// Bytes done.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes written to targets.
    pub written: AtomicU64,
    /// Bytes hashed.
    pub hashed: AtomicU64,
    /// Bytes that went into compressors.
    pub compressed: AtomicU64,
}

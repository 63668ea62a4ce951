//! How far the work is: counters that whoever works adds to, and events.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::descriptor::Descriptor;
use crate::layer::Layer;

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

/// Something that has happened, for whoever tells people.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// A layer is described, and about to be written.
    Layer(&'e Layer),
    /// A blob is at a target that asks for what it lacks.
    Blob {
        /// The target.
        target: &'e str,
        /// What to call the blob.
        title: &'e str,
        /// The blob.
        descriptor: &'e Descriptor,
        /// How it got there.
        outcome: Outcome,
        /// How long that took.
        took: Duration,
    },
}

/// How a blob got to where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    Had,
    /// The registry has taken it out of another repository.
    Mounted,
    /// It was sent.
    Sent,
}

/// Is told of events, from any thread.
pub type Report<'r> = dyn Fn(Event<'_>) + Sync + 'r;

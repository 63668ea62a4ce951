//! What happens while images are delivered, for whoever tells people.

use std::time::Duration;

use crate::descriptor::Descriptor;
use crate::layer::Layer;

/// Something that has happened.
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

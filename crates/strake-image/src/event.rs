//! Events while images are delivered, for progress messages.

use std::time::Duration;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::layer::Layer;

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'e> {
    /// A layer is described, and about to be written.
    Layer(&'e Layer),
    /// Blobs are about to be sent to a target that asks for what it lacks.
    Sending {
        /// How many of the next [`Event::Blob`]s are about blobs that were not there.
        blobs: usize,
        /// Bytes of layers that are read for them: what [`Progress::passed`](crate::Progress::passed) grows by.
        bytes: u64,
    },
    /// A blob is at a target that asks for what it lacks.
    Blob {
        /// The target.
        target: &'e str,
        /// The blob's name in messages.
        title: &'e str,
        /// The blob.
        descriptor: &'e Descriptor,
        /// How it got there.
        outcome: Outcome,
        /// How long that took.
        took: Duration,
    },
    /// An engine has the image.
    Loaded(&'e LoadedImage<'e>),
}

/// The result of loading an image into an engine.
#[derive(Clone, Debug)]
pub struct LoadedImage<'e> {
    /// The engine's name in messages.
    pub engine: &'e str,
    /// The names that the image has there.
    pub names: &'e [String],
    /// The image's ID.
    pub id: Digest,
    /// Names that other images had before, each with the ID of that image as the engine says it.
    pub replaced: &'e [(String, String)],
    /// Whether the image was not there before.
    pub is_new: bool,
    /// The size of the layers that were sent, in bytes.
    pub sent: u64,
    /// How many layers were sent.
    pub layers_sent: usize,
    /// How many layers were there.
    pub layers_had: usize,
    /// Whether uncompressed layers were sent that a push from there would send uncompressed as well.
    pub stays_uncompressed: bool,
    /// The command that runs the image, where one command does.
    pub run: Option<Vec<String>>,
    /// How long it took.
    pub took: Duration,
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

/// Receives events, from any thread.
pub type Report<'r> = dyn Fn(Event<'_>) + Sync + 'r;

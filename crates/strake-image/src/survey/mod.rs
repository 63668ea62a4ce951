//! Surveys: what can be known of a layer's files without reading them, or while they are read.

mod checkpoints;

use std::time::SystemTime;

use crate::etc_changes::EtcChanges;
use crate::fingerprint::Fingerprint;
use crate::tree::Listings;
pub(crate) use checkpoints::{Checkpoint, Checkpoints};

/// The results of one walk over a recipe's files.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The stream's length in bytes.
    pub size: u64,
    /// The metadata of the files.
    pub fingerprint: Fingerprint,
    /// From when on the fingerprint can be relied on.
    pub settled_at: SystemTime,
    /// Where a range of the stream may begin; none where the layer is not made of store paths.
    pub(crate) checkpoints: Checkpoints,
    /// The directories that were listed, so that the next walk need not; empty if they are not kept.
    pub(crate) listings: Listings,
    /// The layer's changes to the files in which runtimes look users up, if it was read.
    pub(crate) etc: EtcChanges,
}

impl Survey {
    /// Bytes of the stream that each store path takes, in their order; none where the layer is not made of store paths.
    pub fn weights(&self) -> Vec<u64> {
        self.checkpoints.weights()
    }
}

//! Surveys: what can be known of a layer's files without reading them, or while they are read.

use std::time::SystemTime;

use crate::fingerprint::Fingerprint;
use crate::tree::Listings;

/// What one walk over a recipe's files shows.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The stream's length in bytes.
    pub size: u64,
    /// What the file system says of the files.
    pub fingerprint: Fingerprint,
    /// Bytes of the stream by part of the recipe: by store path, in their order.
    pub weights: Vec<u64>,
    /// From when on the fingerprint can be relied on.
    pub settled_at: SystemTime,
    /// The directories that were listed, so that the next walk need not; empty if they are not kept.
    pub(crate) listings: Listings,
}

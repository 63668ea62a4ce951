//! Blobs: what a manifest lists.

use crate::codec::Codec;
use crate::digest::Digest;

/// A layer's bytes as they go to where images are kept, uncompressed or compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    /// The digest of these bytes. Of an uncompressed layer it is the diff id.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// How they are compressed.
    pub codec: Option<Codec>,
}

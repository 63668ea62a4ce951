//! The blobs that layers were compressed to.
//!
//! Layers compressed by strake and by other programs are cached separately. The same encoder makes
//! strake's own blobs again, so their digests are known before they are made. Blobs that third-party manifests list were made by
//! unknown encoders: such a blob can be referred to where it exists, but not made.

use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{BLOBS, Cache, entry};
use crate::codec::Codec;
use crate::compression::Compression;
use crate::descriptor::Descriptor;
use crate::digest::{Digest, Hasher};

/// The maker of a compressed layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// strake, in this way.
    Here(Compression),
    /// Somebody else, or strake at another time, in this format.
    Elsewhere(Codec),
}

/// A compressed layer that is cached, for people who look at the cache.
#[derive(Clone, Debug)]
pub struct BlobEntry {
    /// The uncompressed layer.
    pub diff_id: Digest,
    /// The compressed blob.
    pub digest: Digest,
    /// The size of that in bytes.
    pub size: u64,
    /// How it was compressed: format, level, encoder with its version; or that others did it.
    pub made: String,
    /// When it was last used.
    pub used: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct BlobHead {
    diff_id: String,
    digest: String,
    size: u64,
    made: String,
}

impl Maker {
    fn codec(self) -> Codec {
        match self {
            Self::Here(compression) => compression.codec(),
            Self::Elsewhere(codec) => codec,
        }
    }

    /// All that tells one from another.
    fn identity(self) -> String {
        match self {
            Self::Here(compression) => compression.identity(),
            Self::Elsewhere(codec) => format!("{}, made elsewhere", codec.name()),
        }
    }
}

impl Cache {
    /// The blob that a layer was compressed to in this way. A damaged entry counts as none.
    pub fn blob(&self, diff_id: Digest, maker: Maker) -> Option<Descriptor> {
        let (head, _) = entry::use_it::<BlobHead>(&self.blobs, &blob_name(diff_id, maker))?;
        let digest = Digest::parse(&head.digest).ok()?;
        let blob = Descriptor::layer(digest, head.size, Some(maker.codec()));
        // The name says as much. But a digest is not to be promised because a file was renamed.
        (head.diff_id == diff_id.to_string() && head.made == maker.identity()).then_some(blob)
    }

    /// Caches what a layer became when it was compressed.
    ///
    /// [`Maker::Here`] only for what [`Compressing`](crate::compression::Compressing) made of bytes with just this diff id.
    pub fn put_blob(&self, diff_id: Digest, maker: Maker, blob: &Descriptor) -> io::Result<()> {
        let head = BlobHead {
            diff_id: diff_id.to_string(),
            digest: blob.digest.to_string(),
            size: blob.size,
            made: maker.identity(),
        };
        entry::write(&self.blobs, &blob_name(diff_id, maker), &head, std::iter::empty())
    }

    /// Removes what a layer became.
    pub fn forget_blob(&self, diff_id: Digest, maker: Maker) {
        // If it cannot be removed, what is made is still held against it.
        let _ = self.blobs.remove(blob_name(diff_id, maker));
    }

    /// All compressed layers that are cached, the last used first.
    pub fn blobs(&self) -> io::Result<Vec<BlobEntry>> {
        self.list(BLOBS, &self.blobs, |file| {
            let (BlobHead { diff_id, digest, size, made }, _) = entry::read(&self.blobs, &file.name)?;
            let (diff_id, digest) = (Digest::parse(&diff_id).ok()?, Digest::parse(&digest).ok()?);
            Some(BlobEntry { diff_id, digest, size, made, used: file.used })
        })
    }
}

/// The name of an entry's file.
fn blob_name(diff_id: Digest, maker: Maker) -> String {
    let mut hasher = Hasher::default();
    hasher.update(diff_id.as_bytes());
    hasher.update(maker.identity().as_bytes());
    hasher.finish().hex()
}

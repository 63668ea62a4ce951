//! Digests, as registries write them.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The digest of some bytes, as registries write it.
pub fn digest(bytes: &[u8]) -> String {
    digest_of(Sha256::new_with_prefix(bytes))
}

/// The digest of what has been hashed.
pub(super) fn digest_of(hasher: Sha256) -> String {
    format!("sha256:{}", HEXLOWER.encode(&hasher.finalize()))
}

/// Whether this is how a digest is written.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

//! Digests in the names of a docker-archive's members.
//!
//! Docker from 25 on calls files `blobs/sha256/<digest>`, skopeo and podman `<digest>.tar`, crane and jib `<digest>.tar.gz`, and a
//! config is `<digest>.json` or, crane's, `sha256:<digest>`. Older versions of Docker name a layer `<ID>/layer.tar` by an ID that
//! is no digest of its content.

use crate::digest::Digest;

/// A digest that a member's name says it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedDigest {
    digest: Digest,
    /// Whether it must be that of the bytes as they are, not that of what they decompress to.
    is_of_blob: bool,
}

impl NamedDigest {
    /// The digest in this name, if there is one.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (directory, base) = name.rsplit_once('/').unwrap_or(("", name));
        let is_of_blob = directory == "blobs/sha256" || directory.ends_with("/blobs/sha256");
        let (stem, extension) = base.split_once('.').unwrap_or((base, ""));
        let hex = match (stem.strip_prefix("sha256:"), extension) {
            (Some(hex), _) => hex,
            (None, "json" | "tar" | "tgz") => stem,
            (None, extension) if extension.starts_with("tar.") || is_of_blob => stem,
            _ => return None,
        };
        Digest::from_hex(hex).ok().map(|digest| Self { digest, is_of_blob })
    }

    /// Whether a member has it that has this digest, and this one once it is decompressed.
    pub(crate) fn fits(&self, stored: Digest, content: Digest) -> bool {
        self.digest == stored || (self.digest == content && !self.is_of_blob)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None`: the name says nothing. Otherwise: whether the digest of the content will do as well.
    fn check(name: &str, expected: Option<bool>) {
        let (stored, content) = (Digest::of(b"stored"), Digest::of(b"content"));
        for (digest, is_right) in
            [(stored, Some(true)), (content, expected), (Digest::of(b"other"), Some(false))]
        {
            let name = name.replace('X', &digest.hex());
            let named = NamedDigest::of(&name);
            assert_eq!(named.map(|named| named.fits(stored, content)), expected.and(is_right), "{name}");
        }
    }

    #[test]
    fn names() {
        for name in ["X.tar", "X.tar.gz", "X.tgz", "X.json", "sha256:X", "sha256:X.json", "a/b/X.tar.zst"] {
            check(name, Some(true));
        }
        for name in ["blobs/sha256/X", "a/blobs/sha256/X", "blobs/sha256/X.tar.gz"] {
            check(name, Some(false));
        }
        for name in
            ["X/layer.tar", "X", "a/X", "X.txt", "X0.tar", "config.json", "", "blobs/sha256/x", "x.tar"]
        {
            check(name, None);
        }
    }
}

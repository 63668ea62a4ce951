//! Descriptors: what names bytes, wherever bytes are named.
//!
//! Format: the OCI image specification 1.1, "content descriptors".

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::codec::Codec;
use crate::digest::Digest;
use crate::media_type::{Format, MediaType};
use crate::platform::Platform;
use crate::reference;

/// The annotation that names a manifest in an index.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation that names it for containerd, which stores an image under this name: the name in full, like
/// `docker.io/library/hello:1.0`.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The annotation that marks a manifest about another one, as builds attach it, and what it says then.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const ATTESTATION: &str = "attestation-manifest";

/// The media type, digest and size of a blob, manifest or index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    #[serde(default)]
    pub media_type: MediaType,
    /// Their digest.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// What else is said of them.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image that they list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor without annotations.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, annotations: BTreeMap::new(), platform: None }
    }

    /// The descriptor of some bytes.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// The descriptor of a layer.
    pub fn layer(digest: Digest, size: u64, codec: Option<Codec>) -> Self {
        Self::new(Format::Oci.layer(codec), digest, size)
    }

    /// How the layer is compressed, if it is a layer and compressed.
    pub fn codec(&self) -> Option<Codec> {
        self.media_type.codec()
    }

    /// Whether both name the same bytes.
    pub fn is_same_blob(&self, other: &Self) -> bool {
        (self.digest, self.size) == (other.digest, other.size)
    }

    /// The names in the index that it is in: the specification's, and behind it containerd's, unless that is the same in full.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let text = |key| self.annotations.get(key).map(String::as_str);
        let name = text(REF_NAME);
        let is_new = |full: &&str| {
            name.is_none_or(|name| reference::is_only_tag(name) || !reference::same(name, full))
        };
        name.into_iter().chain(text(CONTAINERD_NAME).filter(is_new))
    }

    /// The name that tells it from others: containerd's, where the other one is only a tag.
    pub fn name(&self) -> Option<&str> {
        self.names().last()
    }

    /// The platform as `os/architecture`, or `unknown`.
    pub fn platform_name(&self) -> String {
        self.platform.as_ref().map_or_else(|| "unknown".to_owned(), Platform::to_string)
    }

    /// Whether it describes an index.
    pub fn is_index(&self) -> bool {
        self.media_type.index_format().is_some()
    }

    /// Whether an annotation says that it is an attestation about another manifest rather than an image.
    pub(crate) fn is_called_attestation(&self) -> bool {
        self.annotations.get(REFERENCE_TYPE).is_some_and(|found| found == ATTESTATION)
    }

    /// Whether it is listed as an attestation: for no platform, since only some programs know the annotation.
    pub fn is_attestation(&self) -> bool {
        self.is_called_attestation() && !self.is_for_a_platform()
    }

    /// Whether a platform is said, and one that there is.
    pub(crate) fn is_for_a_platform(&self) -> bool {
        self.platform.as_ref().is_some_and(|platform| !platform.is_unknown())
    }
}

/// Go writes `null` for an empty map.
fn or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json() {
        let digest = Digest::of(b"");
        for (text, is_attestation, name) in [
            (format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":3}}"#), false, None),
            (
                format!(
                    r#"{{"mediaType":"a/b","digest":"{digest}","size":3,"annotations":{{"{REF_NAME}":"x"}}}}"#
                ),
                false,
                Some("x"),
            ),
            (
                format!(
                    r#"{{"mediaType":"a/b","digest":"{digest}","size":3,"annotations":{{"{REFERENCE_TYPE}":"{ATTESTATION}"}},"platform":{{"architecture":"arm","os":"linux","variant":"v7"}}}}"#
                ),
                false,
                None,
            ),
            (
                format!(
                    r#"{{"mediaType":"a/b","digest":"{digest}","size":3,"annotations":{{"{REFERENCE_TYPE}":"{ATTESTATION}"}},"platform":{{"architecture":"unknown","os":"unknown"}}}}"#
                ),
                true,
                None,
            ),
            (
                format!(
                    r#"{{"mediaType":"a/b","digest":"{digest}","size":3,"annotations":{{"{REFERENCE_TYPE}":"x"}}}}"#
                ),
                false,
                None,
            ),
        ] {
            let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
            assert_eq!((descriptor.is_attestation(), descriptor.name()), (is_attestation, name), "{text}");
            assert_eq!(serde_json::to_string(&descriptor).unwrap(), text);
        }
        let null = format!(r#"{{"digest":"{digest}","size":3,"annotations":null,"platform":null}}"#);
        let descriptor: Descriptor = serde_json::from_str(&null).unwrap();
        assert_eq!(descriptor, Descriptor::new(MediaType::default(), digest, 3));
        for refused in [r#"{"size":3}"#, r#"{"digest":"sha256:0","size":3}"#] {
            assert!(serde_json::from_str::<Descriptor>(refused).is_err(), "{refused}");
        }
    }
}

//! Media types of the parts of an image.
//!
//! Format: the OCI image specification 1.1, "media types", and Docker's "image manifest version 2, schema 2".

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::Codec;

/// A media type, as it is written. Equal types are equal strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MediaType(Cow<'static, str>);

/// The organisation whose media types are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The Open Container Initiative.
    #[default]
    Oci,
    /// Docker.
    Docker,
}

/// What a layer's media type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerType {
    /// How the layer is compressed.
    pub codec: Option<Codec>,
}

const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

impl Format {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Oci, Self::Docker];

    /// The type of an image's manifest.
    pub fn manifest(self) -> MediaType {
        MediaType::literal(match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        })
    }

    /// The type of an index of manifests.
    pub fn index(self) -> MediaType {
        MediaType::literal(match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        })
    }

    /// The type of an image's config.
    pub fn config(self) -> MediaType {
        MediaType::literal(match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        })
    }

    /// The type of a layer.
    ///
    /// Neither specification has a name for bzip2 and xz, nor Docker's for zstd. They get names of the same form.
    pub fn layer(self, codec: Option<Codec>) -> MediaType {
        let (plain, separator) = match self {
            Self::Oci => (OCI_LAYER, '+'),
            Self::Docker => (DOCKER_LAYER, '.'),
        };
        match codec {
            None => MediaType::literal(plain),
            Some(codec) => MediaType(format!("{plain}{separator}{}", codec.name()).into()),
        }
    }
}

impl MediaType {
    const fn literal(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The format of which this is an image's manifest.
    pub fn manifest_format(&self) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.manifest() == *self)
    }

    /// The format of which this is an index.
    pub fn index_format(&self) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.index() == *self)
    }

    /// Whether this is an image's config.
    pub fn is_config(&self) -> bool {
        Format::ALL.into_iter().any(|format| format.config() == *self)
    }

    /// The type of a part of an image that it is to programs that pass over parameters and take upper and lower case for one.
    pub(crate) fn known_as(&self) -> Option<Self> {
        let bare = self.0.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let bare = Self::from(bare);
        let is_known = bare.manifest_format().is_some()
            || bare.index_format().is_some()
            || bare.is_config()
            || bare.layer().is_some();
        is_known.then_some(bare)
    }

    /// What it says of a layer, if it is a layer's.
    pub fn layer(&self) -> Option<LayerType> {
        let rest = [OCI_LAYER, OCI_FOREIGN_LAYER, DOCKER_LAYER, DOCKER_FOREIGN_LAYER]
            .iter()
            .find_map(|plain| self.0.strip_prefix(plain))?;
        match rest.strip_prefix(['+', '.']) {
            None => rest.is_empty().then_some(LayerType { codec: None }),
            Some(name) => Codec::named(name).map(|codec| LayerType { codec: Some(codec) }),
        }
    }

    /// How a layer of this type is compressed, if it is one and compressed.
    pub fn codec(&self) -> Option<Codec> {
        self.layer()?.codec
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers() {
        for codec in [None].into_iter().chain(Codec::ALL.map(Some)) {
            for format in Format::ALL {
                assert_eq!(format.layer(codec).layer(), Some(LayerType { codec }), "{format:?} {codec:?}");
            }
        }
        for other in
            ["", OCI_LAYER.split_at(5).0, "application/vnd.oci.image.layer.v1.tar+what", "text/plain"]
        {
            assert_eq!(MediaType::from(other.to_owned()).layer(), None, "{other}");
        }
    }

    #[test]
    fn known_in_other_ways() {
        let manifest = Format::Oci.manifest();
        for text in [
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            "application/vnd.oci.image.manifest.v1+json;",
            " application/vnd.OCI.image.manifest.v1+json ",
        ] {
            assert_eq!(MediaType::from(text.to_owned()).known_as().as_ref(), Some(&manifest), "{text}");
        }
        for text in ["", "text/plain; charset=utf-8", "application/vnd.oci.image.manifest.v2+json"] {
            assert_eq!(MediaType::from(text.to_owned()).known_as(), None, "{text}");
        }
    }

    #[test]
    fn formats() {
        for format in Format::ALL {
            assert_eq!(format.manifest().manifest_format(), Some(format));
            assert_eq!(format.index().index_format(), Some(format));
            assert!(format.config().is_config());
            assert_eq!(format.manifest().index_format(), None);
        }
    }
}

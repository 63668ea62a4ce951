//! What the parts of an image are called where they are listed.
//!
//! Format: the OCI image specification 1.1, "media types", and Docker's "image manifest version 2, schema 2".

use crate::codec::Codec;

/// Whose names are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The Open Container Initiative's.
    #[default]
    Oci,
    /// Docker's.
    Docker,
}

const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

impl Format {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Oci, Self::Docker];

    /// An image's manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// A list of manifests.
    pub fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// An image's config.
    pub fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// A layer.
    ///
    /// Neither specification has a name for bzip2 and xz, nor Docker's for zstd. They get names of the same form.
    pub fn layer(self, codec: Option<Codec>) -> String {
        let (plain, separator) = match self {
            Self::Oci => (OCI_LAYER, '+'),
            Self::Docker => (DOCKER_LAYER, '.'),
        };
        codec.map_or_else(|| plain.to_owned(), |codec| format!("{plain}{separator}{}", codec.name()))
    }

    /// Whose name for a list of manifests this is.
    pub fn of_index(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.index() == media_type)
    }

    /// Whose name for a manifest this is.
    pub fn of_manifest(media_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.manifest() == media_type)
    }
}

/// How a layer of this type is compressed. `None`: it is no layer's type.
pub fn codec_of_layer(media_type: &str) -> Option<Option<Codec>> {
    let rest = [OCI_LAYER, OCI_FOREIGN_LAYER, DOCKER_LAYER, DOCKER_FOREIGN_LAYER]
        .iter()
        .find_map(|plain| media_type.strip_prefix(plain))?;
    match rest.strip_prefix(['+', '.']) {
        None => rest.is_empty().then_some(None),
        Some(name) => Codec::named(name).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers() {
        for codec in [None].into_iter().chain(Codec::ALL.map(Some)) {
            for format in Format::ALL {
                assert_eq!(codec_of_layer(&format.layer(codec)), Some(codec), "{format:?} {codec:?}");
            }
        }
        for other in
            ["", OCI_LAYER.split_at(5).0, "application/vnd.oci.image.layer.v1.tar+what", "text/plain"]
        {
            assert_eq!(codec_of_layer(other), None, "{other}");
        }
    }
}

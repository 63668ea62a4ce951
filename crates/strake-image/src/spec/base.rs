//! A base image that need not be at hand, since it is described.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::Codec;
use crate::digest::Digest;
use crate::draft::{LayerDraft, Origin};
use crate::layer::Layer;
use crate::parsed::{Config, OpenError, ParsedImage};
use crate::recipe::{Recipe, Source, Tarball};

/// What is known of a base image. It counts only where the base image itself is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedBase {
    /// Its config's text.
    pub config: String,
    /// Its layers, the lowest first.
    pub layers: Vec<DescribedBlob>,
}

/// A layer of a base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedBlob {
    /// The digest of its bytes as they are.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// How they are compressed, if they are: `gzip`, `bzip2`, `xz` or `zstd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
}

impl DescribedBase {
    /// The description of a base image whose layers these are.
    pub fn of(config: &Config, layers: &[Layer]) -> Self {
        let blob = |layer: &Layer| DescribedBlob {
            digest: layer.blob.digest,
            size: layer.blob.size,
            compression: layer.blob.codec.map(|codec| codec.name().to_owned()),
        };
        let config = String::from_utf8_lossy(&config.text).into_owned();
        Self { config, layers: layers.iter().map(blob).collect() }
    }

    /// The base image, of which no layer is here. `place` is where it would be.
    pub fn open(&self, place: &str) -> Result<ParsedImage, OpenError> {
        let config = Config::parse("config", self.config.clone().into_bytes(), self.layers.len())?;
        let layers = self.layers.iter().zip(&config.diff_ids);
        let layer = |(blob, diff_id): (&DescribedBlob, &Digest)| LayerDraft {
            recipe: Recipe::Tarball(Tarball {
                source: Source::Elsewhere { path: place.into() },
                size: blob.size,
                diff_id: *diff_id,
                digest: Some(blob.digest),
                codec: blob.compression.as_deref().and_then(Codec::named),
            }),
            origin: Origin::Base,
            contents: vec![crate::draft::usual_member_name(*diff_id)],
            member: None,
            described: None,
            history: serde_json::Map::new(),
        };
        Ok(ParsedImage {
            layers: layers.map(layer).collect(),
            config,
            tags: Vec::new(),
            manifest: Vec::new(),
            has_oci_manifest: false,
            media_types: Vec::new(),
            problems: Vec::new(),
        })
    }
}

//! A base image that need not be at hand, since it is described.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::draft::{Contents, LayerDraft, Origin, usual_member_name};
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
    pub layers: Vec<Descriptor>,
}

impl DescribedBase {
    /// The description of a base image whose layers these are.
    pub fn of(config: &Config, layers: &[Layer]) -> Self {
        let config = String::from_utf8_lossy(&config.text).into_owned();
        Self { config, layers: layers.iter().map(|layer| layer.stored.clone()).collect() }
    }

    /// The base image, of which no layer is here. `place` is where it would be.
    pub fn open(&self, place: &str) -> Result<ParsedImage, OpenError> {
        let config = Config::parse("config", self.config.clone().into_bytes(), self.layers.len())?;
        if let Some(blob) = self.layers.iter().find(|blob| blob.media_type.layer().is_none()) {
            let (digest, media_type) = (blob.digest, blob.media_type.as_str());
            let text = format!("the layer {digest} is of the type {media_type:?}, which is no layer's");
            return Err(OpenError::Contradiction(text));
        }
        let layers = self.layers.iter().zip(&config.diff_ids);
        let layer = |(blob, diff_id): (&Descriptor, &Digest)| {
            let tarball = Tarball {
                source: Source::Elsewhere { path: place.into() },
                size: blob.size,
                diff_id: *diff_id,
                digest: Some(blob.digest),
                codec: blob.codec(),
                is_layer: true,
            };
            let contents = Contents::Base(usual_member_name(*diff_id));
            LayerDraft::new(Recipe::Tarball(tarball), Origin::Base, contents)
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

//! The conf as it is written, with everything in it said in types. docs/conf.schema.json is made from these.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use strake_plan::Closure;

use super::Inherit;
use crate::customisation::Customisation;
use crate::draft::Description;
use crate::spec::DescribedBase;

/// What an image is to be.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Conf {
    /// The processor architecture, by Go's name for it: `amd64`, `arm64`.
    pub architecture: String,
    /// What a container is started with: the `config` of the OCI image config (`Entrypoint`, `Env`, …).
    pub config: Map<String, Value>,
    /// The operating system. There are only Linux images.
    #[serde(default)]
    pub os: Os,
    /// The store's directory: `/nix/store`.
    pub store_dir: String,
    /// Where the base image is: a docker-archive's file, or `docker-archive:FILE`, `oci:DIR` or `oci-archive:FILE`, maybe
    /// with `:NAME` behind it.
    pub from_image: Option<String>,
    /// How much of the base image's config goes on; its environment unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherit: Option<Inherit>,
    /// Whether store paths that the base image holds are left out of the layers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_base_paths: bool,
    /// The store paths of each layer, the lowest layer first.
    pub store_layers: Vec<Vec<String>>,
    /// A directory with a layer that somebody has packed: `layer.tar`, and its SHA-256 in `checksum`. Either this or
    /// `customisation` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customisation_layer: Option<String>,
    /// What the image holds besides store paths: a layer, or several in a list, each above the one before. Either this or
    /// `customisation_layer` is there; `{}` means: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customisation: Option<Customisations>,
    /// The image's name and tag: `name:tag`.
    pub repo_tag: String,
    /// The time of creation: `now`, or a time in ISO 8601.
    pub created: String,
    /// The modification time of everything in the image: `now`, or a time in ISO 8601.
    pub mtime: String,
    /// The number of the owner of everything in the layers of store paths.
    pub uid: Id,
    /// The number of their group.
    pub gid: Id,
    /// The owner's name.
    pub uname: String,
    /// The group's name.
    pub gname: String,
    /// What the store knows of the store paths in `store_layers`: the list that `exportReferencesGraph` writes. With NAR
    /// hashes in it, cached digests hold for just this content; a Nix database needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closure: Option<Vec<PathEntry>>,
    /// What is known of the base image. It counts where that is not at hand; `strake describe --detached` writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub described_base: Option<DescribedBase>,
    /// What is known of the layers that are the image's own (those of `store_layers`, then those of `customisation`, or
    /// the `customisation_layer`), in their order: `strake describe` writes it. It is believed until a layer is
    /// written, and then checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub described: Option<Vec<Description>>,
    /// What the history says of these layers: a list of as many objects, whose keys (`created_by`, `author`, `comment`)
    /// join those that are there in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<Map<String, Value>>>,
    /// Keys that strake does not know are passed over.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// One layer of files, or several.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Customisations {
    /// One.
    One(Customisation),
    /// Several, the lowest first.
    Several(Vec<Customisation>),
}

/// The operating system.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Os {
    /// Linux.
    #[default]
    Linux,
}

/// The number of a user or group: a number, or a text of digits as Nix writes it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Id {
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
}

/// A store path with what the store knows of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathEntry {
    /// Its name.
    pub path: String,
    /// The store paths that stand in its content; its own may be among them.
    pub references: Vec<String>,
    /// The size of its NAR in bytes.
    pub nar_size: u64,
    /// The hash of its NAR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nar_hash: Option<String>,
}

impl PathEntry {
    /// A closure as a list, in the order of names.
    pub fn list(closure: &Closure) -> Vec<Self> {
        let entry = |(info, node): (&strake_plan::closure::PathInfo, u32)| {
            let mut nodes = closure.graph().targets(node).to_vec();
            nodes.extend(info.refers_to_itself.then_some(node));
            nodes.sort_unstable();
            Self {
                path: info.path.to_string(),
                references: nodes.into_iter().map(|node| closure.path(node).path.to_string()).collect(),
                nar_size: info.nar_size,
                nar_hash: info.nar_hash.map(|hash| hash.to_string()),
            }
        };
        closure.paths().iter().zip(0..).map(entry).collect()
    }
}

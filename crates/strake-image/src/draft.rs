//! An image whose layers have recipes but no digests yet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strake_plan::{StoreDir, StorePath};

use crate::digest::Digest;
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::media_type::MediaType;
use crate::platform::Platform;
use crate::recipe::Recipe;
use crate::tar::Member;

/// All that decides an image, but for what only reading its layers can tell.
#[derive(Debug)]
pub struct Draft {
    /// The layers, lowest first.
    pub layers: Vec<LayerDraft>,
    /// All that is not in the layers.
    pub about: About,
}

impl Draft {
    /// The image under one other name.
    #[must_use]
    pub fn named(mut self, name: String) -> Self {
        match &mut self.about {
            About::Settings(settings) => settings.repo_tag = name,
            About::Given(given) => given.tags = vec![name],
        }
        self
    }

    /// Those of `/etc`, `/etc/passwd` and `/etc/group` that are absolute symbolic links, as far as that is seen without decompressing
    /// or fetching any layer.
    pub fn etc_links(&self) -> Result<Vec<&'static str>, Error> {
        let changes = self.layers.iter().map(|layer| layer.recipe.etc_changes());
        Ok(EtcChanges::links(changes.collect::<Result<Vec<_>, _>>()?))
    }
}

/// What an image is but for its layers.
#[derive(Clone, Debug)]
pub enum About {
    /// The config will be made from this and the layers.
    Settings(Settings),
    /// The config is there already.
    Given(Given),
}

impl About {
    /// The time that everything in an archive of the image has, in seconds since 1970.
    pub fn mtime(&self) -> i64 {
        match self {
            Self::Settings(settings) => settings.mtime,
            Self::Given(_) => 0,
        }
    }

    /// The platform that the image will be for, if it is known.
    pub fn platform(&self) -> Option<Platform> {
        match self {
            Self::Given(given) => Platform::of_config(&given.config),
            Self::Settings(settings) => {
                let base = |key: &str| settings.base_config.get(key).and_then(Value::as_str);
                let (variant, os_version) = (base("variant"), base("os.version"));
                Some(Platform {
                    variant: variant.map(str::to_owned),
                    os_version: os_version.map(str::to_owned),
                    ..Platform::linux(&settings.architecture)
                })
            }
        }
    }
}

/// A config that somebody else has written, with what else is said of the image.
#[derive(Clone, Debug)]
pub struct Given {
    /// The config's text.
    pub config: Vec<u8>,
    /// The names that the image has where it comes from.
    pub tags: Vec<String>,
    /// Its manifest's text, if it comes with one that can go where the layers go.
    pub manifest: Option<Vec<u8>>,
}

/// What a config is made from, and the image's name.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The time of creation, as it stands in the config.
    pub created: String,
    /// The time that everything in an archive of the image has, in seconds since 1970.
    pub mtime: i64,
    /// The processor architecture, by Go's name for it.
    pub architecture: String,
    /// What a container is started with: entrypoint, environment and so on.
    pub config: Map<String, Value>,
    /// The base image's whole config, where everything in it goes on but for what is said here. Its history, if there is
    /// one, speaks of all layers of the base.
    pub base_config: Map<String, Value>,
    /// The name that the image gets where it is loaded.
    pub repo_tag: String,
}

/// A layer to be.
#[derive(Clone, Debug)]
pub struct LayerDraft {
    /// What it is made of.
    pub recipe: Recipe,
    /// Where it comes from.
    pub origin: Origin,
    /// What is in it.
    pub contents: Contents,
    /// How a docker-archive lists it, where that is not the usual way.
    pub member: Option<Member>,
    /// What is known of it without looking. It is believed until the layer is written.
    pub described: Option<Description>,
    /// What the image's history says of it besides what it says of all.
    pub history: Map<String, Value>,
}

/// What is in a layer, as far as it is known without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Store paths, in the order in which the layer holds them.
    StorePaths(Vec<PackedPath>),
    /// Files for the image's root: the packed customisation layer, or the store paths that are linked there.
    Customisation(Vec<String>),
    /// A layer of a base image, by its name in a docker-archive.
    Base(String),
    /// What the history of the image that it comes from says of it; empty if it says nothing.
    History(Vec<String>),
    /// No layer, but something attached to images.
    Attachment(MediaType),
}

/// A store path in a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedPath {
    /// Its name.
    pub path: StorePath,
    /// The bytes that it takes in the layer, headers and padding included. `None` until the layer's files were looked at.
    pub size: Option<u64>,
}

impl Contents {
    /// Store paths whose sizes are not known.
    pub fn store_paths(paths: impl IntoIterator<Item = StorePath>) -> Self {
        Self::StorePaths(paths.into_iter().map(|path| PackedPath { path, size: None }).collect())
    }

    /// What a history says: names of store paths, if it is a list of such, or how the layer was made.
    pub(crate) fn of_history(texts: Vec<String>) -> Self {
        let directory = texts.first().and_then(|text| text.rsplit_once('/'));
        let directory = directory.and_then(|(directory, _)| StoreDir::parse(directory).ok());
        let path = |text: &String| directory.as_ref()?.store_path(text).ok();
        match texts.iter().map(path).collect::<Option<Vec<_>>>() {
            Some(paths) if !paths.is_empty() => Self::store_paths(paths),
            _ => Self::History(texts),
        }
    }

    /// All that is in it, by name.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::StorePaths(paths) => paths.iter().map(|packed| packed.path.to_string()).collect(),
            Self::Customisation(names) | Self::History(names) => names.clone(),
            Self::Base(name) => vec![name.clone()],
            Self::Attachment(media_type) => vec![media_type.to_string()],
        }
    }
}

impl LayerDraft {
    /// A layer of which nothing is said but what is in it.
    pub fn new(recipe: Recipe, origin: Origin, contents: Contents) -> Self {
        Self { recipe, origin, contents, member: None, described: None, history: Map::new() }
    }
}

/// What is known of a layer that need not be at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The digest of the layer's tar archive: `sha256:` and 64 hexadecimal digits.
    #[schemars(with = "String")]
    pub diff_id: Digest,
    /// The length of that, in bytes.
    pub size: u64,
}

/// The name that a layer has in a docker-archive, where that is the usual one.
pub(crate) fn usual_member_name(diff_id: Digest) -> String {
    format!("{}/layer.tar", diff_id.hex())
}

/// The first of some store paths by their names, or of other texts. It must be escaped before it is shown.
pub fn summary(contents: &[String]) -> String {
    /// The number of names shown.
    const NAMED: usize = 3;
    /// So long is the hash in a store path.
    const HASH: usize = 32;
    /// So long is the line, in characters.
    const LENGTH: usize = 100;
    let name = |text: &String| {
        let base = text.rsplit_once('/').filter(|(directory, _)| directory.starts_with('/'));
        let name = base.and_then(|(_, base)| base.split_once('-')).filter(|(hash, _)| hash.len() == HASH);
        name.map_or_else(|| text.clone(), |(_, name)| name.to_owned())
    };
    let mut names: Vec<String> = contents.iter().take(NAMED).map(name).collect();
    if contents.len() > NAMED {
        names.push(format!("{} more", contents.len() - NAMED));
    }
    names.join(", ").chars().take(LENGTH).collect()
}

/// Where a layer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The base image.
    Base,
    /// The store.
    Store,
    /// The customisation layer that was made for this image.
    Customisation,
    /// An image that is copied as it is.
    Copied,
}

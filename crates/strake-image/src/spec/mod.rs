//! The conf: the JSON text in which dockerTools says what an image is to be.
//!
//! Format: what nixpkgs' `streamLayeredImage` writes and its `stream_layered_image.py` reads, and some keys more;
//! see docs/conf.md and [`Conf`].

mod base;
mod conf;
mod detached;
mod draft;
mod error;
mod inherit;
mod parse;

use serde_json::{Map, Value};
use strake_plan::closure::{Closure, ClosureError};
use strake_plan::{StoreDir, StorePath, store_path::StorePathError};

pub use base::DescribedBase;
pub use conf::{Conf, Customisations, Id, Os, PathEntry};
pub use detached::detached;
pub use draft::Surroundings;
pub use error::DraftError;
pub use inherit::Inherit;

use crate::customisation::Customisation;
use crate::draft::Description;
use crate::python::datetime::DateTime;
use crate::recipe::Owner;

/// A conf, checked.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The processor architecture, by Go's name for it.
    pub architecture: String,
    /// What a container is started with.
    pub config: Map<String, Value>,
    /// The store's logical directory.
    pub store_dir: StoreDir,
    /// Where the base image is.
    pub from_image: Option<String>,
    /// How much of the base image's config goes on.
    pub inherit: Inherit,
    /// Whether store paths that the base image holds are left out of the layers.
    pub skip_base_paths: bool,
    /// The store paths of each layer.
    pub store_layers: Vec<Vec<StorePath>>,
    /// What the image holds besides, the lowest layer first.
    pub customisations: Vec<CustomisationSource>,
    /// What is known of the base image.
    pub described_base: Option<DescribedBase>,
    /// What is known of the layers that are the image's own; empty where nothing is.
    pub described: Vec<Description>,
    /// What the history says of these layers besides what it says of all; empty where nothing is said.
    pub history: Vec<Map<String, Value>>,
    /// The store paths with all that the store knows of them.
    pub closure: Option<Closure>,
    /// The name that the image gets where it is loaded.
    pub repo_tag: String,
    /// The time of creation.
    pub created: Time,
    /// The modification time of everything in the image.
    pub mtime: Time,
    /// Who owns the files in the layers of store paths.
    pub owner: Owner,
}

/// What an image holds besides store paths.
#[derive(Clone, Debug)]
pub enum CustomisationSource {
    /// A directory with a layer that somebody has packed: `layer.tar` and `checksum`.
    Packed(String),
    /// A description, by which the layer is packed.
    Described(Customisation),
}

/// A time in a conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// When the image is made.
    Now,
    /// A given time.
    At(DateTime),
}

impl Time {
    /// `now`, or a time in ISO 8601 as Python reads it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "now" => Some(Self::Now),
            text => DateTime::parse(text).ok().map(Self::At),
        }
    }
}

/// Why a text is not a conf.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Not JSON.
    #[error("is not JSON")]
    Json(#[source] serde_json::Error),
    /// JSON, but not an object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// A key is missing.
    #[error("has no key {0:?}")]
    Missing(&'static str),
    /// A key's value is not what it must be.
    #[error("key {key:?} must be {expected}, not {found}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is, shortened.
        found: String,
    },
    /// A layer holds something that is not a store path of this store.
    #[error("key {key:?}: {source}")]
    StorePath {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        source: StorePathError,
    },
    /// A list about the image's own layers has another length.
    #[error("key {key:?} speaks of {found} layers, and the image has {layers} of its own")]
    Count {
        /// The key.
        key: &'static str,
        /// Of how many layers it speaks.
        found: usize,
        /// How many there are.
        layers: usize,
    },
    /// Two keys exclude each other.
    #[error("has both keys {0:?} and {1:?}; it may have only one of them")]
    Both(&'static str, &'static str),
    /// The customisation's description is wrong.
    #[error("key \"customisation\"")]
    Customisation(#[source] serde_json::Error),
    /// The closure is none.
    #[error("key \"closure\" {0}")]
    Closure(ClosureError),
    /// The closure is another store's.
    #[error("key \"closure\" is about the store {0}")]
    OtherStore(StoreDir),
    /// A layer holds something that the closure does not.
    #[error("lists the store path {0}, which is not in its closure")]
    NotInClosure(StorePath),
    /// A store path is listed twice.
    #[error("lists the store path {0} twice")]
    Twice(StorePath),
}

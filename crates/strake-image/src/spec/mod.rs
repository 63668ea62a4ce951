//! The conf: the JSON text in which dockerTools says what an image is to be.
//!
//! Format: what nixpkgs' `streamLayeredImage` writes and its `stream_layered_image.py` reads.

mod draft;
mod parse;

use serde_json::{Map, Value};
use strake_plan::{StoreDir, StorePath, store_path::StorePathError};

pub use draft::{DraftError, Surroundings};

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
    /// The base image's file.
    pub from_image: Option<String>,
    /// The store paths of each layer.
    pub store_layers: Vec<Vec<StorePath>>,
    /// The directory with the customisation layer: `layer.tar` and `checksum`.
    pub customisation_layer: String,
    /// The name that the image gets where it is loaded.
    pub repo_tag: String,
    /// The time of creation.
    pub created: Time,
    /// The modification time of everything in the image.
    pub mtime: Time,
    /// Who owns the files in the layers of store paths.
    pub owner: Owner,
}

/// A time in a conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// When the image is made.
    Now,
    /// A given time.
    At(DateTime),
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
    /// A store path is listed twice.
    #[error("lists the store path {0} twice")]
    Twice(StorePath),
}

//! The options of an image that is planned.

use std::path::PathBuf;

use strake_plan::layering::{DEFAULT_MAX_LAYERS, LayeringOptions};

use super::config::ConfigOptions;
use crate::customisation::Customisation;
use crate::spec::Inherit;

/// 1970-01-01T00:00:01Z, as dockerTools has it: the time of all files in a Nix store.
const EPOCH: &str = "1970-01-01T00:00:01+00:00";

/// The description of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each switch stands for itself.
pub struct PlanOptions {
    /// Store paths that are to be in the image with all that they need: their names, or links to them as `./result`.
    /// None: all of the graph is in the image.
    pub roots: Vec<PathBuf>,
    /// The image's name without a tag; the first root's where there is none.
    pub name: Option<String>,
    /// Its tag; a hash of the plan where there is none.
    pub tag: Option<String>,
    /// Store paths, or files in them, whose trees are linked at the image's root, besides those of `customisation`.
    pub contents: Vec<PathBuf>,
    /// An absolute directory whose tree is copied to the image's root, in place of that of `customisation`.
    pub root: Option<String>,
    /// The image's content besides store paths.
    pub customisation: Customisation,
    /// Whether the image's store paths are registered in a Nix database in it, with roots and contents as the garbage
    /// collector's roots.
    pub nix_database: bool,
    /// Whether files take the place of `/etc/passwd` and `/etc/group` where these would be links into the store. `None`: they do,
    /// unless `customisation` says otherwise.
    pub materialize_etc: Option<bool>,
    /// How much of the base image's config goes on.
    pub inherit: Option<Inherit>,
    /// Whether store paths that the base image holds are left out.
    pub skip_base_paths: bool,
    /// The processor architecture, by Go's name for it. `amd64` by default.
    pub architecture: String,
    /// The time of creation: `now`, or a time in ISO 8601. A second after the epoch by default.
    pub created: String,
    /// The modification time of everything in the image, likewise.
    pub mtime: String,
    /// The numbers of the user and the group who own the layers of store paths. 0 and 0 by default.
    pub owner: (u32, u32),
    /// Whether the image has no store paths, and must find them in another way.
    pub no_store_paths: bool,
    /// The container's configuration: entrypoint, environment and so on.
    pub config: ConfigOptions,
    /// The maximum number of the image's layers, those of its base image and of files among them. 100 by default.
    pub max_layers: usize,
    /// How the layers of store paths are decided.
    pub layering: LayeringOptions,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            name: None,
            tag: None,
            contents: Vec::new(),
            root: None,
            customisation: Customisation::default(),
            nix_database: false,
            materialize_etc: None,
            inherit: None,
            skip_base_paths: false,
            architecture: "amd64".to_owned(),
            created: EPOCH.to_owned(),
            mtime: EPOCH.to_owned(),
            owner: (0, 0),
            no_store_paths: false,
            config: ConfigOptions::default(),
            max_layers: DEFAULT_MAX_LAYERS,
            layering: LayeringOptions::default(),
        }
    }
}

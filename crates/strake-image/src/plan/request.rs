//! The values that options request, with links resolved: the store paths that an image must have, and what it says and holds
//! besides.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use strake_plan::StorePath;

use super::config::ConfigError;
use super::named;
use super::options::PlanOptions;
use super::roots::{self, RootError};
use crate::customisation::{Customisation, NixDatabase};
use crate::store::Store;

/// Why options cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// An argument stands for no store path.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The config's words are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Contents that no link in an image can lead to.
    #[error("the contents {} are not in the store", .0.display())]
    Contents(PathBuf),
}

/// The resolved options.
pub(super) struct Request {
    /// The container's configuration: entrypoint, environment and so on.
    pub(super) config: Map<String, Value>,
    /// The image's content besides store paths. Its Nix database has not yet the roots that it is to have.
    pub(super) customisation: Customisation,
    /// The store paths that the roots stand for, in the order in which they are given.
    pub(super) roots: Vec<StorePath>,
    /// These and the contents' store paths: what the garbage collector is to keep.
    pub(super) kept: BTreeSet<StorePath>,
    /// These and what config and customisation name: what the image must have.
    pub(super) wanted: BTreeSet<StorePath>,
}

impl Request {
    /// Resolves the options.
    pub(super) fn of(options: &PlanOptions, store: &Store) -> Result<Self, RequestError> {
        let config = options.config.config()?;
        let customisation = customisation(options, store)?;
        let roots = roots::store_paths(store, &options.roots)?;
        let mut kept: BTreeSet<StorePath> = roots.iter().cloned().collect();
        for contents in &customisation.contents {
            kept.extend(roots::store_path(store, Path::new(contents))?);
        }
        let mut wanted = kept.clone();
        wanted.extend(named::in_config(&config, store.dir()));
        wanted.extend(named::in_customisation(&customisation, store.dir()));
        Ok(Self { config, customisation, roots, kept, wanted })
    }
}

/// The description that is given, with what the other options add.
fn customisation(options: &PlanOptions, store: &Store) -> Result<Customisation, RequestError> {
    let mut customisation = options.customisation.clone();
    for contents in &options.contents {
        let (_, name) =
            roots::in_store(store, contents)?.ok_or_else(|| RequestError::Contents(contents.clone()))?;
        customisation.contents.push(name);
    }
    if options.root.is_some() {
        customisation.root.clone_from(&options.root);
    }
    if customisation.may_have_links() || options.materialize_etc.is_some() {
        customisation.materialize_etc =
            options.materialize_etc.or(customisation.materialize_etc).or(Some(true));
    }
    if options.nix_database && customisation.nix_database.is_none() {
        customisation.nix_database = Some(NixDatabase::default());
    }
    Ok(customisation)
}

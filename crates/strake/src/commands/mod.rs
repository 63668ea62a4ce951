//! One file for each thing that a user can ask for.

pub(crate) mod cache;
pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod installation;
pub(crate) mod layers;
pub(crate) mod list_tags;
pub(crate) mod load;
pub(crate) mod merge;
pub(crate) mod nix_database;
pub(crate) mod pin;
pub(crate) mod plan;
pub(crate) mod stream;
pub(crate) mod tag;
pub(crate) mod verify;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;
use strake_image::cache::Cache;
use strake_image::{Context, Digest, streams_per_processor};
use strake_remote::Reference;

use crate::cli::BuildArgs;
use crate::failure::Failure;
use crate::{output, references, terminal};

/// The context that all work on images shares, from the options. Problems that leave an image possible go into `warnings`.
fn context(build: &BuildArgs, verify: bool, warnings: &mut Vec<String>) -> Context {
    let cache = usable_cache(build.no_cache, |warning| warnings.push(warning.to_owned()));
    let jobs = build.jobs.unwrap_or_else(all_processors);
    let store = references::usual_store(&build.store_root);
    Context { cache, jobs, verify, ..Context::new(store, SystemTime::now) }
}

/// Writes a text into a file, which appears when it is whole, or to stdout.
fn put(file: Option<&Path>, text: &[u8]) -> Result<(), Failure> {
    file.map_or_else(|| output::say_data(text), |file| output::write(file, text))
}

/// An image or a repository in a registry, with or without `docker://` before its name.
fn named(text: &str) -> Result<Reference, Failure> {
    let name = text.strip_prefix("docker://").unwrap_or(text);
    Reference::parse(name).map_err(|error| Failure::reference(name, &error))
}

/// A line about a manifest in a registry: its name and its digest.
fn manifest_line(name: &Reference, digest: Digest, as_json: bool) -> String {
    let name = format!("docker://{name}");
    if as_json {
        terminal::json(&json!({ "image": name, "manifest": digest }))
    } else {
        format!("{}  {digest}", terminal::column(&name))
    }
}

/// Says a warning, where nothing else is reported.
fn warn(warning: &str) {
    terminal::say_warning(warning);
}

/// Says warnings, where nothing else is reported.
fn warn_all(warnings: &[String]) {
    for warning in warnings {
        warn(warning);
    }
}

/// Where the digest cache is: `STRAKE_CACHE_DIR`, else in the XDG cache directory.
fn cache_directory() -> Result<PathBuf, Failure> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG base directory specification: a relative path there is to be ignored.
    let xdg = || variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || variable("HOME").map(|home| home.join(".cache"));
    variable("STRAKE_CACHE_DIR").or_else(|| xdg().or_else(home).map(|base| base.join("strake"))).ok_or_else(
        || {
            Failure::new(
                "there is no place for the cache: STRAKE_CACHE_DIR, XDG_CACHE_HOME and HOME are all unset",
            )
        },
    )
}

/// The cache, if it is wanted and can be used. That it cannot is no reason not to make an image.
fn usable_cache(no_cache: bool, warn: impl FnOnce(&str)) -> Option<Cache> {
    if no_cache {
        return None;
    }
    open_cache().map_err(|failure| warn(&failure.to_string())).ok()
}

/// As many as keep all processors busy, or as use up the memory that is meant for it.
fn all_processors() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::new(64).unwrap();
    let processors = processors();
    let streams = NonZeroUsize::new(streams_per_processor()).unwrap_or(NonZeroUsize::MIN);
    processors.saturating_mul(streams).min(MOST.max(processors))
}

fn processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn open_cache() -> Result<Cache, Failure> {
    let directory = cache_directory()?;
    Cache::open(&directory)
        .map_err(|error| {
            Failure::new(format!("cannot use the cache directory {}: {error}", directory.display()))
        })
        .map_err(|failure| failure.hint("set STRAKE_CACHE_DIR to a directory that you can write to"))
}

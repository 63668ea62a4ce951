//! Helpers that strake's tests share: throw-away stores, an oracle, a registry, other programs. Never part of a release.
//! Where something is not as it must be, it panics: that is how a test fails.
#![allow(clippy::missing_panics_doc)]

pub mod certificates;
pub mod closure;
pub mod command;
pub mod containerd;
pub mod image;
pub mod layer;
pub mod machine;
pub mod modules;
pub mod mutated;
pub mod peer;
pub mod proxy;
pub mod registries;
pub mod registry;
pub mod store;
pub mod tar_bytes;
pub mod tree;
pub mod wait;

use std::path::{Path, PathBuf};

/// The workspace's directory.
pub fn workspace() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    crates.canonicalize().expect("the workspace is there")
}

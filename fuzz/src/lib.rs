//! The checks of the fuzz targets for bytes of any kind: no panics, and more.
//!
//! Each function takes an input and panics if strake breaks a promise about it. The targets in `fuzz_targets` hand them what
//! libFuzzer makes; strake's own tests hand them the seeds.

pub mod archives;
pub mod confs;
pub mod database;
pub mod decoders;
pub mod documents;
pub mod file_systems;
pub mod json;
pub mod memory;
pub mod plans;
pub mod registries;

/// The checks on an input.
pub type Check = fn(&[u8]);

/// All targets, by the names of their seeds' directories.
pub const TARGETS: [(&str, Check); 19] = [
    ("archive", archives::archive),
    ("auth_file", registries::auth_file),
    ("challenge", registries::challenge),
    ("conf", confs::conf),
    ("config", documents::config),
    ("customisation", confs::customisation),
    ("database", database::database),
    ("decoders", decoders::decoders),
    ("file_system", file_systems::file_system),
    ("graph", plans::graph),
    ("index", documents::index),
    ("json", json::json),
    ("layer", archives::layer),
    ("layout", archives::layout),
    ("lock", plans::lock),
    ("manifest", documents::manifest),
    ("nar_hash", plans::nar_hash),
    ("pipeline", plans::pipeline),
    ("reference", registries::reference),
];

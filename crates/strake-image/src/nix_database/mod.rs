//! The database of a Nix store: which store paths are valid, and what they refer to.
//!
//! Format: `SQLite`, schema version 10, as Nix has used it since 2.0 (`libstore/schema.sql` there).

mod read;
mod write;

use strake_plan::StoreDir;

pub use read::{ReadError, closure};
pub use write::{DatabaseError, write};

/// The version of the schema, which the file `schema` beside the database holds.
pub const SCHEMA_VERSION: &str = "10";

/// Where the store's state is: `/nix/var/nix` for `/nix/store`.
pub fn state_directory(store_dir: &StoreDir) -> String {
    let parent = store_dir.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
    format!("{parent}/var/nix")
}

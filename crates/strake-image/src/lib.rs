//! What the bytes of a container image are: tar streams, recipes for layers, digests, configs, archives.
//!
//! **Invariant:** nothing here prints, reads the clock or the environment, opens a socket, or exits.

pub mod archive;
pub mod blob;
pub mod cache;
pub mod codec;
pub mod compression;
pub mod customisation;
pub mod delivery;
pub mod destination;
pub mod digest;
pub mod directory_handle;
pub mod draft;
pub mod engine;
pub mod error;
pub mod fingerprint;
pub mod flatten;
pub mod image;
pub mod layer;
pub mod layout;
pub mod limits;
pub mod manifest;
pub mod media_type;
pub mod new_file;
pub mod nix_database;
pub mod parsed;
pub mod python;
pub mod recipe;
pub mod reference;
pub mod sha256;
pub mod sink;
pub mod spec;
pub mod store;
pub mod survey;
pub mod tar;
mod tree;
pub mod verify;

pub use error::Error;

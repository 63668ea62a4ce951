//! The docker-archive format: a tar archive with layers, an image config and `manifest.json`.
//!
//! Format: the Docker image specification v1.2, "combined image JSON and filesystem changeset format".

mod named_digest;
mod names;
mod read;
mod write;

pub(crate) use named_digest::NamedDigest;
pub use read::{ArchivePick, open, open_image};
pub use write::ArchiveTarget;

//! Manifests: what lists an image's config and layers by digest, and indexes, which list manifests.
//!
//! Format: the OCI image specification 1.1, "image manifest" and "image index"; Docker's "image manifest version 2, schema
//! 2". An OCI layout and a registry both hold images in this form.

mod contradictions;
mod index;
mod list;
mod pick;
mod read;
mod text;
mod update;
mod write;

pub(crate) use contradictions::Repeats;
pub use index::{Opened, ParsedIndex, open_all};
pub use list::{IndexError, IndexPlan, check_platforms, index_listing, index_of};
pub use pick::choose;
pub(crate) use pick::names;
pub use read::{Blobs, FoundBlob, Listed, entries, open};
pub(crate) use text::{entry, layout_entries};
pub use update::updated;
pub use write::{Listing, of_image};

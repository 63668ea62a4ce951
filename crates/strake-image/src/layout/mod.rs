//! OCI image layouts: a directory, or a tar archive of one, that holds images as blobs with an index.
//!
//! Format: the OCI image specification 1.1, "image layout".

mod archive;
mod blobs;
mod checked;
mod directory;
mod index;
mod pick;
mod read;

pub use archive::LayoutArchiveTarget;
pub use directory::{LayoutTarget, PrepareError};
pub use pick::LayoutPick;
pub use read::Layout;

use crate::digest::Digest;

const LAYOUT: &str = "oci-layout";
const LAYOUT_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs/sha256";

/// Where a blob is in a layout.
fn blob_name(digest: Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

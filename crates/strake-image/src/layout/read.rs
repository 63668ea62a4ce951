//! Opens an image in an OCI layout.

use std::path::Path;

use super::blobs::LayoutBlobs;
use super::pick::{self, Pick};
use crate::foreign::{Foreign, OpenError};
use crate::manifest;

/// Opens an image in a layout directory.
pub fn open_directory(path: &Path, pick: &Pick) -> Result<Foreign, OpenError> {
    open(&LayoutBlobs::directory(path)?, pick)
}

/// Opens an image in a layout's archive, plain or compressed.
pub fn open_archive(path: &Path, pick: &Pick) -> Result<Foreign, OpenError> {
    open(&LayoutBlobs::archive(path)?, pick)
}

fn open(blobs: &LayoutBlobs, pick: &Pick) -> Result<Foreign, OpenError> {
    blobs.check_version()?;
    manifest::open(blobs, pick::listed(blobs, pick)?, &pick.architecture)
}

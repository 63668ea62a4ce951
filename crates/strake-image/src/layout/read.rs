//! Opens images in an OCI layout.

use std::path::Path;

use super::blobs::LayoutBlobs;
use super::pick::{self, LayoutPick};
use crate::manifest::{self, Opened};
use crate::parsed::{OpenError, ParsedImage};

/// A layout to read from.
pub struct Layout(LayoutBlobs);

impl Layout {
    /// The layout in a directory.
    pub fn directory(path: &Path) -> Result<Self, OpenError> {
        Self::of(LayoutBlobs::directory(path)?)
    }

    /// The layout in an archive, plain or compressed.
    pub fn archive(path: &Path) -> Result<Self, OpenError> {
        Self::of(LayoutBlobs::archive(path)?)
    }

    fn of(blobs: LayoutBlobs) -> Result<Self, OpenError> {
        blobs.check_version()?;
        Ok(Self(blobs))
    }

    /// Opens an image.
    pub fn image(&self, pick: &LayoutPick) -> Result<ParsedImage, OpenError> {
        manifest::open(&self.0, pick::listed(&self.0, pick)?, &pick.platform)
    }

    /// Opens an image, or all that an index lists where one is meant.
    pub fn all(&self, pick: &LayoutPick) -> Result<Opened, OpenError> {
        manifest::open_all(&self.0, pick::listed(&self.0, pick)?)
    }
}

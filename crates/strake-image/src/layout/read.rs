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

    /// The layout in an archive, plain or compressed. Where it is compressed and layers stand in another order than images have
    /// them, they are put aside in the directory `aside` when they are read, in a file without a name.
    pub fn archive(path: &Path, aside: &Path) -> Result<Self, OpenError> {
        Self::of(LayoutBlobs::archive(path, aside)?)
    }

    fn of(blobs: LayoutBlobs) -> Result<Self, OpenError> {
        blobs.check_version()?;
        Ok(Self(blobs))
    }

    /// Opens an image.
    pub fn image(&self, pick: &LayoutPick) -> Result<ParsedImage, OpenError> {
        let mut image = manifest::open(&self.0, pick::listed(&self.0, pick)?, &pick.platform)?;
        image.problems.extend(self.0.problems()?);
        Ok(image)
    }

    /// Opens an image, or all that an index lists where one is meant.
    pub fn all(&self, pick: &LayoutPick) -> Result<Opened, OpenError> {
        let mut opened = manifest::open_all(&self.0, pick::listed(&self.0, pick)?)?;
        let first = match &mut opened {
            Opened::Image(image) => Some(&mut **image),
            Opened::Index(index) => index.images.first_mut().map(|(_, image)| image),
        };
        if let Some(image) = first {
            image.problems.extend(self.0.problems()?);
        }
        Ok(opened)
    }
}

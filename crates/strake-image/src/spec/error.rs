//! Why an image cannot be made from a conf.

use std::path::PathBuf;

use crate::customisation::CustomisationError;
use crate::error::Error;
use crate::parsed::OpenError;

/// Why an image cannot be made from a conf.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A file that the conf names cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// The conf names a base image, which has to be opened first.
    #[error("it stands on the base image {0}")]
    NotAlone(String),
    /// The base image is damaged.
    #[error("the base image")]
    Base(#[source] OpenError),
    /// Something in the config of the base image or of the conf is not what it must be.
    #[error("the {whose}'s {key} is not {expected}")]
    Config {
        /// Whose config it is.
        whose: &'static str,
        /// The key.
        key: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The file `checksum` of the customisation layer holds something else.
    #[error("{} does not hold a SHA-256 checksum", .0.display())]
    Checksum(PathBuf),
    /// The customisation layer's `layer.tar` is not a regular file.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The description of the customisation layer cannot be followed.
    #[error(transparent)]
    Customisation(CustomisationError),
    /// The machine's clock shows a time that cannot be written down.
    #[error("the clock shows a year after 9999")]
    Clock,
}

/// What is wrong with a description is its own; what cannot be read is like everything that cannot.
impl From<CustomisationError> for DraftError {
    fn from(error: CustomisationError) -> Self {
        match error {
            CustomisationError::Read(error) => Self::Read(error),
            error => Self::Customisation(error),
        }
    }
}

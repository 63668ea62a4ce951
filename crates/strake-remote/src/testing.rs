//! Doors for fuzz targets to parsers that are no part of the interface.

use std::path::Path;

use crate::auth_file;
use crate::challenge::Challenge;
use crate::{AuthFile, Credentials, Reference, RemoteError};

/// The authentication in `WWW-Authenticate`: a token, of a realm and maybe for a service, or a name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A name and a password.
    Basic,
    /// A token.
    Bearer(String, Option<String>),
}

/// The authentication that the header's values require.
pub fn challenge(values: &[&str]) -> Option<Demand> {
    Some(match Challenge::parse(values.iter().copied())? {
        Challenge::Basic => Demand::Basic,
        Challenge::Bearer { realm, service } => Demand::Bearer(realm, service),
    })
}

/// The credentials in a file for an image.
pub fn credentials(path: &Path, of: &Reference) -> Result<Option<Credentials>, RemoteError> {
    auth_file::find(&[AuthFile { path: path.to_owned(), required: true }], of)
}

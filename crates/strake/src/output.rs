//! Where an archive goes, as the user says it.

use std::io::{self, IsTerminal};
use std::path::Path;

use strake_image::Output;

use crate::failure::Failure;

/// Opens the place that the user named; `None` and `-` are stdout.
pub(crate) fn archive(path: Option<&Path>) -> Result<Output, Failure> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => Ok(Output::create(path)?),
        None if io::stdout().is_terminal() => Err(Failure::new("an image archive is not for a terminal")
            .hint("write it to a file with -o FILE, or pipe it into docker load")),
        None => Ok(Output::Stdout),
    }
}

/// Writes a small file.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    Ok(strake_image::Output::write(path, content)?)
}

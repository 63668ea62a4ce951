//! Input that can be read only once: stdin, and files that are pipes. An archive is read at many positions, so one from a pipe is
//! stored in a temporary file.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use strake_image::Piped;
use strake_image::recognise::begins_as_archive;

use crate::failure::Failure;
use crate::{descriptors, input};

/// The first member's headers are in the first bytes of an archive, of this number.
pub(crate) const START: u64 = 64 * 1024;

/// Under this name stdin can be opened.
const STDIN: &str = "/dev/stdin";

/// The actual input.
pub(crate) enum Incoming {
    /// Something that is no archive.
    Text(Vec<u8>),
    /// An archive, which can be read here.
    Archive(PathBuf),
}

/// The temporary file. It exists as long as the process runs.
static KEPT: Mutex<Vec<Piped>> = Mutex::new(Vec::new());

/// Removes the temporary files.
pub(crate) fn clear() {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Whether a file can be read only once.
pub(crate) fn is_pipe(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Takes what comes from stdin, under the name `-`, or from a pipe.
pub(crate) fn take(path: &Path) -> Result<Incoming, Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot read {}: {error}", input::name(path)));
    if input::is_stdin(path) {
        input::take_stdin()?;
    }
    if input::is_stdin(path) && descriptors::stdin_is_closed() {
        return Err(failed(io::Error::other("it is closed")));
    }
    let is_stdin = input::is_stdin(path);
    let mut bytes = if is_stdin { stdin() } else { File::open(path) }.map_err(failed)?;
    // Linux opens a file that is stdin anew under that name, from its beginning.
    let is_file = cfg!(target_os = "linux") && is_stdin && is_at_its_beginning(&mut bytes);
    let mut start = Vec::new();
    bytes.by_ref().take(START).read_to_end(&mut start).map_err(failed)?;
    if !begins_as_archive(&start) {
        let text = input::limited(&mut start.chain(bytes), &input::name(path))?;
        return Ok(Incoming::Text(text));
    }
    if is_file {
        return Ok(Incoming::Archive(STDIN.into()));
    }
    let piped = Piped::new(&mut start.chain(bytes), &std::env::temp_dir()).map_err(failed)?;
    Ok(Incoming::Archive(keep(piped)))
}

/// Keeps what was put aside until the process ends, and returns the name by which it can be opened.
pub(crate) fn keep(piped: Piped) -> PathBuf {
    let place = piped.path().to_owned();
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(piped);
    place
}

fn stdin() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

fn is_at_its_beginning(file: &mut File) -> bool {
    file.metadata().is_ok_and(|found| found.is_file())
        && file.stream_position().is_ok_and(|position| position == 0)
}

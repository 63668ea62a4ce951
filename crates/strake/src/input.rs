//! Files that the user names, and stdin under the name `-`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;
use crate::{descriptors, suggestion};

/// No JSON that is given here is larger, in bytes.
const MAX: u64 = 256 * 1024 * 1024;

/// No password is longer, in bytes.
const MAX_PASSWORD: u64 = 64 * 1024;

/// The file's name in messages.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() }
}

/// Whether the name stands for stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a file whole.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::new(format!("cannot read {}: {error}", name(path)));
    if is_stdin(path) {
        take_stdin()?;
    }
    if is_stdin(path) && descriptors::stdin_is_closed() {
        Err(failed(std::io::Error::other("it is closed")))
    } else if is_stdin(path) {
        limited(&mut std::io::stdin().lock(), &name(path))
    } else {
        let opened = File::open(path).map_err(|error| match suggestion::of_source(path) {
            Some(hint) => failed(error).hint(hint),
            None => failed(error),
        });
        limited(&mut opened?, &name(path))
    }
}

/// Reads what is called `name` to its end.
pub(crate) fn limited(bytes: &mut dyn Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    match bytes.take(MAX + 1).read_to_end(&mut text) {
        Ok(length) if length as u64 > MAX => {
            Err(Failure::new(format!("{name} is larger than {} MiB", MAX / 1024 / 1024)))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::new(format!("cannot read {name}: {error}"))),
    }
}

/// Reads a password from stdin: all of it but the line break at its end.
pub(crate) fn password() -> Result<String, Failure> {
    take_stdin()?;
    let mut text = String::new();
    let read = if descriptors::stdin_is_closed() {
        Err(std::io::Error::other("it is closed"))
    } else {
        std::io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text)
    };
    read.map_err(|error| Failure::new(format!("cannot read the password from stdin: {error}")))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::new("--password-stdin: stdin is empty"));
    }
    Ok(password.to_owned())
}

/// Stdin can only be read for one purpose.
pub(crate) fn take_stdin() -> Result<(), Failure> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    if IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(
            Failure::usage("stdin cannot be read twice").hint("put one of what is read from it into a file")
        );
    }
    Ok(())
}

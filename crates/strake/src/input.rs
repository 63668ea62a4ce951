//! Files that the user names, and stdin under the name `-`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::descriptors;
use crate::failure::Failure;

/// No JSON that is given here is larger, in bytes.
const MAX: u64 = 256 * 1024 * 1024;

/// What to call the file in front of the user.
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
    if is_stdin(path) && descriptors::stdin_is_closed() {
        Err(failed(std::io::Error::other("it is closed")))
    } else if is_stdin(path) {
        limited(&mut std::io::stdin().lock(), &name(path))
    } else {
        limited(&mut File::open(path).map_err(failed)?, &name(path))
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

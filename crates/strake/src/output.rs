//! Where archives and texts go, as the user says it.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{FileType, Stat, fstat};
use strake_image::Output;

use crate::descriptors;
use crate::failure::Failure;
use crate::terminal::Lines;

/// Whether an archive goes to stdout: the user named no place, or `-`.
pub(crate) fn is_stdout(path: Option<&Path>) -> bool {
    path.is_none_or(|path| path == Path::new("-"))
}

/// Whether an archive goes to stdout, and that is a pipe: most likely to a program that loads images.
pub(crate) fn is_piped(path: Option<&Path>) -> bool {
    let is_pipe = |status: Stat| FileType::from_raw_mode(status.st_mode) == FileType::Fifo;
    is_stdout(path) && fstat(io::stdout()).is_ok_and(is_pipe)
}

/// Opens the place that the user named.
pub(crate) fn archive(path: Option<&Path>) -> Result<Output, Failure> {
    match path.filter(|path| !is_stdout(Some(path))) {
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

/// Writes lines for people to stdout.
pub(crate) fn say(lines: &Lines) -> Result<(), Failure> {
    say_data(lines.as_bytes())
}

/// Writes to stdout what the command line's parser answers, with colours if that is a terminal.
pub(crate) fn say_help(answer: &clap::Error) -> Result<(), Failure> {
    if descriptors::stdout_is_closed() {
        return Err(Failure::closed_stdout());
    }
    if io::stdout().is_terminal() {
        return answer.print().map_err(|error| Failure::stdout(&error));
    }
    say_data(answer.render().to_string().as_bytes())
}

/// Writes to stdout what is meant for programs, as it is.
pub(crate) fn say_data(data: &[u8]) -> Result<(), Failure> {
    // The library's stdout keeps what has no line break at its end, and takes a descriptor that cannot be written to for one that
    // can.
    let written =
        io::stdout().as_fd().try_clone_to_owned().and_then(|stdout| File::from(stdout).write_all(data));
    written.map_err(|error| Failure::stdout(&error))
}

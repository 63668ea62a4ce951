//! Runs programs and shows what they said when they fail.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

/// A program with its arguments.
pub fn command<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end and returns its stdout. Panics with its stderr if it fails.
pub fn stdout_of(mut command: Command) -> Vec<u8> {
    let output = output_of(&mut command);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output.stderr));
    output.stdout
}

/// Runs it to its end.
pub fn output_of(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

/// Bytes as text, for looking at.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

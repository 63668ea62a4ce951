//! Engines that are spoken to by way of their own programs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::process::{Command, Output, Stdio};

use super::error::EngineError;

/// Of what a program says on stderr so much is kept, in bytes: its last words.
const WORDS: usize = 4096;

/// A program, with the words that each of its command lines begins with.
#[derive(Clone, Debug)]
pub struct Program {
    words: Vec<OsString>,
    engine: String,
}

impl Program {
    /// The program and its first arguments; `engine` is what messages call that to which it leads.
    pub fn new<S: Into<OsString>>(words: impl IntoIterator<Item = S>, engine: &str) -> Self {
        Self { words: words.into_iter().map(Into::into).collect(), engine: engine.to_owned() }
    }

    /// The same with more first arguments.
    #[must_use]
    pub fn with<S: Into<OsString>>(&self, more: impl IntoIterator<Item = S>) -> Self {
        let mut words = self.words.clone();
        words.extend(more.into_iter().map(Into::into));
        Self { words, engine: self.engine.clone() }
    }

    /// What messages call the engine.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    /// The words, for people.
    pub(super) fn words(&self) -> Vec<String> {
        self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// Runs it and returns what it writes. A failure is its own words.
    pub(super) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String, EngineError> {
        let output = self.output(arguments, Stdio::null())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.refused(&output))
    }

    /// The same, with a file as its stdin.
    pub(super) fn feed<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: File) -> Result<(), EngineError> {
        let output = self.output(arguments, stdin.into())?;
        if output.status.success() { Ok(()) } else { Err(self.refused(&output)) }
    }

    /// Runs it while `take` reads what it writes.
    pub(super) fn read<S: AsRef<OsStr>, T>(
        &self,
        arguments: &[S],
        take: impl FnOnce(&mut dyn Read) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| self.not_run(source))?;
        let (mut stdout, mut stderr) =
            (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let words = std::thread::spawn(move || {
            let mut words = Vec::new();
            let _ = stderr.read_to_end(&mut words);
            words
        });
        let taken = take(&mut stdout);
        drop(stdout);
        let status = child.wait().map_err(|source| self.not_run(source))?;
        let stderr = words.join().unwrap_or_default();
        if status.success() {
            taken
        } else {
            Err(self.refused(&Output { status, stdout: Vec::new(), stderr }))
        }
    }

    fn output<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: Stdio) -> Result<Output, EngineError> {
        self.command(arguments).stdin(stdin).output().map_err(|source| self.not_run(source))
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let (program, first) = self.words.split_first().expect("a program has a name");
        let mut command = Command::new(program);
        command.args(first).args(arguments);
        command
    }

    fn not_run(&self, source: io::Error) -> EngineError {
        EngineError::Program { program: self.words().into_iter().next().unwrap_or_default(), source }
    }

    fn refused(&self, output: &Output) -> EngineError {
        let words = &output.stderr[output.stderr.len().saturating_sub(WORDS)..];
        let words = String::from_utf8_lossy(words).trim().to_owned();
        let message = if words.is_empty() {
            format!("{} ended with {}", self.words().join(" "), output.status)
        } else {
            words
        };
        EngineError::Refused { engine: self.engine.clone(), message, status: None }
    }
}

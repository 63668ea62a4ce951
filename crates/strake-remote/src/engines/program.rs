//! Engines that are spoken to by way of their own programs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::process::{ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use super::error::EngineError;

/// Maximum of what is kept of a program's stderr, in bytes: its end, where the reason stands.
const WORDS: usize = 4096;

/// Maximum of what a program may write that is read as a whole, in bytes: lists of thousands of images take a few MiB.
const MAX_OUTPUT: u64 = 64 << 20;

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

    /// The same under another name for what it leads to.
    pub(super) fn named(&self, engine: &str) -> Self {
        Self { words: self.words.clone(), engine: engine.to_owned() }
    }

    /// The engine's name in messages.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    /// The words, for people.
    pub(super) fn words(&self) -> Vec<String> {
        self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// Runs it and returns what it writes. A failure is its own words.
    pub(super) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String, EngineError> {
        self.start(arguments, Stdio::null(), |stdout| {
            let mut text = Vec::new();
            let read = stdout.take(MAX_OUTPUT + 1).read_to_end(&mut text);
            read.map_err(|source| self.not_run(source))?;
            if text.len() as u64 > MAX_OUTPUT {
                let reason = format!("it has more than {MAX_OUTPUT} bytes");
                return Err(EngineError::Answer { engine: self.engine.clone(), reason });
            }
            Ok(String::from_utf8_lossy(&text).into_owned())
        })
    }

    /// The same, with a file as its stdin.
    pub(super) fn feed<S: AsRef<OsStr>>(&self, arguments: &[S], stdin: File) -> Result<(), EngineError> {
        self.start(arguments, stdin.into(), |stdout| {
            io::copy(stdout, &mut io::sink()).map(drop).map_err(|source| self.not_run(source))
        })
    }

    /// Runs it while `take` reads what it writes.
    pub(super) fn read<S: AsRef<OsStr>, T>(
        &self,
        arguments: &[S],
        take: impl FnOnce(&mut dyn Read) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.start(arguments, Stdio::null(), |stdout| take(stdout))
    }

    fn start<S: AsRef<OsStr>, T>(
        &self,
        arguments: &[S],
        stdin: Stdio,
        take: impl FnOnce(&mut ChildStdout) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut command = self.command(arguments);
        let command = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| self.not_run(source))?;
        let (mut stdout, stderr) =
            (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let words = std::thread::spawn(move || last_words(stderr));
        let taken = take(&mut stdout);
        drop(stdout);
        if taken.is_err() {
            // Its further output is not read.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|source| self.not_run(source))?;
        let words = words.join().unwrap_or_default();
        if taken.is_ok() && !status.success() { Err(self.refused(status, &words)) } else { taken }
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

    fn refused(&self, status: ExitStatus, words: &[u8]) -> EngineError {
        let words = String::from_utf8_lossy(words);
        let is_said =
            |line: &&str| !line.is_empty() && !line.contains("level=warning") && !line.contains("level=info");
        let lines: Vec<&str> = words.lines().map(str::trim).filter(is_said).collect();
        let message = match &lines[..] {
            [] => format!("{} ended with {status}", self.words().join(" ")),
            lines => lines.join(" "),
        };
        EngineError::Refused { engine: self.engine.clone(), message, status: None }
    }
}

/// The last of what a program says.
fn last_words(mut stderr: ChildStderr) -> Vec<u8> {
    let (mut words, mut piece) = (Vec::new(), vec![0; WORDS]);
    while let Ok(got @ 1..) = stderr.read(&mut piece) {
        words.extend_from_slice(&piece[..got]);
        words.drain(..words.len().saturating_sub(WORDS));
    }
    words
}

//! Starts the strake that was built with the tests.

use std::path::Path;
use std::process::{Command, Output};

use strake_testkit::command::{command, output_of, text};
use strake_testkit::store::TestStore;

/// A strake command. Its cache is a directory of its own, unless the test says otherwise.
pub(crate) struct Strake {
    pub(crate) command: Command,
    pub(crate) own_cache: Option<tempfile::TempDir>,
}

/// The result of a run of strake.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// `strake stream` for a conf of this store.
pub(crate) fn stream(store: &TestStore, conf: &Path) -> Strake {
    let cache = tempfile::tempdir().unwrap();
    let mut command = stream_with_cache(store, conf, cache.path());
    command.own_cache = Some(cache);
    command
}

/// The same with a cache that outlives it.
pub(crate) fn stream_with_cache(store: &TestStore, conf: &Path, cache: &Path) -> Strake {
    let mut command = program();
    command.arg("stream").arg("--store-root").arg(store.root()).arg(conf).env("STRAKE_CACHE_DIR", cache);
    Strake { command, own_cache: None }
}

/// Just the program.
pub(crate) fn program() -> Command {
    command::<&str>(env!("CARGO_BIN_EXE_strake"), [])
}

impl Strake {
    pub(crate) fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn run(mut self) -> Ran {
        ran(output_of(&mut self.command))
    }

    /// Runs it and returns what it wrote.
    pub(crate) fn archive(self) -> Vec<u8> {
        let ran = self.run();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    Ran { code: output.status.code(), stdout: output.stdout, stderr: text(&output.stderr) }
}

impl Ran {
    /// The command line must have been wrong, which is said with all of `words`.
    pub(crate) fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        assert!(self.stdout.is_empty() && self.stderr.contains("error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
    }

    /// It must have failed, with one error that says all of `words`, and without a panic.
    pub(crate) fn failed(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        let errors = self.stderr.lines().filter(|line| line.starts_with("strake: error:")).count();
        assert_eq!(errors, 1, "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
    }
}

//! What strake takes, Go's decoders read in the same way: generated documents, layers and archives, each asked of a Go program
//! (`tests/readers`) that reads them with the decoders of all programs that take images.

mod archives;
mod layers;
mod members;
mod tars;
mod texts;
mod values;

use std::io::{BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use strake_testkit::peer::require;

/// The Go program.
struct Readers {
    child: Child,
    questions: Option<BufWriter<ChildStdin>>,
    answers: BufReader<ChildStdout>,
}

impl Readers {
    fn start() -> Self {
        let mut program = Command::new(require("readers"));
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let questions = child.stdin.take().map(BufWriter::new);
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, questions, answers }
    }

    /// The result that all decoders agree on.
    fn ask(&mut self, question: u8, input: &[u8]) -> Value {
        let questions = self.questions.as_mut().unwrap();
        questions.write_all(&[question]).unwrap();
        questions.write_all(&u32::try_from(input.len()).unwrap().to_be_bytes()).unwrap();
        questions.write_all(input).unwrap();
        questions.flush().unwrap();
        let mut length = [0; 4];
        self.answers.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.answers.read_exact(&mut answer).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // It ends with its questions.
        self.questions.take();
        let _ = self.child.wait();
    }
}

/// Runs as many cases as `STRAKE_CASES` says, or 2,000. Those that failed once stand in a file beside the test's.
fn runner(source: &'static str) -> TestRunner {
    let cases = std::env::var("STRAKE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000);
    TestRunner::new(Config { cases, max_shrink_iters: 2000, ..Config::with_source_file(source) })
}

/// How many cases were taken by strake, and so compared.
#[derive(Default)]
struct Count {
    taken: u32,
    refused: u32,
}

impl Count {
    /// Says it, and makes sure that it is enough to mean something.
    fn finish(&self, what: &str) {
        println!("{what}: {} taken and compared, {} refused", self.taken, self.refused);
        assert!(self.taken * 20 > self.refused, "nearly all are refused");
    }
}

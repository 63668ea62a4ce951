//! Other programs that strake promises to work with.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{command, output_of, stdout_of};

/// The directories where programs are that not everybody may run.
const MORE_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Makes sure that a program is there. Panics, so that no test passes without it.
pub fn require(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(MORE_DIRECTORIES.iter().map(PathBuf::from));
    let found = directories.map(|directory| directory.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("{program} is not there; tests/run installs everything that the tests need")
    })
}

/// A Docker daemon of the test's own. Needs root.
pub struct Dockerd {
    daemon: Child,
    directory: tempfile::TempDir,
}

impl Dockerd {
    /// Starts a daemon and waits until it answers.
    pub fn start() -> Self {
        let program = require("dockerd");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = std::fs::File::create(directory.path().join("log")).expect("a log file");
        let in_directory = |name: &str| directory.path().join(name);
        let daemon = Command::new(program)
            .arg("--data-root")
            .arg(in_directory("data"))
            .arg("--exec-root")
            .arg(in_directory("exec"))
            .arg("--pidfile")
            .arg(in_directory("pid"))
            .arg("-H")
            .arg(socket(directory.path()))
            .args(["--iptables=false", "--bridge=none"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("dockerd can be started");
        let started = Self { daemon, directory };
        let begun = Instant::now();
        while !output_of(&mut started.docker(["version"])).status.success() {
            let log = started.directory.path().join("log");
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_mins(1), "dockerd does not answer:\n{}", said());
            std::thread::sleep(Duration::from_millis(200));
        }
        started
    }

    /// A docker command to this daemon.
    pub fn docker<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut docker = command(require("docker"), ["-H"]);
        docker.arg(socket(self.directory.path())).args(arguments);
        docker
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        let _ = output_of(&mut command("kill", [pid]));
        let _ = self.daemon.wait();
    }
}

fn socket(directory: &Path) -> String {
    format!("unix://{}", directory.join("docker.sock").display())
}

/// Feeds a file to a command's stdin and returns its stdout.
pub fn with_stdin(mut command: Command, file: &Path) -> Vec<u8> {
    command.stdin(std::fs::File::open(file).expect("the file is there"));
    stdout_of(command)
}

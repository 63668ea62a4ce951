//! Other programs that strake promises to work with.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::command::{command, output_of, stdout_of};
use crate::wait::until;
use crate::workspace;

/// The directories where programs are that not everybody may run.
const MORE_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Where a program is. Panics if it is not there, so that no test passes without it: tests that need a program are ignored
/// by a plain `cargo test`.
pub fn require(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| panic!("{}", missing_message(program)))
}

fn missing_message(program: &str) -> String {
    let source = source(program);
    // Go's programs have a module's path and version, our own a directory.
    let install = match source.as_str() {
        source if source.contains('@') => "go install",
        source if source.starts_with("./") => "go build -C",
        _ => "apt-get install",
    };
    format!("{program} is not there: tests/run installs all that the tests need, or {install} {source}")
}

/// The Debian package or the Go module that tests/run installs a program from. Panics if it installs none.
fn source(program: &str) -> String {
    let script = std::fs::read_to_string(workspace().join("tests/run")).expect("tests/run can be read");
    let entry = script.split_once(&format!("[{program}]="));
    let (_, rest) = entry.unwrap_or_else(|| panic!("tests/run does not install {program}"));
    rest.split_whitespace().next().unwrap_or_default().to_owned()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = MORE_DIRECTORIES.iter().map(PathBuf::from);
    let directories = built().into_iter().chain(std::env::split_paths(&path)).chain(more);
    directories.map(|directory| directory.join(program)).find(|file| is_program(file))
}

/// Whether a file can be run: one that could not be built may be there, and empty.
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.len() > 0 && found.permissions().mode() & 0o111 != 0)
}

/// Where tests/run puts the programs that it builds.
fn built() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    Some(cache?.join("strake-tests/bin"))
}

/// A Docker daemon of the test's own. Needs root.
pub struct Dockerd {
    daemon: Child,
    directory: tempfile::TempDir,
}

impl Dockerd {
    /// Starts a daemon and waits until it answers.
    pub fn start() -> Self {
        Self::start_with::<&str>([])
    }

    /// The same with more options.
    pub fn start_with<S: AsRef<std::ffi::OsStr>>(options: impl IntoIterator<Item = S>) -> Self {
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
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("dockerd can be started");
        let started = Self { daemon, directory };
        let answers = || output_of(&mut started.docker(["version"])).status.success().then_some(());
        let log = started.directory.path().join("log");
        until(answers, || format!("for dockerd\n{}", std::fs::read_to_string(&log).unwrap_or_default()));
        started
    }

    /// The value of `DOCKER_HOST` that reaches it.
    pub fn host(&self) -> String {
        socket(self.directory.path())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_named() {
        assert!(missing_message("nix-store").ends_with("apt-get install nix-bin"));
        assert!(missing_message("oci-schema").ends_with("go build -C ./tests/oci-schema"));
        assert!(
            missing_message("crane")
                .contains("go install github.com/google/go-containerregistry/cmd/crane@v")
        );
    }
}

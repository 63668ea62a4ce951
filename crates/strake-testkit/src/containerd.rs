//! A containerd of the test's own.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::command::{command, output_of};
use crate::peer::require;
use crate::wait::until;

/// A containerd that runs until this is dropped. Needs root.
pub struct Containerd {
    daemon: Child,
    directory: TempDir,
}

impl Containerd {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let within = |name: &str| directory.path().join(name).display().to_string();
        // Without the plugin for Kubernetes, which sets up networks.
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {:?}\n",
            within("root"),
            within("state"),
            within("socket")
        );
        fs::write(within("config.toml"), config).expect("a file");
        let log = fs::File::create(within("log")).expect("a log file");
        let daemon = Command::new(require("containerd"))
            .args(["--config", &within("config.toml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("containerd can be started");
        let started = Self { daemon, directory };
        let answers = || {
            let [program, options @ ..] = &started.ctr()[..] else { return None };
            let mut ctr = command(program, options);
            output_of(ctr.arg("version")).status.success().then_some(())
        };
        let log = started.directory.path().join("log");
        until(answers, || format!("for containerd\n{}", fs::read_to_string(&log).unwrap_or_default()));
        started
    }

    /// The words with which a command to this containerd begins.
    pub fn ctr(&self) -> [String; 3] {
        let socket: PathBuf = self.directory.path().join("socket");
        [require("ctr").display().to_string(), "--address".to_owned(), socket.display().to_string()]
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = output_of(&mut command("kill", [self.daemon.id().to_string()]));
        let _ = self.daemon.wait();
    }
}

//! `strake load` into engines newer than Debian's: `tests/run --all` builds and runs them.

use std::fs;
use std::process::{Child, Command, Stdio};

use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::peer::require;
use strake_testkit::wait::until;

use crate::load::{Bin, UnderTest, check};

/// The directory of the newer programs, whose names are those of the older ones.
fn newer() -> std::path::PathBuf {
    let program = require("newer/dockerd");
    program.parent().unwrap().to_owned()
}

/// A daemon that ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(mut command: Command, directory: &std::path::Path) -> Self {
        let log = fs::File::create(directory.join("log")).unwrap();
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = output_of(&mut command("kill", [self.0.id().to_string()]));
        let _ = self.0.wait();
    }
}

/// The newer dockerd with this configuration.
fn docker(configuration: &str, has_chains: bool) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::write(at("daemon.json"), configuration).unwrap();
    let host = format!("unix://{}", at("docker.sock"));
    let path = format!("{}:{}", newer().display(), std::env::var("PATH").unwrap());
    let mut dockerd =
        command(newer().join("dockerd"), ["--config-file", &at("daemon.json"), "--data-root", &at("data")]);
    dockerd.args(["--exec-root", &at("exec"), "--pidfile", &at("pid"), "-H", &host, "--iptables=false"]);
    dockerd.args(["--ip6tables=false", "--bridge=none"]).env("PATH", path);
    let _daemon = Daemon::start(dockerd, directory.path());
    let docker = |words: &[&str]| {
        let mut docker = command(require("docker"), ["-H", &host]);
        docker.args(words);
        docker
    };
    until(
        || output_of(&mut docker(&["version"])).status.success().then_some(()),
        || format!("for dockerd\n{}", fs::read_to_string(at("log")).unwrap_or_default()),
    );
    check(&UnderTest {
        to: "docker",
        variables: vec![("DOCKER_HOST", host.clone())],
        run: Box::new(|name| text(&stdout_of(docker(&["run", "--rm", "--network=none", name])))),
        has_chains,
    });
}

#[test]
#[ignore = "needs root, newer/dockerd"]
fn docker_classic() {
    docker(r#"{"features":{"containerd-snapshotter":false},"storage-driver":"overlay2"}"#, true);
}

#[test]
#[ignore = "needs root, newer/dockerd"]
fn docker_containerd() {
    docker("{}", false);
}

#[test]
#[ignore = "needs root, newer/containerd"]
fn containerd() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let config = format!(
        "version = 3\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \
         \"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\"]\n[grpc]\naddress = {:?}\n",
        at("root"),
        at("state"),
        at("socket")
    );
    fs::write(at("config.toml"), config).unwrap();
    let path = format!("{}:{}", newer().display(), std::env::var("PATH").unwrap());
    let mut containerd = command(newer().join("containerd"), ["--config", &at("config.toml")]);
    containerd.env("PATH", &path);
    let _daemon = Daemon::start(containerd, directory.path());
    let ctr = |words: &[&str]| {
        let mut ctr = command(newer().join("ctr"), ["--address", &at("socket")]);
        ctr.args(words).env("PATH", &path);
        ctr
    };
    until(
        || output_of(&mut ctr(&["version"])).status.success().then_some(()),
        || format!("for containerd\n{}", fs::read_to_string(at("log")).unwrap_or_default()),
    );
    let bin = Bin::new();
    bin.put("ctr", &format!("exec {} \"$@\"", newer().join("ctr").display()));
    let number = std::cell::Cell::new(0);
    let run = |name: &str| {
        number.set(number.get() + 1);
        let (id, name) = (format!("run{}", number.get()), strake_image::reference::normalised(name).unwrap());
        text(&stdout_of(ctr(&["run", "--rm", &name, &id])))
    };
    check(&UnderTest {
        to: "containerd",
        variables: vec![("CONTAINERD_ADDRESS", at("socket")), ("PATH", bin.first())],
        run: Box::new(run),
        has_chains: false,
    });
}

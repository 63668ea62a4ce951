//! `strake load` into Docker, podman, containerd and the nodes of a cluster: what is sent, what was there, and that the image runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use strake_image::reference::normalised;
use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::containerd::Containerd;
use strake_testkit::peer::{Dockerd, require};
use strake_testkit::store::TestStore;
use strake_testkit::wait::until;
use strake_testkit::workspace;

use crate::strake::{Ran, program, ran};

/// How many paths with data an image has, between its shell and its customisation layer.
pub(crate) const DATA: usize = 6;

/// How many layers it has.
const LAYERS: u64 = DATA as u64 + 2;

/// A store with a shell and paths with data, each a layer. Images print what is in the data.
pub(crate) struct Images {
    store: TestStore,
    directory: tempfile::TempDir,
}

impl Images {
    pub(crate) fn new() -> Self {
        let store = TestStore::empty();
        let shell = store.real(SHELL);
        fs::create_dir_all(shell.parent().unwrap()).unwrap();
        fs::copy(require("busybox"), &shell).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o555)).unwrap();
        Self { store, directory: tempfile::tempdir().unwrap() }
    }

    /// The conf of an image whose data are of these versions.
    pub(crate) fn conf(&self, name: &str, versions: [u8; DATA]) -> PathBuf {
        let mut layers = vec![vec![SHELL.trim_end_matches("/bin/sh").to_owned()]];
        for (place, version) in versions.into_iter().enumerate() {
            let path = format!("/nix/store/{place:0>16}{version:0>16}-data");
            let real = self.store.real(&path);
            fs::create_dir_all(&real).unwrap();
            fs::write(real.join("data"), format!("{place}.{version} ").repeat(1000)).unwrap();
            fs::write(real.join("short"), format!("{place}.{version} ")).unwrap();
            layers.push(vec![path]);
        }
        self.store.write_conf(name, &layers, |conf| {
            let print = "for p in /nix/store/*-data; do read -r x < $p/short; echo -n \"$x \"; done; echo";
            conf["config"] = serde_json::json!({ "Entrypoint": [SHELL, "-c", print] });
            conf["repo_tag"] = "team/app:1".into();
        })
    }

    /// The output of an image of these versions.
    pub(crate) fn printed(versions: [u8; DATA]) -> String {
        let words = versions.iter().enumerate().map(|(place, version)| format!("{place}.{version} "));
        words.collect::<String>() + "\n"
    }

    pub(crate) fn strake(&self, words: &[&str]) -> Command {
        let mut strake = program();
        strake.arg(words[0]).arg("--store-root").arg(self.store.root()).args(&words[1..]);
        strake
            .env("STRAKE_CACHE_DIR", self.directory.path().join("cache"))
            .current_dir(self.directory.path());
        strake
    }
}

const SHELL: &str = "/nix/store/11111111111111111111111111111111-busybox/bin/sh";

/// An engine, and how to get at it.
pub(crate) struct UnderTest<'e> {
    /// The value of `--to`.
    pub(crate) to: &'e str,
    pub(crate) variables: Vec<(&'e str, String)>,
    /// Runs the image of this name.
    pub(crate) run: Box<dyn Fn(&str) -> String + 'e>,
    /// Whether the engine keeps chains, so that the layers above a changed one are sent as well.
    pub(crate) has_chains: bool,
}

impl UnderTest<'_> {
    fn load(&self, images: &Images, source: &Path, more: &[&str]) -> Ran {
        let source = source.to_str().unwrap();
        let mut strake = images.strake(&[&["load", "--json", "--to", self.to, source][..], more].concat());
        strake.envs(self.variables.iter().map(|(name, value)| (name, value)));
        ran(output_of(&mut strake))
    }

    fn loaded(&self, images: &Images, source: &Path, more: &[&str]) -> Value {
        let run = self.load(images, source, more);
        assert_eq!(run.code, Some(0), "{}: {}", self.to, run.stderr);
        let mut events = run.stderr.lines().map(|line| serde_json::from_str(line).expect("an event"));
        events.rfind(|event: &Value| event["event"] == "loaded").expect("it was loaded")
    }
}

/// The same steps with any engine.
pub(crate) fn check(engine: &UnderTest<'_>) {
    let images = Images::new();
    let (first, second) = ([0; DATA], [0, 0, 0, 1, 0, 0]);
    let (one, two) = (images.conf("one", first), images.conf("two", second));
    let counts =
        |event: &Value| (event["layers_sent"].as_u64().unwrap(), event["layers_had"].as_u64().unwrap());

    let event = engine.loaded(&images, &one, &[]);
    assert_eq!((counts(&event), &event["was_there"]), ((LAYERS, 0), &false.into()), "{event}");
    assert_eq!(event["replaced"], serde_json::json!([]));
    assert_eq!((engine.run)("team/app:1"), Images::printed(first));

    let event = engine.loaded(&images, &one, &[]);
    assert_eq!((counts(&event), &event["was_there"]), ((0, LAYERS), &true.into()), "{event}");

    let event = engine.loaded(&images, &one, &["-t", "team/app:1", "-t", "other:3"]);
    assert_eq!(counts(&event), (0, LAYERS), "{event}");
    assert_eq!((engine.run)("other:3"), Images::printed(first));

    // One small change in the middle.
    let event = engine.loaded(&images, &two, &[]);
    let expected = if engine.has_chains { (4, 4) } else { (1, LAYERS - 1) };
    assert_eq!((counts(&event), &event["was_there"]), (expected, &false.into()), "{event}");
    let id = event["replaced"][0]["image_id"].as_str();
    assert!(id.is_some_and(|id| id.starts_with("sha256:")), "{event}");
    assert_eq!(event["names"], serde_json::json!([event["replaced"][0]["name"]]));
    assert_eq!((engine.run)("team/app:1"), Images::printed(second));
    assert_eq!((engine.run)("other:3"), Images::printed(first));

    // An image in another form, by the names of copy.
    let run = images.strake(&[
        "copy",
        one.to_str().unwrap(),
        "oci:layout:third:1",
        "hybrid-archive:hybrid.tar:fourth:1",
    ]);
    stdout_of(run);
    let event = engine.loaded(&images, Path::new("oci:layout"), &["-t", "third:1"]);
    assert_eq!(counts(&event), (0, LAYERS), "{event}");
    assert_eq!((engine.run)("third:1"), Images::printed(first));
}

#[test]
#[ignore = "needs root, dockerd"]
fn docker() {
    let docker = Dockerd::start();
    let run = |name: &str| text(&stdout_of(docker.docker(["run", "--rm", "--network=none", name])));
    let engine = UnderTest {
        to: "docker",
        variables: vec![("DOCKER_HOST", docker.host())],
        run: Box::new(run),
        has_chains: true,
    };
    check(&engine);

    // Out of Docker, as a source and as a base image.
    let images = Images::new();
    let conf = images.conf("one", [0; DATA]);
    let id = |place: &str| {
        let mut inspect = images.strake(&["inspect", "--json", place]);
        let about: Value =
            serde_json::from_slice(&stdout_of(inspect.env("DOCKER_HOST", docker.host()).take())).unwrap();
        about["image_id"].clone()
    };
    engine.loaded(&images, &conf, &[]);
    assert_eq!(id("docker-daemon:team/app:1"), id(conf.to_str().unwrap()));

    let (base, result) = ("docker-daemon:team/app:1", "oci:derived:derived:1");
    let graph = workspace().join("examples/hello/graph.json");
    let hello = "/nix/store/4xw8n979xpivdc46a9ndcvyhwgif00hz-hello-1.0";
    let words =
        ["copy", hello, "--graph", graph.to_str().unwrap(), "--name", "derived", "--from", base, result];
    let mut derive = program();
    derive.arg(words[0]).arg("--store-root").arg(workspace().join("examples/hello")).args(&words[1..]);
    derive.current_dir(images.directory.path()).env("DOCKER_HOST", docker.host());
    stdout_of(derive);
    let layers = |place: &str| {
        let about = stdout_of(images.strake(&["inspect", "--json", place]));
        serde_json::from_slice::<Value>(&about).unwrap()["layers"].as_array().unwrap().clone()
    };
    let diff_ids =
        |place: &str| layers(place).iter().map(|layer| layer["diff_id"].clone()).collect::<Vec<_>>();
    assert!(diff_ids("oci:derived").starts_with(&diff_ids(conf.to_str().unwrap())));

    // Without names and images it has no layers.
    stdout_of(docker.docker(["image", "prune", "--all", "--force"]));
    assert_eq!(engine.loaded(&images, &conf, &[])["layers_sent"], LAYERS);

    // A hybrid archive is a docker-archive.
    stdout_of(images.strake(&["copy", conf.to_str().unwrap(), "hybrid-archive:hybrid.tar:fourth:1"]));
    let archive = images.directory.path().join("hybrid.tar");
    stdout_of(docker.docker(["load", "-i", archive.to_str().unwrap()]));
    assert_eq!((engine.run)("fourth:1"), Images::printed([0; DATA]));
}

#[test]
#[ignore = "needs root, dockerd"]
fn the_page_about_it() {
    let docker = Dockerd::start();
    let bin = Bin::new();
    bin.put("strake", &format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_strake")));
    let page = fs::read_to_string(workspace().join("docs/load.md")).unwrap();
    let script = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut shell = command("bash", ["-euo", "pipefail", "-c", script]);
    shell.current_dir(workspace()).env("PATH", bin.first()).env("DOCKER_HOST", docker.host());
    let said = text(&stdout_of(shell.env("STRAKE_CACHE_DIR", bin.0.path().join("cache")).take()));
    assert_eq!(said, "Hello from an image that strake made.\n");
}

#[test]
#[ignore = "needs root, podman, runc"]
fn podman() {
    let directory = tempfile::tempdir().unwrap();
    let within = |name: &str| directory.path().join(name).display().to_string();
    // The command, with a storage of its own.
    let bin = Bin::new();
    bin.put(
        "podman",
        &format!(
            "exec {} --storage-driver=vfs --runtime=runc --cgroup-manager=cgroupfs --root {} --runroot {} \"$@\"",
            require("podman").display(),
            within("root"),
            within("run")
        ),
    );
    let podman = |arguments: &[&str]| text(&stdout_of(command(bin.0.path().join("podman"), arguments)));
    let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
    let engine = UnderTest {
        to: "podman",
        variables: vec![("PATH", bin.first())],
        run: Box::new(|name| podman(&["run", "--rm", "--network=none", limits[0], limits[1], name])),
        has_chains: false,
    };
    check(&engine);
    let images = Images::new();
    let mut copy = images.strake(&["copy", "containers-storage:team/app:1", "oci:layout"]);
    stdout_of(copy.envs(engine.variables.iter().map(|(name, value)| (name, value))).take());

    // An image of the same name that was built here is replaced, and not found before the new one.
    podman(&["tag", "team/app:1", "localhost/twin:1"]);
    let other = images.conf("other", [5; DATA]);
    let event = engine.loaded(&images, &other, &["-t", "twin:1"]);
    assert_eq!(event["replaced"][0]["name"], "localhost/twin:1", "{event}");
    assert_eq!((engine.run)("twin:1"), Images::printed([5; DATA]));

    // Podman on another machine, as far as one socket is that.
    podman(&["rmi", "--all", "--force"]);
    let socket = format!("unix://{}", within("podman.sock"));
    let mut service = command(bin.0.path().join("podman"), ["system", "service", "--time=0", &socket]);
    let mut service = service.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let remote = |words: &[&str]| {
        let mut podman = command(require("podman"), ["--remote", "--url", &socket]);
        podman.args(words);
        podman
    };
    until(
        || output_of(&mut remote(&["info"])).status.success().then_some(()),
        || "for podman's service".to_owned(),
    );
    let program = Bin::new();
    program.put("podman", &format!("exec {} \"$@\"", require("podman").display()));
    check(&UnderTest {
        to: "podman",
        variables: vec![("PATH", program.first()), ("CONTAINER_HOST", socket.clone())],
        ..engine
    });
    service.kill().unwrap();
    service.wait().unwrap();
}

#[test]
#[ignore = "needs root, containerd, runc"]
fn containerd() {
    let containerd = Containerd::start();
    let [ctr, _, address] = containerd.ctr();
    let number = std::cell::Cell::new(0);
    let run = |namespace: &str, name: &str| {
        number.set(number.get() + 1);
        let (id, name) = (format!("run{}", number.get()), normalised(name).unwrap());
        let words = ["--address", &address, "--namespace", namespace, "run", "--rm", &name, &id];
        text(&stdout_of(command(&ctr, words)))
    };
    // Clusters' own commands, which lead to a containerd.
    let bin = Bin::new();
    bin.put("k3s", &format!("[ \"$1\" = ctr ] || exit 9; shift; exec {ctr} --address {address} \"$@\""));
    bin.put(
        "minikube",
        &format!(
            "[ \"$1 $2 $3 $4 $5 $6 $7\" = '--profile blue ssh --native-ssh=false -- sudo ctr' ] || exit 9; shift 7; \
             exec {ctr} --address {address} \"$@\""
        ),
    );
    bin.put("there", &format!("exec env CONTAINERD_ADDRESS={address} \"$@\""));
    let path = bin.first();
    check(&UnderTest {
        to: "containerd",
        variables: vec![("CONTAINERD_ADDRESS", address.clone()), ("PATH", path.clone())],
        run: Box::new(|name| run("default", name)),
        has_chains: false,
    });
    for to in ["k3s", "minikube=blue"] {
        let engine = UnderTest {
            to,
            variables: vec![("PATH", path.clone())],
            run: Box::new(|name| run("k8s.io", name)),
            has_chains: false,
        };
        check(&engine);
        // An engine without images.
        let listed =
            stdout_of(command(&ctr, ["--address", &address, "--namespace", "k8s.io", "images", "ls", "-q"]));
        for name in text(&listed).lines() {
            let words = ["--address", &address, "--namespace", "k8s.io", "images", "rm", "--sync", name];
            stdout_of(command(&ctr, words));
        }
    }
    // By way of another command, which is what `--via` is for.
    let images = Images::new();
    let conf = images.conf("one", [0; DATA]);
    let mut load = images.strake(&["load", "--via", "there", conf.to_str().unwrap(), "-t", "via:1"]);
    let said = output_of(load.env("PATH", &path));
    assert!(said.status.success(), "{}", text(&said.stderr));
    assert_eq!(run("default", "via:1"), Images::printed([0; DATA]));
}

/// Programs that stand before those of the machine.
pub(crate) struct Bin(tempfile::TempDir);

impl Bin {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn put(&self, name: &str, script: &str) {
        let file = self.0.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The value of `PATH` with them.
    pub(crate) fn first(&self) -> String {
        let peers =
            [require("ctr"), require("docker")].map(|peer| peer.parent().unwrap().display().to_string());
        format!("{}:{}:{}", self.0.path().display(), peers.join(":"), std::env::var("PATH").unwrap())
    }
}

/// Starts the nodes of a kind cluster, and waits until they answer. Their files are below temporary directories.
pub(crate) fn nodes(docker: &Dockerd, cluster: &str, names: &[&str]) -> Vec<tempfile::TempDir> {
    // The nodes' image is strake's, too. All that is in it comes from this machine.
    let images = Images::new();
    let empty = images.store.write_conf("node", &[], |conf| conf["repo_tag"] = "node:1".into());
    let mut load = images.strake(&["load", "--to", "docker", empty.to_str().unwrap()]);
    stdout_of(load.env("DOCKER_HOST", docker.host()).take());
    let started = names.iter().map(|name| node(docker, cluster, name, "exec containerd")).collect();
    for name in names {
        until(
            || output_of(&mut docker.docker(["exec", name, "ctr", "version"])).status.success().then_some(()),
            || format!("for {name}: {}", text(&output_of(&mut docker.docker(["logs", name])).stderr)),
        );
    }
    started
}

/// Starts a node as kind does: a container with the cluster's label, in which a containerd runs.
fn node(docker: &Dockerd, cluster: &str, name: &str, command: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for place in ["etc", "lib", "run", "mnt"] {
        fs::create_dir(directory.path().join(place)).unwrap();
    }
    let config = "version = 2\n";
    fs::write(directory.path().join("etc/config.toml"), config).unwrap();
    let mut words = [
        "run",
        "--detach",
        "--cap-add=SYS_ADMIN",
        "--security-opt=seccomp=unconfined",
        "--network=none",
        "--name",
        name,
    ]
    .map(str::to_owned)
    .to_vec();
    let label = format!("io.x-k8s.kind.cluster={cluster}");
    let role = if name.ends_with("control-plane") { "control-plane" } else { "worker" };
    let role = format!("io.x-k8s.kind.role={role}");
    words.extend(["--label", &label, "--label", &role, "--entrypoint", "/bin/sh"].map(str::to_owned));
    for shared in ["/usr", "/bin", "/sbin", "/lib", "/lib64"] {
        words.extend(["-v".to_owned(), format!("{shared}:{shared}:ro")]);
    }
    let places = [
        ("etc", "/etc/containerd"),
        ("lib", "/var/lib/containerd"),
        ("run", "/run/containerd"),
        ("mnt", "/mnt"),
    ];
    for (place, inside) in places {
        words.extend(["-v".to_owned(), format!("{}:{inside}", directory.path().join(place).display())]);
    }
    words.extend(["node:1", "-c", command].map(str::to_owned));
    stdout_of(docker.docker(words.iter().map(String::as_str)));
    directory
}

#[test]
#[ignore = "needs root, dockerd, containerd, kind"]
fn kind() {
    let docker = Dockerd::start();
    let images = Images::new();
    let host = ("DOCKER_HOST", docker.host());
    let _nodes = nodes(&docker, "blue", &["blue-control-plane", "blue-worker"]);
    let inside =
        |name: &str, script: &str| text(&stdout_of(docker.docker(["exec", name, "sh", "-c", script])));
    let bin = Bin::new();
    // On each node: the image's own shell, in its own file system.
    let run = |name: &str| {
        let print = "for p in /nix/store/*-data; do read -r x < $p/short; echo -n \"$x \"; done; echo";
        let script = format!(
            "ctr -n k8s.io images mount --rw {} /mnt >/dev/null && chroot /mnt {SHELL} -c '{print}'; umount /mnt; \
             ctr -n k8s.io snapshots rm /mnt",
            normalised(name).unwrap()
        );
        let said = ["blue-control-plane", "blue-worker"].map(|node| inside(node, &script));
        assert_eq!(said[0], said[1]);
        said[0].clone()
    };
    let engine = UnderTest {
        to: "kind=blue",
        variables: vec![(host.0, host.1.clone()), ("PATH", bin.first())],
        run: Box::new(run),
        has_chains: false,
    };
    check(&engine);

    // kind itself loads a hybrid archive, and asks the same of the nodes' ctr as strake does. Not every machine has all the
    // capabilities that its `docker exec --privileged` asks for.
    let (log, one) = (bin.0.path().join("log"), images.conf("one", [0; DATA]));
    bin.put(
        "docker",
        &format!(
            "[ \"$2\" = --privileged ] && {{ shift 2; set -- exec \"$@\"; }}; echo \"$*\" >> {}; exec {} \"$@\"",
            log.display(), require("docker").display()),
    );
    stdout_of(images.strake(&["copy", one.to_str().unwrap(), "hybrid-archive:hybrid.tar:byhand:1"]));
    let imports = || {
        let text = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        let imports = text.lines().filter(|line| line.contains("images import"));
        let mut imports: Vec<String> =
            imports.map(|line| line.split_once(" ctr ").unwrap().1.to_owned()).collect();
        imports.sort();
        imports
    };
    let archive = images.directory.path().join("hybrid.tar");
    let mut kind =
        command(require("kind"), ["load", "image-archive", "--name", "blue", archive.to_str().unwrap()]);
    stdout_of(kind.env(host.0, &host.1).env("PATH", bin.first()).take());
    assert_eq!((engine.run)("byhand:1"), Images::printed([0; DATA]));
    let of_kind = imports();
    engine.loaded(&images, &images.conf("kinds", [0, 0, 0, 0, 9, 0]), &[]);
    let of_strake = imports();
    assert_eq!(of_kind.len(), 2);
    // The name that --digests gives besides is of no use to a pod.
    let same = |line: &String| line.replace(" --digests", "").replace("--snapshotter=", "--snapshotter ");
    let normal = |lines: &[String]| {
        lines.iter().map(|line| line.replace("--namespace=", "--namespace ")).collect::<Vec<_>>()
    };
    assert_eq!(normal(&of_strake), normal(&of_kind.iter().map(same).collect::<Vec<_>>()));

    // Unpacked layers are present, even if their blobs are not.
    let (one, three) = (images.conf("one", [0; DATA]), images.conf("three", [0, 0, 0, 0, 0, 7]));
    engine.loaded(&images, &one, &[]);
    let blobs = "for b in $(ctr -n k8s.io content ls -q 'labels.\"containerd.io/uncompressed\"'); do \
                 ctr -n k8s.io content rm $b; done";
    for node in ["blue-control-plane", "blue-worker"] {
        inside(node, blobs);
    }
    let event = engine.loaded(&images, &three, &["-t", "three:1"]);
    assert_eq!((&event["layers_sent"], &event["layers_had"]), (&2.into(), &(LAYERS - 2).into()), "{event}");
    assert_eq!((engine.run)("three:1"), Images::printed([0, 0, 0, 0, 0, 7]));

    // A node of three fails: that is said with its name, and the others have the image.
    let _broken = node(&docker, "blue", "blue-worker2", "exec sleep 1000");
    let four = images.conf("four", [0, 0, 0, 0, 0, 8]);
    let run = engine.load(&images, &four, &["-t", "four:1"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("kind node blue-worker2"), "{}", run.stderr);
    assert_eq!((engine.run)("four:1"), Images::printed([0, 0, 0, 0, 0, 8]));
    let other = UnderTest { to: "kind=green", ..engine };
    let run = other.load(&images, &four, &[]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("no kind cluster \\\"green\\\""), "{}", run.stderr);
}

/// `std::process::Command`'s builder methods return references; tests need the command.
trait Take {
    fn take(&mut self) -> Command;
}

impl Take for Command {
    fn take(&mut self) -> Command {
        std::mem::replace(self, Command::new("true"))
    }
}

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::peer::{Dockerd, require, with_stdin};
use strake_testkit::store::TestStore;
use strake_testkit::workspace;

use crate::strake::{program, stream};

/// Writes the example's archive into a directory.
fn hello(directory: &Path) -> std::path::PathBuf {
    let archive = directory.join("hello.tar");
    let example = workspace().join("examples/hello");
    let mut strake = program();
    strake
        .arg("stream")
        .arg("--store-root")
        .arg(&example)
        .arg(example.join("conf.json"))
        .arg("-o")
        .arg(&archive);
    strake.arg("--no-cache");
    stdout_of(strake);
    archive
}

const GREETING: &str = "Hello from an image that strake made.\n";

#[test]
#[ignore = "needs root, dockerd"]
fn docker_loads_and_runs() {
    let directory = tempfile::tempdir().unwrap();
    let docker = Dockerd::start();
    let said = with_stdin(docker.docker(["load"]), &hello(directory.path()));
    assert_eq!(text(&said), "Loaded image: hello:1.0\n");
    let said = stdout_of(docker.docker(["run", "--rm", "--network=none", "hello:1.0"]));
    assert_eq!(text(&said), GREETING);

    // Awkward names and a base image, and the ID is the one that strake names.
    let store = TestStore::golden(1);
    for name in ["plain", "base"] {
        let archive = directory.path().join(name);
        let run = stream(&store, &store.conf(name)).args(["--json", "-o", archive.to_str().unwrap()]).run();
        with_stdin(docker.docker(["load"]), &archive);
        let id = stdout_of(docker.docker(["image", "inspect", "--format", "{{.Id}}", "golden:latest"]));
        assert_eq!(text(&id).trim(), image_id(&run.stderr), "{name}");
    }
}

/// The image ID in the last event.
fn image_id(events: &str) -> String {
    let event = events.lines().last().expect("an event");
    let event: serde_json::Value = serde_json::from_str(event).expect("an event is JSON");
    event["image_id"].as_str().expect("the last event has the image's ID").to_owned()
}

#[test]
#[ignore = "needs root, podman, runc"]
fn podman_loads_and_runs() {
    // Beside podman's own choice of a runtime, runc: crun refuses the hybrid control groups of some machines.
    let directory = tempfile::tempdir().unwrap();
    let archive = hello(directory.path());
    let podman = |arguments: &[&str]| {
        let global = ["--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs", "--root"];
        let mut podman = command(require("podman"), global);
        podman
            .arg(directory.path().join("root"))
            .arg("--runroot")
            .arg(directory.path().join("run"))
            .args(arguments);
        text(&stdout_of(podman))
    };
    let said = podman(&["load", "-q", "-i", archive.to_str().unwrap()]);
    assert!(said.contains("hello:1.0"), "{said}");
    // Podman asks for higher limits than its own, which is not allowed everywhere.
    let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
    assert_eq!(podman(&["run", "--rm", "--network=none", limits[0], limits[1], "hello:1.0"]), GREETING);
}

#[test]
#[ignore = "needs root, skopeo, umoci"]
fn skopeo_and_umoci_see_the_same_tree() {
    let store = TestStore::golden(1);
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("image.tar");
    // The owner is one that umoci can give files to, and the times are not the default.
    let text_of_conf = fs::read_to_string(store.conf("plain")).unwrap();
    let mut conf: serde_json::Value = serde_json::from_str(&text_of_conf).unwrap();
    conf["uid"] = 1000.into();
    conf["gid"] = "100".into();
    conf["mtime"] = "2001-02-03T04:05:06+00:00".into();
    fs::write(store.conf("plain"), conf.to_string()).unwrap();
    let run = stream(&store, &store.conf("plain")).args(["-o", archive.to_str().unwrap()]).run();
    assert_eq!(run.code, Some(0), "{}", run.stderr);

    let skopeo = require("skopeo");
    let source = format!("docker-archive:{}", archive.display());
    let inspected = text(&stdout_of(command(&skopeo, ["inspect", &source])));
    assert!(inspected.contains("\"Architecture\": \"amd64\""), "{inspected}");
    let layout = directory.path().join("layout");
    let insecure = ["--insecure-policy", "copy", "-q", &source, &format!("oci:{}:image", layout.display())];
    stdout_of(command(&skopeo, insecure));
    let bundle = directory.path().join("bundle");
    let image = format!("{}:image", layout.display());
    stdout_of(command(require("umoci"), ["unpack", "--image", &image, bundle.to_str().unwrap()]));
    let mut count = 0;
    for layer in conf["store_layers"].as_array().unwrap() {
        for path in layer.as_array().unwrap() {
            let path = path.as_str().unwrap();
            same(&store.real(path), &bundle.join("rootfs").join(&path[1..]), &mut count);
        }
    }
    assert!(count > 350, "{count}");
}

/// Sees that what was unpacked is what is in the store, but for owner and time, which are the conf's.
fn same(original: &Path, unpacked: &Path, count: &mut usize) {
    let state = |path: &Path| {
        fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (a, b) = (state(original), state(unpacked));
    assert_eq!(a.mode(), b.mode(), "{}", original.display());
    assert_eq!((b.uid(), b.gid(), b.mtime()), (1000, 100, 981_173_106), "{}", original.display());
    *count += 1;
    if a.is_symlink() {
        assert_eq!(fs::read_link(original).unwrap(), fs::read_link(unpacked).unwrap());
    } else if a.is_dir() {
        let names = |path| {
            let mut names: Vec<_> =
                fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(original), names(unpacked), "{}", original.display());
        for name in names(original) {
            same(&original.join(&name), &unpacked.join(&name), count);
        }
    } else {
        assert!(fs::read(original).unwrap() == fs::read(unpacked).unwrap(), "{}", original.display());
    }
}

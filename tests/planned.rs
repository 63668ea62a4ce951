use std::fs;

use serde_json::json;
use strake_testkit::command::{stdout_of, text};
use strake_testkit::peer::{Dockerd, require, with_stdin};
use strake_testkit::store::TestStore;

use crate::nix::nix;
use crate::strake::program;

/// Shell, stat and su in one static executable, in a store with a database. Returns its store path.
pub(crate) fn busybox(store: &TestStore) -> String {
    let directory = store.root().join("busybox");
    fs::create_dir_all(directory.join("bin")).unwrap();
    fs::copy(require("busybox"), directory.join("bin/busybox")).unwrap();
    for applet in ["sh", "stat", "id", "cat", "true"] {
        std::os::unix::fs::symlink("busybox", directory.join("bin").join(applet)).unwrap();
    }
    nix(store.root(), "nix-store", &["--add", directory.to_str().unwrap()]).trim().to_owned()
}

/// Plans and streams an image, and loads it.
pub(crate) fn load(docker: &Dockerd, store: &TestStore, name: &str, arguments: &[&str]) {
    let plan = store.root().join("plan.json");
    let mut strake = program();
    strake
        .args(["plan", "--name", name, "--tag", "1", "--store-root"])
        .arg(store.root())
        .arg("-o")
        .arg(&plan);
    strake.args(arguments);
    stdout_of(strake);
    let archive = store.root().join("image.tar");
    let mut strake = program();
    strake
        .arg("stream")
        .arg(&plan)
        .arg("-o")
        .arg(&archive)
        .arg("--store-root")
        .arg(store.root())
        .arg("--no-cache");
    stdout_of(strake);
    with_stdin(docker.docker(["load"]), &archive);
}

pub(crate) fn run(docker: &Dockerd, arguments: &[&str]) -> String {
    text(&stdout_of(docker.docker([&["run", "--rm", "--network=none"], arguments].concat())))
}

#[test]
#[ignore = "needs root, dockerd, nix-store, busybox, getcap"]
fn planned_images_run_in_docker() {
    let store = TestStore::empty();
    let path = busybox(&store);
    let description = store.root().join("customisation.json");
    let customisation = json!({
        "entries": [
            { "path": "/etc/passwd", "text": "root:x:0:0::/:/bin/sh\napp:x:1000:100::/home/app:/bin/sh\n" },
            { "path": "/home/app", "directory": true },
            { "path": "/tmp", "directory": true },
            { "path": "/bin/whoever", "file": format!("{path}/bin/busybox") },
            { "path": "/bin/ping", "file": format!("{path}/bin/busybox") },
            { "path": "/lib", "symlink": "usr/lib" },
            { "path": "/lib64", "symlink": "usr/lib64" },
        ],
        "rules": [
            { "path": "/home/app", "uid": 1000, "gid": 100, "mode": "700" },
            { "path": "/tmp", "mode": "1777" },
            { "path": "/bin/whoever", "mode": "4755", "mtime": 1_234_567_890 },
            { "path": "/bin/ping", "capabilities": "cap_net_raw,cap_net_bind_service=ep" },
        ],
    });
    fs::write(&description, customisation.to_string()).unwrap();
    let docker = Dockerd::start();
    let plan = [
        path.as_str(),
        "--contents",
        &path,
        "--customisation",
        description.to_str().unwrap(),
        "--nix-database",
        "--entrypoint",
        "/bin/sh",
        "--cmd",
        "-c",
        "--cmd",
        "echo $GREETING from $(id -un) in $PWD",
        "--env",
        "GREETING=hello",
        "--user",
        "app",
        "--workdir",
        "/home/app",
        "--label",
        "org.example=yes",
        "--expose",
        "8080",
        "--volume",
        "/data",
        "--stop-signal",
        "SIGINT",
    ];
    load(&docker, &store, "planned", &plan);
    assert_eq!(run(&docker, &["planned:1"]), "hello from app in /home/app\n");
    let said =
        run(&docker, &["planned:1", "-c", "stat -c '%n %a %u:%g %Y' /home/app /tmp /bin/whoever /nix/store"]);
    let expected =
        "/home/app 700 1000:100 1\n/tmp 1777 0:0 1\n/bin/whoever 4755 0:0 1234567890\n/nix/store 755 0:0 1\n";
    assert_eq!(said, expected);
    let inspect = docker.docker(["image", "inspect", "--format", "{{json .Config}}", "planned:1"]);
    let config: serde_json::Value = serde_json::from_slice(&stdout_of(inspect)).unwrap();
    assert_eq!(config["Labels"], json!({ "org.example": "yes" }));
    assert_eq!(config["ExposedPorts"], json!({ "8080/tcp": {} }));
    assert_eq!(config["Volumes"], json!({ "/data": {} }));
    assert_eq!(config["StopSignal"], "SIGINT");

    // This machine's own programs, inside the container.
    let host =
        ["--user=0", "--volume=/usr:/usr:ro", "--env=NIX_REMOTE=local", "--env=NIX_CONF_DIR=/nonexistent"];
    let inside = |program: &str, arguments: &[&str]| {
        let entrypoint = format!("--entrypoint={}", require(program).display());
        run(&docker, &[&host[..], &[&entrypoint, "planned:1"], arguments].concat())
    };
    assert_eq!(inside("getcap", &["/bin/ping"]), "/bin/ping cap_net_bind_service,cap_net_raw=ep\n");
    assert_eq!(inside("nix-store", &["--verify", "--check-contents"]), "");
    assert_eq!(inside("nix-store", &["--query", "--requisites", &path]), format!("{path}\n"));
    assert!(!inside("nix-store", &["--gc", "--print-dead"]).contains("/nix/store/"));
}

#[test]
#[ignore = "needs root, dockerd, nix-store, busybox"]
fn on_a_base_image_with_an_owner() {
    let store = TestStore::empty();
    let path = busybox(&store);
    let base = store.root().join("base.tar");
    let mut strake = program();
    strake.args(["stream", &path, "-t", "base:1", "--env", "A=base", "--env", "B=base", "--store-root"]);
    stdout_of({
        strake.arg(store.root()).arg("-o").arg(&base).arg("--no-cache");
        strake
    });
    let docker = Dockerd::start();
    let tool = store.root().join("tool");
    fs::create_dir_all(&tool).unwrap();
    fs::write(tool.join("text"), "text of a user's\n").unwrap();
    let tool = nix(store.root(), "nix-store", &["--add", tool.to_str().unwrap()]).trim().to_owned();
    let shell = format!("{path}/bin/sh");
    let plan = [
        &tool,
        "--from",
        base.to_str().unwrap(),
        "--owner",
        "1000:100",
        "--env",
        "B=ours",
        "--entrypoint",
        // The store path joins the closure, as it stands in the config.
        &format!("[\"{shell}\", \"-c\"]"),
        "--max-layers",
        "10",
    ];
    load(&docker, &store, "above", &plan);
    let said = run(&docker, &["above:1", &format!("echo $A $B; {path}/bin/stat -c %u:%g {tool}/text")]);
    assert_eq!(said, "base ours\n1000:100\n");
    let count = docker.docker(["image", "inspect", "--format", "{{len .RootFS.Layers}}", "above:1"]);
    assert_eq!(text(&stdout_of(count)), "3\n");
}

#[test]
#[ignore = "needs nix-store, busybox"]
fn store_paths_in_place_of_a_conf() {
    let store = TestStore::empty();
    let path = busybox(&store);
    let stream = |arguments: &[&str]| {
        let mut strake = program();
        strake.args(["stream", "--no-cache", "--store-root"]).arg(store.root()).args(arguments);
        stdout_of(strake)
    };
    let plan = store.root().join("plan.json");
    let mut strake = program();
    strake.args(["plan", &path, "--contents", &path, "--store-root"]).arg(store.root()).arg("-o").arg(&plan);
    stdout_of(strake);
    let straight = stream(&[&path, "--contents", &path]);
    assert!(straight == stream(&[plan.to_str().unwrap()]));
    // A plan may be in the store, too, where its name says what it is.
    let stored = nix(store.root(), "nix-store", &["--add", plan.to_str().unwrap()]);
    assert!(stored.trim().ends_with("-plan.json"));
    assert!(straight == stream(&[stored.trim()]));
    // The tag is a hash of the plan, so it is another if anything else is.
    let tag = |archive: &[u8]| {
        let text = text(archive);
        let tag = text.split("\"busybox:").nth(1).expect("the name is the store path's").split('"').next();
        tag.unwrap().to_owned()
    };
    assert_eq!(tag(&straight).len(), 32);
    assert_ne!(tag(&straight), tag(&stream(&[&path])));
}

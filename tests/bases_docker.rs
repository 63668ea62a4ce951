use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::peer::{Dockerd, require, with_stdin};
use strake_testkit::store::TestStore;

use crate::copy::strake_ok;
use crate::planned::{busybox, load, run};

/// Metadata of an image on `base:1`: a Dockerfile's instructions, a config in a file, flags.
type Case<'a> = (&'a str, Value, &'a [&'a str]);

fn config_of(docker: &Dockerd, image: &str) -> Value {
    let inspect = docker.docker(["image", "inspect", "--format", "{{json .Config}}", image]);
    let mut config: Value = serde_json::from_slice(&stdout_of(inspect)).unwrap();
    // Which image or container it was made from; Docker writes null, or nothing, for what is empty.
    let fields = config.as_object_mut().unwrap();
    fields.retain(|key, value| !["Image", "Hostname"].contains(&key.as_str()) && !is_empty(value));
    config
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
        || value.as_str() == Some("")
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Builds an image on `base:1` with Docker's own builder, which needs no network for metadata.
fn build(docker: &Dockerd, place: &Path, name: &str, instructions: &str) {
    let dockerfile = place.join("Dockerfile");
    fs::write(&dockerfile, format!("FROM base:1\n{instructions}\n")).unwrap();
    let mut build = docker.docker(["build", "-q", "--network=none", "-t", name, "-"]);
    build.env("DOCKER_BUILDKIT", "0");
    with_stdin(build, &dockerfile);
}

#[test]
#[ignore = "needs root, dockerd, nix-store, busybox"]
fn all_is_inherited_as_docker_build_does() {
    let store = TestStore::empty();
    let path = busybox(&store);
    let file = |name: &str, value: &Value| {
        let file = store.root().join(name);
        fs::write(&file, value.to_string()).unwrap();
        file.display().to_string()
    };
    let base = file(
        "base-config.json",
        &json!({
            "Entrypoint": [format!("{path}/bin/sh"), "-c"], "Cmd": ["echo base"], "Env": ["A=base", "B=base", "PATH=/bin"],
            "Labels": { "a": "base", "b": "base" }, "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/base": {} },
            "User": "7", "WorkingDir": "/base", "StopSignal": "SIGINT", "Shell": ["/bin/base", "-c"],
            "Healthcheck": { "Test": ["CMD", "base"], "Interval": 5_000_000_000_u64, "Retries": 3 },
        }),
    );
    let docker = Dockerd::start();
    load(&docker, &store, "base", &[&path, "--config", &base]);
    let archive = store.root().join("base.tar");
    stdout_of({
        let mut save = docker.docker(["save", "base:1", "-o"]);
        save.arg(&archive);
        save
    });
    let cases: &[Case] = &[
        ("LABEL a=ours c=ours", json!({}), &["--label", "a=ours", "--label", "c=ours"]),
        ("ENTRYPOINT [\"ours\"]", json!({}), &["--entrypoint", "ours"]),
        ("CMD [\"ours\"]", json!({}), &["--cmd", "ours"]),
        (
            "ENTRYPOINT [\"a\", \"b\"]\nCMD [\"c\"]",
            json!({}),
            &["--entrypoint", "[\"a\", \"b\"]", "--cmd", "c"],
        ),
        ("CMD [\"c\"]\nENTRYPOINT [\"a\"]", json!({}), &["--entrypoint", "a", "--cmd", "c"]),
        ("ENTRYPOINT []", json!({ "Entrypoint": [] }), &[]),
        ("ENV B=ours C=ours", json!({}), &["--env", "B=ours", "--env", "C=ours"]),
        (
            "EXPOSE 80 81/udp\nVOLUME /ours",
            json!({}),
            &["--expose", "80", "--expose", "81/udp", "--volume", "/ours"],
        ),
        ("USER 8:9\nSTOPSIGNAL 9", json!({}), &["--user", "8:9", "--stop-signal", "9"]),
        ("HEALTHCHECK NONE", json!({ "Healthcheck": { "Test": ["NONE"] } }), &[]),
        ("SHELL [\"ours\"]\nONBUILD LABEL x=y", json!({ "Shell": ["ours"], "OnBuild": ["LABEL x=y"] }), &[]),
    ];
    for (number, (instructions, config, flags)) in cases.iter().enumerate() {
        let (theirs, ours) = (format!("theirs{number}"), format!("ours{number}"));
        build(&docker, store.root(), &theirs, instructions);
        let config = file("config.json", config);
        let plan = [
            &path,
            "--from",
            archive.to_str().unwrap(),
            "--inherit",
            "all",
            "--skip-base-paths",
            "--config",
            &config,
        ];
        load(&docker, &store, &ours, &[&plan[..], flags].concat());
        assert_eq!(config_of(&docker, &format!("{ours}:1")), config_of(&docker, &theirs), "{instructions}");
    }
    // Docker has not written the history that strake took over.
    let history = docker.docker(["history", "-q", "ours0:1"]);
    assert_eq!(text(&stdout_of(history)).lines().count(), 1, "all paths are the base's");
    assert_eq!(run(&docker, &["--workdir=/", "--volume=/usr:/usr:ro", "ours2:1", "echo $A"]), "base\n");
}

#[test]
#[ignore = "needs root, dockerd, nix-store, busybox, skopeo"]
fn on_layouts_of_others() {
    let store = TestStore::empty();
    let path = busybox(&store);
    let root = store.root().to_str().unwrap();
    let place = store.root();
    strake_ok(
        place,
        &[
            "copy",
            &path,
            "docker-archive:base.tar:base:1",
            "--no-cache",
            "--env",
            "A=base",
            "--store-root",
            root,
        ],
    );
    let mut skopeo = command(require("skopeo"), ["--insecure-policy", "copy", "-q"]);
    stdout_of({
        skopeo.args(["docker-archive:base.tar", "oci:base:a"]).current_dir(place);
        skopeo
    });
    fs::create_dir(place.join("tool")).unwrap();
    fs::write(place.join("tool/run"), format!("#!{path}/bin/sh\necho $A from {path}\n")).unwrap();
    stdout_of(command("chmod", ["+x".as_ref(), place.join("tool/run").as_os_str()]));
    let tool = crate::nix::nix(place, "nix-store", &["--add", place.join("tool").to_str().unwrap()]);
    let tool = tool.trim();
    let docker = Dockerd::start();
    let base = format!("oci:{root}/base");
    let program = format!("{tool}/run");
    // That nothing but the base has the shell is seen in the number of layers.
    for (flags, layers) in [(&["--skip-base-paths"][..], 2), (&[], 3)] {
        let plan = [&path, tool, "--from", &base, "--entrypoint", &program, "--strategy", "each"];
        load(&docker, &store, "above", &[&plan[..], flags].concat());
        assert_eq!(run(&docker, &["above:1"]), format!("base from {path}\n"));
        let count = docker.docker(["image", "inspect", "--format", "{{len .RootFS.Layers}}", "above:1"]);
        assert_eq!(text(&stdout_of(count)), format!("{layers}\n"));
    }
}

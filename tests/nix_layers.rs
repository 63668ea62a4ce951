use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::command::{output_of, stdout_of, text};
use strake_testkit::layer::{extract, listing};
use strake_testkit::machine::Machine;
use strake_testkit::peer::{Dockerd, with_stdin};

use crate::nix_library::{Library, docker as say};

/// The layers' store paths by their names.
fn names(conf: &Value) -> Vec<Vec<String>> {
    let name = |path: &Value| path.as_str().unwrap()["/nix/store/".len() + 33..].to_owned();
    let layer = |layer: &Value| layer.as_array().unwrap().iter().map(name).collect();
    conf["store_layers"].as_array().unwrap().iter().map(layer).collect()
}

/// strake's output for a command on the machine.
fn strake(machine: &Machine, arguments: &[&str]) -> String {
    machine.run(env!("CARGO_BIN_EXE_strake"), arguments)
}

#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn layers_by_themselves() {
    let library = Library::new();
    let conf = library.conf(&library.build("(layers \"1\").image.conf"));
    // Each path once, in the lowest layer that has it; of the rest nothing is left.
    assert_eq!(names(&conf), [&["busybox-1.35"][..], &["library"], &["app"]]);
    assert_eq!(conf["described"].as_array().unwrap().len(), 5);
    assert_eq!(conf["history"][0], json!({ "created_by": "the tests", "author": "somebody" }));
    assert_eq!(conf["history"][1], json!({ "created_by": "strake" }));

    // Nothing of the layers' bytes is in the store.
    library.build_all("with layers \"1\"; [ image image.description described ]");
    for entry in fs::read_dir(library.machine.real("/nix/store")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_small = path.is_dir() || path.metadata().unwrap().len() < 100_000;
        assert!(
            is_small && (!path.join("layer.tar").exists() || name.contains("web-customisation")),
            "{name}"
        );
    }

    // A path at the root is in the store only if something refers to it.
    let copies = library.conf(&library.build("(layers \"1\").copies"));
    assert_eq!(
        names(&copies).concat().iter().map(String::as_str).collect::<BTreeSet<_>>(),
        ["busybox-1.35", "selfish"].into()
    );
    assert_eq!(copies["customisation"].as_array().unwrap().len(), 2);

    let daemon = Dockerd::start();
    let image = library.build("(layers \"1\").image");
    let archive = library.machine.home().join("image.tar");
    fs::write(&archive, stdout_of(library.machine.command(&image, ["--verify"]))).unwrap();
    with_stdin(daemon.docker(["load"]), &archive);
    let run =
        |words: &[&str]| say(&daemon, &[&["run", "--rm", "--network=none", "by-layers:1"], words].concat());
    assert_eq!(run(&[]), "version 1");
    let stat = run(&[
        "/bin/stat",
        "-c",
        "%a %u:%g %n",
        "/home/jane/key",
        "/tmp",
        "/bin",
        "/nix/var/nix/db/db.sqlite",
    ]);
    assert_eq!(
        stat,
        "700 1000:100 /home/jane/key\n1777 0:0 /tmp\n555 0:0 /bin\n644 1000:0 /nix/var/nix/db/db.sqlite"
    );
    let history = say(&daemon, &["history", "--no-trunc", "--format", "{{.CreatedBy}}", "by-layers:1"]);
    assert!(history.lines().last().unwrap().contains("the tests"), "{history}");
}

#[test]
#[ignore = "needs root, nix-build"]
fn one_changed_path_describes_one_layer() {
    let library = Library::new();
    let first = library.log("(layers \"1\").image");
    let hashed = |log: &str| {
        log.lines()
            .filter(|line| line.contains("  hashed  "))
            .map(|line| line.split_whitespace().last().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Each layer by itself, and what is at the root with the image.
    assert_eq!(hashed(&first), ["busybox-1.35", "library", "app", "customisation", "customisation"]);
    assert_eq!(library.to_build("(layers \"1\").image"), BTreeSet::new());

    let names = library.to_build("(layers \"2\").image");
    assert!(names.iter().filter(|name| *name == "layer-conf.json").count() == 1, "{names:?}");
    let second = library.log("(layers \"2\").image");
    assert_eq!(hashed(&second), ["app", "customisation", "customisation"]);
    let cached = second.lines().filter(|line| line.contains("  cached  ")).count();
    assert_eq!(cached, 3, "{second}");

    // Without a description there is none until it is asked for, and what layers know of themselves is in it.
    let log = library.log("(layers \"2\").web");
    assert_eq!(hashed(&log), [] as [&str; 0]);
    let log = library.log("(layers \"2\").web.description");
    assert!(!hashed(&log).iter().any(|name| name.starts_with("busybox")), "{log}");
    // The same for planned layers, where the description of an earlier version was kept: what did not change is known.
    let kept = library.machine.home().join("description.json");
    let first = library.build("(layers \"1\").worker.description");
    fs::copy(library.machine.real(first), &kept).unwrap();
    let log = library.log(&format!("((layers \"2\").after {}).description", kept.display()));
    assert_eq!(hashed(&log), ["app", "customisation"]);
    // It is right.
    let conf = library.build("(layers \"2\").described.conf");
    assert!(strake(&library.machine, &["verify", &conf]).starts_with("OK: "));
}

#[test]
#[ignore = "needs root, nix-build"]
fn who_has_the_description_needs_no_layer() {
    let library = Library::new();
    for image in
        ["(layers \"1\").image", "examples.fakeRoot", "examples.declared", "examples.childLayered.stream"]
    {
        let description = library.build(&format!("({image}).description"));
        let references = library.machine.run("nix-store", ["--query", "--references", &description]);
        assert_eq!(references, "");
        let layout = library.machine.home().join("layout");
        let there = format!("oci:{}", layout.display());
        let conf = library.build(&format!("({image}).conf"));
        strake(&library.machine, &["copy", &conf, &format!("{there}:first")]);

        // Another machine gets just that one path.
        let other = Machine::new();
        let export = stdout_of(library.machine.command("nix-store", ["--export", &description]));
        let file = other.home().join("export");
        fs::write(&file, export).unwrap();
        with_stdin(other.command("nix-store", ["--import"]), &file);
        let paths = fs::read_dir(other.real("/nix/store")).unwrap();
        let paths: Vec<_> =
            paths.map(|entry| entry.unwrap().file_name()).filter(|name| name != ".links").collect();
        assert_eq!(paths.len(), 1, "{paths:?}");

        // Existing layers are not requested; the image is the same.
        strake(&other, &["copy", &description, &format!("{there}:second")]);
        let inspect = |name: &str| strake(&other, &["inspect", "--json", &format!("{there}:{name}")]);
        let id = |name: &str| serde_json::from_str::<Value>(&inspect(name)).unwrap()["image_id"].clone();
        assert_eq!(id("first"), id("second"));
        assert!(strake(&other, &["inspect", &description]).contains("busybox"));
        // Absent layers cannot be written.
        let empty = other.home().join("empty");
        let arguments = ["copy", &description, &format!("oci:{}", empty.display())];
        let output = output_of(&mut other.command(env!("CARGO_BIN_EXE_strake"), arguments));
        let said = text(&output.stderr);
        assert!(
            output.status.code() == Some(1) && said.contains("is not there, and the image's layer"),
            "{said}"
        );
        fs::remove_dir_all(layout).unwrap();
    }
}

/// A description is believed until a layer is written, and no longer.
#[test]
#[ignore = "needs root, nix-build"]
fn a_description_that_lies() {
    let library = Library::new();
    let mut conf = library.conf(&library.build("(layers \"1\").image.conf"));
    conf["described"][0]["diff_id"] = conf["described"][1]["diff_id"].clone();
    let file = library.machine.home().join("conf.json");
    let write = |conf: &Value| fs::write(&file, conf.to_string()).unwrap();
    write(&conf);
    let said = |arguments: &[&str]| {
        let output = output_of(&mut library.machine.command(env!("CARGO_BIN_EXE_strake"), arguments));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        text(&output.stderr) + &text(&output.stdout)
    };
    let name = file.to_str().unwrap();
    for arguments in [&["stream", name, "-o", "x.tar"][..], &["copy", name, "oci:x"], &["verify", name]] {
        let said = said(arguments);
        assert!(said.contains("busybox") && said.contains("has the digest"), "{arguments:?}: {said}");
    }
    assert!(!library.machine.home().join("x.tar").exists());
    conf["described"].as_array_mut().unwrap().pop();
    write(&conf);
    assert!(said(&["inspect", name]).contains("speaks of 4 layers, and the image has 5"));
}

#[test]
#[ignore = "needs root, nix-build"]
fn locks_and_fleets() {
    let library = Library::new();
    let update = library.build("(layers \"1\").worker.updateLock");
    let lock = library.machine.home().join("layers.lock");
    library.machine.run(&format!("{update}/bin/update-lock"), [lock.to_str().unwrap()]);
    let layers = |conf: &str| library.conf(&library.build(conf))["store_layers"].clone();
    let written: Value = serde_json::from_slice(&fs::read(&lock).unwrap()).unwrap();
    assert_eq!(written["layers"], layers("(layers \"1\").worker.conf"));
    // The lock counts, also where another plan would be made: here everything is in two layers.
    let all: Vec<&Value> =
        written["layers"].as_array().unwrap().iter().flat_map(|layer| layer.as_array().unwrap()).collect();
    let mut pair = [all[0].as_str(), all[2].as_str()];
    pair.sort_unstable_by_key(|path| path.unwrap().split_once('-').unwrap().1);
    let other = json!([pair, [all[1]]]);
    let text = json!({ "version": 1, "planner": 1, "maxLayers": 100, "layers": other });
    fs::write(&lock, text.to_string()).unwrap();
    let locked = layers(&format!("((layers \"1\").locked {}).conf", lock.display()));
    assert_eq!(locked, other);

    let [web, worker] = ["web", "worker"].map(|name| {
        let layers = layers(&format!("(layers \"1\").both.{name}.conf"));
        layers.as_array().unwrap().iter().map(ToString::to_string).collect::<BTreeSet<_>>()
    });
    // All that the smaller one has is in layers of the larger one.
    assert!(worker.is_subset(&web), "{worker:#?} {web:#?}");
}

/// The programs that images have, for `nix run`.
#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn what_can_be_done_with_an_image() {
    let library = Library::new();
    let image = "examples.helloOnRoot";
    let program = |name: &str| {
        let built = library.build(&format!("{image}.{name}"));
        let main = library.string(&format!("{image}.{name}.meta.mainProgram"));
        format!("{built}/bin/{main}")
    };
    let inspected = library.machine.run(&program("inspect"), [] as [&str; 0]);
    assert!(inspected.contains("hello-2.12") && inspected.contains("hello:latest"), "{inspected}");
    let streamed = stdout_of(library.machine.command(program("stream"), ["--quiet", "-t", "other:1"]));
    assert!(listing(&extract(&streamed, -1)).iter().any(|line| line.contains("./bin/hello")));
    let layout = library.machine.home().join("layout");
    library.machine.run(&program("copyTo"), [format!("oci:{}:one", layout.display()), "--quiet".to_owned()]);
    assert!(layout.join("index.json").exists());
    let usage = output_of(&mut library.machine.command(program("push"), ["oci:x"]));
    assert_eq!(usage.status.code(), Some(2));
    assert!(text(&usage.stderr).contains("usage: push docker://"));

    let daemon = Dockerd::start();
    let mut load = library.machine.command(program("load"), ["--quiet"]);
    load.env("DOCKER_HOST", daemon.host());
    stdout_of(load);
    assert_eq!(say(&daemon, &["run", "--rm", "--network=none", "hello:latest"]), "Hello, world!");
    assert!(Path::new(&library.machine.home()).is_absolute());
}

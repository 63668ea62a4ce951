use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use strake_plan::closure::NarHash;
use strake_testkit::command::{output_of, stdout_of};
use strake_testkit::store::TestStore;
use strake_testkit::workspace;

use crate::strake::{Ran, program, ran};

/// A graph of 314 store paths.
fn debian() -> String {
    workspace().join("tests/golden/graph-debian.json").display().to_string()
}

fn graph() -> Vec<Value> {
    serde_json::from_slice(&fs::read(debian()).unwrap()).unwrap()
}

/// The name of a path of the graph.
fn path(name: &str) -> String {
    let graph = graph();
    let paths = graph.iter().map(|row| row["path"].as_str().unwrap());
    paths.filter(|path| path.split_once('-').unwrap().1.starts_with(name)).min().unwrap().to_owned()
}

fn plan(arguments: &[&str]) -> Value {
    let mut strake = program();
    strake.arg("plan").args(arguments);
    serde_json::from_slice(&stdout_of(strake)).unwrap()
}

fn refused(arguments: &[&str]) -> Ran {
    let mut strake = program();
    strake.arg("plan").args(arguments);
    ran(output_of(&mut strake))
}

fn paths(plan: &Value) -> Vec<String> {
    let layers = plan["store_layers"].as_array().unwrap().iter().flat_map(|layer| layer.as_array().unwrap());
    let mut paths: Vec<String> = layers.map(|path| path.as_str().unwrap().to_owned()).collect();
    paths.sort();
    paths
}

#[test]
fn all_of_a_graph_or_what_is_needed() {
    let all = plan(&["--graph", &debian(), "--name", "all"]);
    assert_eq!(paths(&all).len(), graph().len());
    assert_eq!(all["store_layers"].as_array().unwrap().len(), 100);
    assert_eq!(all["closure"].as_array().unwrap().len(), graph().len());
    let (name, tag) = all["repo_tag"].as_str().unwrap().split_once(':').unwrap();
    assert_eq!((name, tag.len()), ("all", 32));

    let libc = path("libc6-");
    let some = plan(&[&libc, "--graph", &debian()]);
    assert!(paths(&some).contains(&libc) && paths(&some).len() < 10);
    assert!(some["repo_tag"].as_str().unwrap().starts_with("libc6-"));
    for entry in some["closure"].as_array().unwrap() {
        let row = graph().into_iter().find(|row| row["path"] == entry["path"]).unwrap();
        // However it is spelled.
        let hash = |value: &Value| NarHash::parse(value["narHash"].as_str().unwrap()).unwrap();
        assert_eq!((hash(&row), &row["narSize"]), (hash(entry), &entry["narSize"]));
        let sorted = |value: &Value| {
            let mut names: Vec<String> = serde_json::from_value(value.clone()).unwrap();
            names.sort();
            names
        };
        assert_eq!(sorted(&row["references"]), sorted(&entry["references"]));
    }
    // The same plan, the same text.
    assert_eq!(some, plan(&[&libc, "--graph", &debian()]));
}

#[test]
fn store_paths_join_wherever_they_are_named() {
    let (libc, perl, zlib) = (path("libc6-"), path("perl-base"), path("zlib1g-"));
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, value: Value| {
        fs::write(place.path().join(name), value.to_string()).unwrap();
        place.path().join(name).display().to_string()
    };
    let config = file(
        "config",
        json!({ "Env": [format!("PATH={perl}/bin:/bin")], "Labels": { format!("x{zlib}"): "" } }),
    );
    let customisation =
        file("customisation", json!({ "entries": [{ "path": "/lib", "symlink": format!("{libc}/lib") }] }));
    let plan = plan(&["--graph", &debian(), &libc, "--config", &config, "--customisation", &customisation]);
    for wanted in [libc, perl, zlib] {
        assert!(paths(&plan).contains(&wanted), "{wanted}");
    }
    let unknown = file("unknown", json!({ "Cmd": ["/nix/store/00000000000000000000000000000000-x/bin/x"] }));
    refused(&["--graph", &debian(), "--name", "x", "--config", &unknown]).failed(&[
        "/nix/store/00000000000000000000000000000000-x is wanted",
        "not in the references graph",
        "hint:",
    ]);
}

#[test]
fn what_a_container_runs() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config.json");
    let config = json!({
        "Cmd": ["old"], "Env": ["A=file", "B=file"], "Labels": null, "User": "file", "Healthcheck": { "Test": ["NONE"] },
    });
    fs::write(&file, config.to_string()).unwrap();
    let arguments = [
        "--graph",
        &debian(),
        "--name",
        "x",
        "--no-store-paths",
        "--config",
        file.to_str().unwrap(),
        "--entrypoint",
        "/bin/sh",
        "--entrypoint",
        "-c",
        "--cmd",
        "[\"a\", \"b c\"]",
        "-e",
        "A=flag",
        "--env",
        "C=D=E",
        "--label",
        "l=",
        "--user",
        "1:2",
        "--workdir",
        "/w",
        "--expose",
        "80",
        "--expose",
        "53/udp",
        "--volume",
        "/data",
        "--stop-signal",
        "9",
    ];
    let found = plan(&arguments);
    assert_eq!(
        found["config"],
        json!({
            "Cmd": ["a", "b c"], "Env": ["B=file", "A=flag", "C=D=E"], "Labels": { "l": "" }, "User": "1:2",
            "Healthcheck": { "Test": ["NONE"] }, "Entrypoint": ["/bin/sh", "-c"], "WorkingDir": "/w", "StopSignal": "9",
            "ExposedPorts": { "80/tcp": {}, "53/udp": {} }, "Volumes": { "/data": {} },
        })
    );
    assert_eq!(found["store_layers"], json!([]));
    assert!(found.get("closure").is_none());
    for (flag, value, words) in [
        ("--config", "/nonexistent", "No such file"),
        ("--customisation", file.to_str().unwrap(), "unknown field `Cmd`"),
        ("--contents", "/etc", "the contents /etc are not in the store"),
        ("--from", "/etc/passwd", "the base image /etc/passwd"),
    ] {
        refused(&["--graph", &debian(), "--name", "x", flag, value]).failed(&[words]);
    }
    fs::write(&file, r#"{"Env": {}}"#).unwrap();
    refused(&["--graph", &debian(), "--name", "x", "--config", file.to_str().unwrap(), "-e", "A=b"])
        .failed(&["the config's Env must be a list"]);
    fs::write(&file, "[]").unwrap();
    refused(&["--graph", &debian(), "--name", "x", "--config", file.to_str().unwrap()])
        .failed(&["is not a JSON object"]);
}

#[test]
fn the_other_settings() {
    let found = plan(&[
        "--graph",
        &debian(),
        "--name",
        "x",
        "--tag",
        "7",
        "--arch",
        "arm64",
        "--created",
        "now",
        "--mtime",
        "2001-02-03",
        "--owner",
        "5:6",
        "--strategy",
        "one",
        "--root",
        ".",
    ]);
    for (key, value) in [
        ("repo_tag", json!("x:7")),
        ("architecture", json!("arm64")),
        ("created", json!("now")),
        ("mtime", json!("2001-02-03")),
        ("uid", json!(5)),
        ("gid", json!(6)),
        ("uname", json!("")),
        ("from_image", json!(null)),
    ] {
        assert_eq!(found[key], value, "{key}");
    }
    assert_eq!(found["store_layers"].as_array().unwrap().len(), 1);
    assert!(PathBuf::from(found["customisation"]["root"].as_str().unwrap()).is_absolute());
}

#[test]
fn how_many_layers_are_left() {
    let count = |arguments: &[&str]| {
        let plan = plan(&[&["--graph", &debian(), "--name", "x"], arguments].concat());
        plan["store_layers"].as_array().unwrap().len()
    };
    let place = tempfile::tempdir().unwrap();
    let root = place.path().to_str().unwrap();
    assert_eq!(count(&["--max-layers", "10"]), 10);
    assert_eq!(count(&["--max-layers", "10", "--root", root]), 9);
    // A base image of two layers.
    let store = TestStore::golden(1);
    let base = store.root().join("base.tar");
    let mut strake = program();
    strake.args(["stream", "--no-cache", "-q", "-o"]).arg(&base).arg("--store-root").arg(store.root());
    strake.arg(store.conf("plain"));
    stdout_of(strake);
    let plain: Value = serde_json::from_slice(&fs::read(store.conf("plain")).unwrap()).unwrap();
    let layers = plain["store_layers"].as_array().unwrap().len() + 1;
    let base = base.to_str().unwrap();
    assert_eq!(count(&["--max-layers", "40", "--from", base, "--root", root]), 40 - layers - 1);
    let arguments = ["--graph", &debian(), "--name", "x", "--root", root, "--from", base, "--max-layers"];
    let refused_with = |max: &str, words: &[&str]| refused(&[&arguments[..], &[max]].concat()).failed(words);
    refused_with(&(layers + 1).to_string(), &["none is left for store paths", "hint: set --max-layers"]);
    refused(&[&arguments[..], &["126"]].concat()).refused(&["invalid value '126' for '--max-layers <N>'"]);
    let pipeline = place.path().join("pipeline.json");
    fs::write(&pipeline, r#"[["popularity_contest"]]"#).unwrap();
    refused(&["--graph", &debian(), "--name", "x", "--pipeline", pipeline.to_str().unwrap()]).failed(&[
        "314 layers",
        "Docker takes 125",
        "limit_layers",
    ]);
}

#[test]
fn a_conf_takes_no_flags_of_a_plan() {
    let store = TestStore::golden(1);
    let mut strake = program();
    strake.arg("stream").arg(store.conf("plain")).args(["--name", "x"]);
    ran(output_of(&mut strake)).refused(&["is a conf, which has been planned", "hint:"]);
    refused(&[]).failed(&["the image has no name", "--name"]);
    refused(&["/etc/passwd", "--name", "x"]).failed(&["/etc/passwd is not a store path", "hint:"]);
}

#[test]
fn confs_that_others_have_begun() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, conf: &serde_json::Value| {
        let file = place.path().join(name);
        std::fs::write(&file, conf.to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let begun = serde_json::json!({
        "architecture": "amd64", "config": {}, "os": "linux", "store_dir": "/nix/store", "from_image": null,
        "repo_tag": "x", "created": "now", "mtime": "now", "uid": 0, "gid": 0, "uname": "root", "gname": "root",
    });
    let conf = write("conf.json", &begun);
    let complete = |arguments: &[&str]| {
        let mut strake = program();
        strake.args(["plan", "--conf"]).args(arguments);
        ran(output_of(&mut strake))
    };
    let planned = |arguments: &[&str]| -> serde_json::Value {
        let ran = complete(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        serde_json::from_slice(&ran.stdout).unwrap()
    };
    let graph = debian();
    // Without a graph there are no store paths; a tag is a hash of the rest.
    let empty = planned(&[&conf, "--mtime", "2001-01-01"]);
    assert_eq!((&empty["store_layers"], &empty["mtime"]), (&serde_json::json!([]), &"2001-01-01".into()));
    assert_eq!(empty["repo_tag"].as_str().unwrap().len(), "x:".len() + 32);
    let all = planned(&[&conf, "--graph", &graph, "--strategy", "one", "--tag", "1"]);
    assert_eq!(all["repo_tag"], "x:1");
    let paths = all["store_layers"][0].as_array().unwrap();
    assert_eq!(all["closure"].as_array().unwrap().len(), paths.len());

    // The lower layers are below, once; the rest is above.
    let below = |number: usize| {
        let mut below = all.clone();
        below["store_layers"] = serde_json::json!([&paths[..number]]);
        below["history"] = serde_json::json!([{ "author": number.to_string() }]);
        below["customisation"] = serde_json::json!({});
        write(&format!("below-{number}.json"), &below)
    };
    let arguments = ["--graph", &graph, "--strategy", "one", "--below", &below(3), "--below", &below(5)];
    let above = planned(&[&[conf.as_str()][..], &arguments].concat());
    let lengths: Vec<usize> = above["store_layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer.as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [3, 2, paths.len() - 5]);
    let authors: Vec<_> = above["history"].as_array().unwrap().iter().map(|entry| &entry["author"]).collect();
    assert_eq!(authors, [&"3".into(), &"5".into(), &serde_json::Value::Null]);
    let rest = planned(&[&conf, "--graph", &graph, "--strategy", "one", "--without", &below(5)]);
    assert_eq!(rest["store_layers"][0].as_array().unwrap().len(), paths.len() - 5);

    for (arguments, words) in [
        (&[graph.as_str()][..], &["is not a conf"][..]),
        (&["/nonexistent"], &["/nonexistent"]),
        (
            &[&conf, "--graph", &graph, "--max-layers", "1", "--below", &below(2)],
            &["none is left for store paths"],
        ),
        (&[&conf, "--below", &graph], &["is not a conf"]),
    ] {
        complete(arguments).failed(words);
    }
    // Settings of a conf cannot be repeated on the command line.
    assert_eq!(complete(&[&conf, "--name", "y"]).code, Some(2));
    let packed = serde_json::json!({ "customisation_layer": "/nix/store/aaa-layer" });
    let mut on_top = begun.as_object().unwrap().clone();
    on_top.extend(packed.as_object().unwrap().clone());
    let on_top = write("packed.json", &on_top.into());
    let mut files = all;
    files["customisation"] = serde_json::json!({ "entries": [{ "path": "/x", "text": "" }] });
    complete(&[&on_top, "--below", &write("files.json", &files)]).failed(&["packed customisation layer"]);
}

#[test]
fn a_file_appears_when_it_is_whole() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("plan.json");
    refused(&["--graph", "/nonexistent", "-o", file.to_str().unwrap()]).failed(&["/nonexistent"]);
    assert!(!file.exists());
    refused(&["--graph", &debian(), "--name", "x", "-o", "/nonexistent/plan.json"]).failed(&["cannot write"]);
}

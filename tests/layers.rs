use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};
use strake_testkit::command::{output_of, stdout_of, text};
use strake_testkit::workspace;

use crate::strake::{Ran, program, ran};

/// Path of a graph that the golden data have layers for.
fn golden(name: &str) -> String {
    workspace().join("tests/golden").join(name).display().to_string()
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&fs::read(golden(name)).unwrap()).unwrap()
}

fn layers(arguments: &[&str]) -> String {
    let mut strake = program();
    strake.arg("layers").args(arguments);
    text(&stdout_of(strake))
}

fn refused(arguments: &[&str]) -> Ran {
    let mut strake = program();
    strake.arg("layers").args(arguments);
    ran(output_of(&mut strake))
}

#[test]
fn in_place_of_closure_graph() {
    for name in ["example", "debian"] {
        let graph = golden(&format!("graph-{name}.json"));
        let expected = &json_of(&format!("layers-{name}.json"))["popularity"]["order"];
        let expected: Vec<&str> =
            expected.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
        let lines = layers(&[&graph, "--strategy", "popularity", "--format", "lines"]);
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
        // As closure-graph.py is called: an object, and the list's key.
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("attrs.json");
        let object = json!({ "graph": json_of(&format!("graph-{name}.json")), "other": [], "n": 1 });
        fs::write(&file, object.to_string()).unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(layers(&[file, "--key", "graph", "--strategy", "popularity", "--format", "lines"]), lines);
    }
}

#[test]
fn in_place_of_auto_layer() {
    let expected = json_of("layers-debian.json");
    for (limit, expected) in expected["auto_layer"].as_object().unwrap() {
        let found = layers(&[&golden("graph-debian.json"), "--strategy", "auto", "--max-layers", limit]);
        assert_eq!(&serde_json::from_str::<Value>(&found).unwrap(), expected, "{limit}");
    }
    let ignoring = &expected["auto_layer_ignoring"];
    let limit = ignoring["limit"].to_string();
    let mut arguments = vec!["--strategy", "auto", "--max-layers", &limit];
    for path in ignoring["ignored"].as_array().unwrap() {
        arguments.extend(["--exclude", path.as_str().unwrap()]);
    }
    let graph = golden("graph-debian.json");
    arguments.push(&graph);
    assert_eq!(serde_json::from_str::<Value>(&layers(&arguments)).unwrap(), ignoring["layers"]);
}

#[test]
fn a_pipeline_on_stdin() {
    let all = json_of("layers-debian.json");
    for (name, case) in all["pipelines"].as_object().unwrap() {
        let mut strake = program();
        strake.args(["layers", &golden("graph-debian.json"), "--pipeline", "-"]).stdin(Stdio::piped());
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("pipeline"), case["pipeline"].to_string()).unwrap();
        strake.stdin(fs::File::open(place.path().join("pipeline")).unwrap());
        let found: Value = serde_json::from_slice(&stdout_of(strake)).unwrap();
        assert_eq!(found, case["layers"], "{name}");
    }
}

#[test]
fn a_table_for_people() {
    let table = layers(&[&golden("graph-example.json"), "--max-layers", "3", "--format", "table"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert!(lines[0].contains("size") && lines[4].trim_start().starts_with("all"), "{table}");
    let graph = json_of("graph-example.json");
    let count = graph.as_array().unwrap().len().to_string();
    assert!(lines[4].trim_end().ends_with(&count), "{table}");
}

#[test]
fn a_lock_keeps_layers() {
    let place = tempfile::tempdir().unwrap();
    let lock = place.path().join("layers.lock");
    let lock = lock.to_str().unwrap();
    let graph = golden("graph-debian.json");
    refused(&[&graph, "--lock", lock]).failed(&["layers.lock", "No such file"]);
    let planned = layers(&[&graph, "--max-layers", "40", "--lock", lock, "--update-lock"]);
    let written: Value = serde_json::from_slice(&fs::read(lock).unwrap()).unwrap();
    assert_eq!(written["layers"], serde_json::from_str::<Value>(&planned).unwrap());
    assert_eq!(
        (&written["version"], &written["planner"], &written["maxLayers"]),
        (&json!(1), &json!(1), &json!(40))
    );
    assert_eq!(layers(&[&graph, "--max-layers", "40", "--lock", lock]), planned);
    // A path less: only its layer, and those that are merged in its place, may go.
    let mut less = json_of("graph-debian.json");
    let paths = less.as_array_mut().unwrap();
    let top = paths
        .iter()
        .position(|path| {
            let name = &path["path"];
            paths
                .iter()
                .all(|user| user["path"] == *name || !user["references"].as_array().unwrap().contains(name))
        })
        .unwrap();
    let gone = paths.remove(top)["path"].as_str().unwrap().to_owned();
    let file = place.path().join("less.json");
    fs::write(&file, less.to_string()).unwrap();
    let locked = layers(&[file.to_str().unwrap(), "--max-layers", "40", "--lock", lock]);
    let lists = |text: &str| -> Vec<Vec<String>> { serde_json::from_str(text).unwrap() };
    let kept = lists(&planned).into_iter().filter(|layer| !layer.contains(&gone));
    let found = lists(&locked);
    assert!(kept.into_iter().all(|layer| found.contains(&layer)));
    assert!(!locked.contains(&gone));
    fs::write(lock, "{\"version\":9,\"planner\":1}").unwrap();
    refused(&[&graph, "--lock", lock]).failed(&["layers.lock has version 9", "hint:"]);
    refused(&[&graph, "--lock", lock, "--strategy", "one"]).refused(&["--lock", "strategy cost"]);
}

#[test]
fn a_fleet_shares() {
    let (example, debian) = (golden("graph-example.json"), golden("graph-debian.json"));
    let place = tempfile::tempdir().unwrap();
    let lock = place.path().join("fleet.lock");
    let lock = lock.to_str().unwrap();
    let plans =
        layers(&["--fleet", "--max-layers", "20", &example, &debian, "--lock", lock, "--update-lock"]);
    let value: Value = serde_json::from_str(&plans).unwrap();
    assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), [&example, &debian]);
    assert!(value[&debian].as_array().unwrap().len() <= 20);
    assert_eq!(layers(&["--fleet", "--max-layers", "20", &example, &debian, "--lock", lock]), plans);
}

#[test]
fn overrides() {
    let graph = golden("graph-debian.json");
    let all = json_of("graph-debian.json");
    let path = |index: usize| all[index]["path"].as_str().unwrap().to_owned();
    let pair = format!("{},{}", path(3), path(40));
    let place = tempfile::tempdir().unwrap();
    let rates = place.path().join("rates.json");
    fs::write(&rates, r#"{"libc6": 50, "perl": 3}"#).unwrap();
    let rates = rates.to_str().unwrap();
    let plain = layers(&[&graph, "--max-layers", "30"]);
    let found = layers(&[
        &graph,
        "--max-layers",
        "30",
        "--isolate",
        &pair,
        "--isolate",
        &path(7),
        "--volatile",
        &path(9),
        "--rates",
        rates,
    ]);
    assert_ne!(plain, found);
    let found: Vec<Vec<String>> = serde_json::from_str(&found).unwrap();
    assert_eq!(found.len(), 30);
    let has = |wanted: &[String]| {
        found
            .iter()
            .any(|layer| layer.len() == wanted.len() && wanted.iter().all(|path| layer.contains(path)))
    };
    assert!(has(&[path(3), path(40)]) && has(&[path(7)]));
    refused(&[&graph, "--isolate", "/nix/store/x-y"]).failed(&["/nix/store/x-y is not in the closure"]);
    refused(&[&graph, "--isolate", &path(3), "--isolate", &pair]).failed(&[&path(3), "isolated twice"]);
    refused(&[&graph, "--max-layers", "1", "--isolate", &path(3)]).failed(&["leave no room"]);
    fs::write(place.path().join("rates.json"), r#"{"libc6": -1}"#).unwrap();
    refused(&[&graph, "--rates", rates]).failed(&["rates.json is no table of rates"]);
}

#[test]
fn what_is_wrong_is_said() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("graph.json");
    let check = |text: &str, arguments: &[&str], words: &[&str]| {
        fs::write(&file, text).unwrap();
        refused(&[&[file.to_str().unwrap()], arguments].concat()).failed(words);
    };
    check(
        "nonsense",
        &[],
        &["graph.json is not a references graph", "hint: it must be what exportReferencesGraph"],
    );
    check(
        "{\"a\": [], \"b\": []}",
        &[],
        &["has 2 references graphs: a, b", "hint: say which one with --key"],
    );
    check("[]", &["--pipeline", "/nonexistent"], &["/nonexistent"]);
    let pipeline = place.path().join("pipeline.json");
    fs::write(&pipeline, r#"[["popularity_contest"], ["limit_layer", 3]]"#).unwrap();
    check(
        "[]",
        &["--pipeline", pipeline.to_str().unwrap()],
        &["pipeline.json", "step 2", "limit_layer", "hint:"],
    );
    refused(&["/nonexistent.json"]).failed(&["/nonexistent.json", "No such file"]);
    let mut strake = program();
    strake.args(["layers", &golden("graph-debian.json"), "--max-layers", "0"]);
    assert_eq!(output_of(&mut strake).status.code(), Some(2));
}

//! What nixpkgs' own programs say for the same closures (tests/golden): popularity, auto-layer, layering pipelines.

use std::fs;

use serde_json::Value;
use strake_plan::closure::Closure;
use strake_plan::graph::{Node, NodeSet};
use strake_plan::layering::{Group, auto, pipeline, popularity, popularity_counts, popularity_order};

fn read(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../../tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Each closure with what is known of its layers.
fn cases() -> impl Iterator<Item = (Closure, Value)> {
    ["example", "debian"].into_iter().map(|name| {
        let closure = Closure::parse(&read(&format!("graph-{name}")), None).unwrap();
        (closure, serde_json::from_slice(&read(&format!("layers-{name}"))).unwrap())
    })
}

fn nodes(closure: &Closure, paths: &Value) -> Vec<Node> {
    let node = |path: &Value| closure.node(path.as_str().unwrap()).unwrap();
    paths.as_array().unwrap().iter().map(node).collect()
}

/// Layers as they stand in the golden data.
fn layers(closure: &Closure, layers: &Value) -> Vec<Group> {
    layers.as_array().unwrap().iter().map(|layer| nodes(closure, layer)).collect()
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let object = object.as_object().unwrap();
    assert!(!object.is_empty());
    object.iter()
}

#[test]
fn popularity_is_closure_graphs() {
    for (closure, expected) in cases() {
        let counts = popularity_counts(&closure);
        assert_eq!(entries(&expected["popularity"]["counts"]).count(), closure.len());
        for (path, count) in entries(&expected["popularity"]["counts"]) {
            let node = closure.node(path).unwrap();
            assert_eq!(counts[node as usize].to_string(), count.to_string(), "{path}");
        }
        let order = nodes(&closure, &expected["popularity"]["order"]);
        assert_eq!(popularity_order(&closure), order);
        for max_layers in [1, 2, 5, 100, 1000] {
            let (single, rest) = order.split_at(order.len().min(max_layers - 1));
            let mut groups: Vec<Group> = single.iter().map(|&node| vec![node]).collect();
            groups.extend((!rest.is_empty()).then(|| rest.to_vec()));
            assert_eq!(popularity(&closure, max_layers), groups);
        }
    }
}

#[test]
fn auto_is_auto_layers() {
    for (closure, expected) in cases() {
        let none = NodeSet::new(closure.len());
        for (max_layers, expected) in entries(&expected["auto_layer"]) {
            let groups = auto(&closure, max_layers.parse().unwrap(), &none);
            assert_eq!(groups, layers(&closure, expected), "{max_layers} layers");
        }
        let ignoring = &expected["auto_layer_ignoring"];
        let mut ignored = none;
        for node in nodes(&closure, &ignoring["ignored"]) {
            ignored.insert(node);
        }
        let max_layers = ignoring["limit"].as_u64().unwrap() as usize;
        assert_eq!(auto(&closure, max_layers, &ignored), layers(&closure, &ignoring["layers"]));
    }
}

#[test]
fn pipelines_are_flatten_references_graphs() {
    for (closure, expected) in cases() {
        for (name, case) in entries(&expected["pipelines"]) {
            let pipeline = pipeline::parse(case["pipeline"].to_string().as_bytes()).unwrap();
            let groups = pipeline.run(&closure);
            match case.get("layers") {
                Some(expected) => assert_eq!(groups.unwrap(), layers(&closure, expected), "{name}"),
                // The original ended in an error.
                None => assert!(groups.is_err(), "{name}"),
            }
        }
    }
}

#[test]
fn nothing_else_is_in_the_golden_data() {
    for (_, expected) in cases() {
        let keys: Vec<&String> = entries(&expected).map(|(key, _)| key).collect();
        assert_eq!(keys, ["popularity", "auto_layer", "auto_layer_ignoring", "pipelines"]);
    }
}

//! The strategy `cost`: against its reference implementation, and what must hold of it for any closure.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::Value;
use strake_plan::closure::{Closure, Row};
use strake_plan::graph::Node;
use strake_plan::layering::{CostError, CostOptions, Group, cost, fleet};
use strake_plan::store_path::StoreDir;
use strake_testkit::closure::{distinct, rehashed, rows};

/// Graphs of images over time, with the layers that the reference (Python, 2026) gives.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/layering");

fn read(name: &str) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(File::open(format!("{DIRECTORY}/{name}")).unwrap()).read_to_end(&mut text).unwrap();
    text
}

fn graph(name: &str) -> Closure {
    Closure::parse(&read(name), None).unwrap()
}

fn expected() -> Value {
    serde_json::from_slice(&read("expected.json.gz")).unwrap()
}

/// Layers as lists of numbers: a path's place in the order of whole names is its node.
fn layers(value: &Value) -> Vec<Group> {
    serde_json::from_value(value.clone()).unwrap()
}

fn named(closure: &Closure, groups: &[Group]) -> Vec<Vec<String>> {
    let name = |&node: &u32| closure.path(node).path.to_string();
    groups.iter().map(|group| group.iter().map(name).collect()).collect()
}

fn path(closure: &Closure, node: Node) -> String {
    closure.path(node).path.to_string()
}

fn plan(closure: &Closure, max_layers: usize) -> Vec<Group> {
    cost(closure, max_layers, &CostOptions::default()).unwrap()
}

fn after(closure: &Closure, max_layers: usize, previous: Vec<Vec<String>>) -> Vec<Group> {
    let options = CostOptions { previous: Some(previous), ..CostOptions::default() };
    cost(closure, max_layers, &options).unwrap()
}

#[test]
fn like_the_reference() {
    let expected = expected();
    let index: Value =
        serde_json::from_reader(File::open(format!("{DIRECTORY}/index.json")).unwrap()).unwrap();
    let rates: BTreeMap<String, u64> = serde_json::from_value(expected["rates"].clone()).unwrap();
    let mut compared = 0;
    for sequence in index["apps"].as_object().unwrap().values() {
        let mut previous: BTreeMap<usize, Vec<Vec<String>>> = BTreeMap::new();
        for step in sequence.as_array().unwrap() {
            let file = step["file"].as_str().unwrap();
            let closure = graph(file);
            let expected = &expected["layers"][file];
            let mut check = |case: String, found: &[Group]| {
                assert_eq!(found, layers(&expected[&case]), "{file}, {case}");
                compared += 1;
            };
            for max_layers in [100, 60, 20, 7] {
                let stateless = plan(&closure, max_layers);
                check(max_layers.to_string(), &stateless);
                let latest = if let Some(previous) = previous.remove(&max_layers) {
                    let locked = after(&closure, max_layers, previous);
                    check(format!("{max_layers} locked"), &locked);
                    locked
                } else {
                    let options = CostOptions { rates: rates.clone(), ..CostOptions::default() };
                    check(format!("{max_layers} rates"), &cost(&closure, max_layers, &options).unwrap());
                    stateless
                };
                previous.insert(max_layers, named(&closure, &latest));
            }
            if expected.get("7 after 60").is_some() {
                check("7 after 60".to_owned(), &after(&closure, 7, previous[&60].clone()));
            }
        }
    }
    assert_eq!(compared, 141);
}

#[test]
fn a_fleet_like_the_reference() {
    for (max_layers, expected) in expected()["fleet"].as_object().unwrap() {
        let names = expected.as_object().unwrap().keys();
        let images: Vec<(String, Closure)> = names.map(|name| (name.clone(), graph(name))).collect();
        let plans = fleet(&images, max_layers.parse().unwrap(), &[]);
        for ((name, _), plan) in images.iter().zip(&plans) {
            let mut found = plan.clone();
            for group in &mut found {
                group.sort_unstable();
            }
            found.sort_unstable();
            assert_eq!(found, layers(&expected[name]), "{name}, {max_layers}");
        }
        // Given what it has made, it makes the same again; in any order of images.
        let catalog: Vec<Vec<String>> =
            images.iter().zip(&plans).flat_map(|((_, closure), plan)| named(closure, plan)).collect();
        assert_eq!(fleet(&images, max_layers.parse().unwrap(), &catalog), plans);
        let backwards: Vec<_> = images.iter().rev().cloned().collect();
        let again = fleet(&backwards, max_layers.parse().unwrap(), &[]);
        assert!(again.iter().rev().eq(&plans));
    }
}

/// The example in the strategy's essay.
#[test]
fn the_example() {
    let row = |name: &str, megabytes: u64, references: &[&str]| Row {
        path: format!("/nix/store/{name}-{name}"),
        references: references.iter().map(|name| format!("/nix/store/{name}-{name}")).collect(),
        nar_size: megabytes << 20,
        nar_hash: None,
    };
    let closure = closure(vec![
        row("app", 1, &["lib", "data"]),
        row("data", 64, &[]),
        row("lib", 1, &["libc"]),
        row("libc", 32, &[]),
    ]);
    let names = |groups: &[Group]| -> Vec<Vec<String>> {
        groups
            .iter()
            .map(|group| group.iter().map(|&node| closure.path(node).path.name().to_owned()).collect())
            .collect()
    };
    assert_eq!(names(&plan(&closure, 3)), [vec!["libc"], vec!["data"], vec!["app", "lib"]]);
}

fn closure(rows: Vec<Row>) -> Closure {
    Closure::new(StoreDir::parse("/nix/store").unwrap(), rows).unwrap()
}

/// Each path is in one layer, and there are not too many.
fn check_partition(closure: &Closure, layers: &[Group], max_layers: usize) {
    let mut all: Group = layers.iter().flatten().copied().collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(closure.graph().nodes()));
    assert!(layers.iter().all(|layer| !layer.is_empty()) && layers.len() <= max_layers.max(1));
}

proptest! {
    #[test]
    fn a_partition(rows in rows(), max_layers in 0..30_usize) {
        let closure = closure(rows);
        check_partition(&closure, &plan(&closure, max_layers), max_layers);
    }

    #[test]
    fn whatever_the_order(rows in rows(), max_layers in 1..30_usize) {
        let mut backwards = rows.clone();
        backwards.reverse();
        prop_assert_eq!(plan(&closure(rows), max_layers), plan(&closure(backwards), max_layers));
    }

    #[test]
    fn whatever_the_hashes(rows in rows(), max_layers in 1..30_usize) {
        let rows = distinct(rows);
        let names = |rows: Vec<Row>| -> Vec<Vec<String>> {
            let closure = closure(rows);
            let name = |&node: &u32| closure.path(node).path.name().to_owned();
            plan(&closure, max_layers).iter().map(|group| group.iter().map(name).collect()).collect()
        };
        prop_assert_eq!(names(rows.clone()), names(rehashed(rows)));
    }

    #[test]
    fn its_own_layers_stay(rows in rows(), max_layers in 1..30_usize, fewer in 1..10_usize) {
        let closure = closure(rows);
        let layers = plan(&closure, max_layers);
        prop_assert_eq!(&after(&closure, max_layers, named(&closure, &layers)), &layers);
        check_partition(&closure, &after(&closure, fewer, named(&closure, &layers)), fewer);
    }

    #[test]
    fn any_previous_layers(rows in rows(), previous in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..5), 0..8), max_layers in 1..30_usize) {
        let closure = closure(rows);
        let path = |index: &prop::sample::Index| match index.index(closure.len() + 1) {
            unknown if unknown == closure.len() => "/nix/store/unknown".to_owned(),
            node => closure.path(node as u32).path.to_string(),
        };
        let previous = previous.iter().map(|layer| layer.iter().map(path).collect()).collect();
        check_partition(&closure, &after(&closure, max_layers, previous), max_layers);
    }

    #[test]
    fn overrides(rows in rows(), isolated in any::<prop::sample::Index>(), volatile in any::<prop::sample::Index>(), max_layers in 1..30_usize) {
        let closure = closure(rows);
        prop_assume!(!closure.is_empty());
        let isolated = isolated.index(closure.len()) as u32;
        let options = CostOptions {
            isolated: vec![vec![path(&closure, isolated)]],
            volatile: vec![path(&closure, volatile.index(closure.len()) as u32)],
            ..CostOptions::default()
        };
        match cost(&closure, max_layers, &options) {
            Err(error) => {
                prop_assert_eq!(error, CostError::Room { isolated: 1, max_layers });
                prop_assert!(max_layers == 1 && closure.len() > 1);
            }
            Ok(layers) => {
                check_partition(&closure, &layers, max_layers);
                prop_assert!(layers.contains(&vec![isolated]));
            }
        }
    }

    #[test]
    fn fleets(images in prop::collection::vec(rows(), 0..4), max_layers in 1..20_usize) {
        let images: Vec<(String, Closure)> =
            images.into_iter().enumerate().map(|(number, rows)| (number.to_string(), closure(rows))).collect();
        for ((_, closure), layers) in images.iter().zip(fleet(&images, max_layers, &[])) {
            check_partition(closure, &layers, max_layers);
        }
    }
}

#[test]
fn a_volatile_path_comes_last() {
    let row = |name: &str, references: &[&str]| Row {
        path: format!("/nix/store/{name}"),
        references: references.iter().map(|name| format!("/nix/store/{name}")).collect(),
        nar_size: 1000,
        nar_hash: None,
    };
    // `libc` and `data` have eight users, so no path owns them.
    let mut rows: Vec<Row> =
        (0..8).map(|user| row(&format!("u-user{user}"), &["l-libc", "d-data"])).collect();
    rows.extend([row("l-libc", &[]), row("d-data", &[])]);
    let closure = closure(rows);
    let data = closure.node("/nix/store/d-data").unwrap();
    assert_eq!(plan(&closure, 10)[0], [data]);
    let options = CostOptions { volatile: vec![path(&closure, data)], ..CostOptions::default() };
    let layers = cost(&closure, 10, &options).unwrap();
    assert!(layers.iter().position(|layer| layer == &[data]).unwrap() > 0);
}

#[test]
fn isolated_twice() {
    let closure = graph("redis-nix-28-init.json.gz");
    let isolated = [&[1, 2][..], &[2]];
    let isolated = isolated.map(|group| group.iter().map(|&node| path(&closure, node)).collect()).into();
    let options = CostOptions { isolated, ..CostOptions::default() };
    assert!(matches!(cost(&closure, 10, &options), Err(CostError::Twice(_))));
}

/// More paths than are compared pair by pair, in bundles that do not depend on each other.
#[test]
fn many_paths() {
    let make = |left_out: u32| {
        let path = |number: u32| format!("/nix/store/{number:032}-package{number}-1.0");
        let rows = (0..4300_u32).filter(|&number| number != left_out).map(|number| Row {
            path: path(number),
            references: [number / 2, number / 3, number.saturating_sub(7)]
                .iter()
                .filter(|&&lower| lower < number && lower != left_out)
                .map(|&lower| path(lower))
                .collect(),
            nar_size: u64::from(number.wrapping_mul(2_654_435_761)) / 64 + 1,
            nar_hash: None,
        });
        closure(rows.collect())
    };
    let whole = make(u32::MAX);
    let layers = plan(&whole, 100);
    check_partition(&whole, &layers, 100);
    assert_eq!(layers.len(), 100);
    // A lock of as many layers as there are paths is no reason for more.
    let each = whole.paths().iter().map(|info| vec![info.path.to_string()]).collect();
    check_partition(&whole, &after(&whole, 100, each), 100);
    // Without one path most layers are the same.
    let less = make(4299);
    let known: BTreeSet<Vec<String>> = named(&whole, &layers).into_iter().collect();
    let same = named(&less, &plan(&less, 100)).into_iter().filter(|layer| known.contains(layer)).count();
    assert!(same >= 50, "only {same} layers stayed");
}

//! Input of planning: graphs, pipelines, lock files, hashes.

use std::collections::BTreeSet;
use std::fmt::Write;

use strake_image::spec::PathEntry;
use strake_plan::StorePath;
use strake_plan::closure::{Closure, NarHash, Row};
use strake_plan::layering::lock::Lock;
use strake_plan::layering::{LayeringOptions, Strategy, layers, pipeline as pipelines};

use super::memory::{said, store_dir};

/// A graph in any form: it is the same when it is written in either, and each strategy puts each path in one layer.
pub fn graph(data: &[u8]) {
    for key in [None, Some("graph")] {
        match Closure::parse(data, key) {
            Ok(closure) if !closure.is_empty() => check(&closure),
            Ok(_) => {}
            Err(error) => drop(said(&error)),
        }
    }
}

fn check(closure: &Closure) {
    let list = serde_json::to_vec(&PathEntry::list(closure)).expect("it can be written");
    same(closure, &Closure::parse(&list, None).expect("it is a graph when it is written again"));
    if closure.paths().iter().all(|info| info.nar_hash.is_some()) {
        let registration = registration(closure);
        same(closure, &Closure::parse(registration.as_bytes(), None).expect("it is a registration"));
    }
    let mut seen = BTreeSet::new();
    for node in closure.order().iter().rev() {
        assert!(closure.graph().targets(*node).iter().all(|target| seen.contains(target)));
        assert!(seen.insert(*node));
    }
    assert_eq!(seen.len(), closure.len());
    if closure.len() > 200 {
        return;
    }
    for strategy in [Strategy::default(), Strategy::Auto, Strategy::Popularity, Strategy::Each, Strategy::One]
    {
        for most in [1, 3, 100] {
            let options = LayeringOptions { strategy: strategy.clone(), excluded: Vec::new() };
            let layers = match layers(closure, most, &options) {
                Ok(layers) => layers,
                Err(error) => panic!("{strategy:?}: {error}"),
            };
            let mut all: Vec<&str> = layers.iter().flatten().map(StorePath::as_str).collect();
            all.sort_unstable();
            assert!(
                all.iter().copied().eq(closure.paths().iter().map(|info| info.path.as_str())),
                "{strategy:?}"
            );
            assert!(layers.len() <= most && layers.iter().all(|layer| !layer.is_empty()), "{strategy:?}");
        }
    }
}

fn same(one: &Closure, other: &Closure) {
    assert_eq!(one.paths(), other.paths());
    assert_eq!(one.store_dir(), other.store_dir());
    for node in one.graph().nodes() {
        assert_eq!(one.graph().targets(node), other.graph().targets(node));
    }
}

fn registration(closure: &Closure) -> String {
    let mut text = String::new();
    for entry in PathEntry::list(closure) {
        let hash = entry.nar_hash.unwrap_or_default();
        writeln!(text, "{}\n{hash}\n{}\n\n{}", entry.path, entry.nar_size, entry.references.len())
            .expect("it is text");
        entry.references.iter().for_each(|reference| writeln!(text, "{reference}").expect("it is text"));
    }
    text
}

/// A closure for pipelines: each path needs the next two.
fn chain() -> Closure {
    let name = |number: usize| format!("/nix/store/{number:032}-{}", ["a", "b", "c"][number % 3]);
    let row = |number: usize| Row {
        path: name(number),
        references: (number + 1..12).take(2).map(name).collect(),
        nar_size: (number * 7 % 5) as u64,
        nar_hash: None,
    };
    Closure::new(store_dir(), (0..12).map(row).collect()).expect("it is a closure")
}

/// A pipeline: no path is in two layers, and no layer is empty.
pub fn pipeline(data: &[u8]) {
    let ran = pipelines::parse(data).and_then(|pipeline| pipeline.run(&chain()));
    let groups = match ran {
        Ok(groups) => groups,
        Err(error) => return drop(said(&error)),
    };
    let mut all = groups.concat();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    assert!(groups.iter().all(|group| !group.is_empty()));
}

/// A lock file, which comes back.
pub fn lock(data: &[u8]) {
    match Lock::parse(data) {
        Ok(lock) => assert_eq!(Lock::parse(lock.text().as_bytes()).expect("it is one"), lock),
        Err(error) => drop(said(&error)),
    }
}

/// A NAR hash, which is the same in each form.
pub fn nar_hash(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(hash) = NarHash::parse(text) else { return };
    for form in [hash.to_string(), hash.hex(), format!("sha256:{}", hash.hex())] {
        assert_eq!(NarHash::parse(&form), Some(hash), "{form}");
    }
}

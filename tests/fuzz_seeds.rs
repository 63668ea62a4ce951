//! A short run of the checks of `tests/fuzz`: every seed, as it is and with some bytes changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proptest::test_runner::{Config, TestRunner};
use strake_testkit::mutated::mutated;
use strake_testkit::workspace;

use crate::fuzz::TARGETS;
use crate::fuzz::archives::mend_checksums;

/// The seeds of a target, by their names.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = workspace().join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// The names of the files in a directory without what stands behind the dot.
fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(workspace().join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn each_target_has_a_program_and_seeds() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets, names("fuzz/fuzz_targets"));
    assert_eq!(targets, names("fuzz/seeds"));
    let manifest = fs::read_to_string(workspace().join("fuzz/Cargo.toml")).unwrap();
    assert!(targets.iter().all(|target| manifest.contains(&format!("\nname = \"{target}\"\n"))));
}

#[test]
fn every_seed() {
    for (target, check) in TARGETS {
        for (path, seed) in seeds(target) {
            println!("{}", path.display());
            check(&seed);
        }
    }
}

#[test]
fn every_seed_changed() {
    for (target, check) in TARGETS {
        for (path, seed) in seeds(target) {
            let mut runner =
                TestRunner::new(Config { cases: 10, failure_persistence: None, ..Config::default() });
            let ran = runner.run(&mutated(seed), |input| {
                check(&input);
                // So that more than the first header is read.
                let mut mended = input;
                mend_checksums(&mut mended);
                check(&mended);
                Ok(())
            });
            ran.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

/// The fuzzed targets are those that are built.
#[test]
fn the_fuzzers_own_crate_has_the_same_dependencies() {
    let versions = |lock: &str| -> BTreeSet<(String, String)> {
        let text = fs::read_to_string(workspace().join(lock)).unwrap();
        let field = |package: &str, key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
            line.map(|line| line.trim_end_matches('"').to_owned()).unwrap_or_default()
        };
        text.split("[[package]]").skip(1).map(|it| (field(it, "name"), field(it, "version"))).collect()
    };
    let (product, fuzz) = (versions("Cargo.lock"), versions("fuzz/Cargo.lock"));
    let other: Vec<_> = fuzz.difference(&product).map(|(name, _)| name.as_str()).collect();
    assert!(other.iter().all(|name| ["strake-fuzz", "libfuzzer-sys"].contains(name)), "{other:?}");
}

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use strake_testkit::command::{command, stdout_of};
use strake_testkit::modules::CrateSource;
use strake_testkit::workspace;

/// A file is to be read at a sitting.
const MAX_LINES: usize = 400;

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The product's part of a file: what stands before its tests, without comments. Of a file of tests, nothing.
fn product(path: &Path) -> String {
    if path.ends_with("tests.rs") {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn files_are_small() {
    for path in sources(&workspace().join("crates")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn libraries_neither_print_nor_look_around() {
    for library in ["strake-plan", "strake-image", "strake-remote"] {
        for path in sources(&workspace().join("crates").join(library).join("src")) {
            for absent in
                ["println!", "print!(", "std::env", "SystemTime::now", "Instant::now", "process::exit"]
            {
                assert!(!product(&path).contains(absent), "{absent} in {}", path.display());
            }
        }
    }
}

/// `println!` and `eprintln!` panic on closed streams, and print control characters as they are.
#[test]
fn text_leaves_in_one_place() {
    for path in sources(&workspace().join("crates/strake/src")) {
        for absent in ["println!", "print!(", "dbg!("] {
            assert!(!product(&path).contains(absent), "{absent} in {}", path.display());
        }
    }
}

/// Calls that only Linux has are in `kernel`, where other systems have something in their place.
#[test]
fn linux_has_one_place() {
    let allowed = workspace().join("crates/strake-image/src/kernel");
    for name in ["strake-plan", "strake-image", "strake-remote", "strake"] {
        for path in sources(&workspace().join("crates").join(name).join("src")) {
            for only_linux in [
                "\"/proc",
                "os::linux",
                "RawDir",
                "copy_file_range(",
                "openat2(",
                "pipe_with(",
                "sendfile(",
                "splice(",
                "statx(",
                "setpipe_size(",
                "OFlags::PATH",
                "OFlags::TMPFILE",
                "fdatasync(",
                "stat.st_mtime",
                "stat.st_ctime",
            ] {
                let text = fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let used = path.starts_with(&allowed) || !product.contains(only_linux);
                assert!(used, "{only_linux} in {}", path.display());
            }
        }
    }
}

#[test]
fn crates_stand_in_a_line() {
    let line = ["strake-plan", "strake-image", "strake-remote", "strake"];
    for (place, name) in line.iter().enumerate() {
        let manifest = fs::read_to_string(workspace().join("crates").join(name).join("Cargo.toml")).unwrap();
        let product = manifest.split("[dev-dependencies]").next().unwrap();
        for later in &line[place + 1..] {
            assert!(!product.contains(&format!("\n{later}.workspace")), "{name} uses {later}");
        }
        assert!(!product.contains("testkit"), "{name} uses the testkit");
    }
}

/// The oldest Rust that Cargo.toml promises is enough for all that is built. strake's own code is checked by clippy
/// (`incompatible_msrv`), and a compiler of that version in CI.
#[test]
fn dependencies_allow_the_rust_version() {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--locked", "--offline", "--format-version=1", "--filter-platform", &host];
    let mut cargo = command(env!("CARGO"), arguments);
    cargo.current_dir(workspace());
    let metadata: Value = serde_json::from_slice(&stdout_of(cargo)).unwrap();
    let version =
        |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap()).take(2).collect() };
    let promised = version(env!("CARGO_PKG_RUST_VERSION"));
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    for package in packages {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(version(needed) <= promised, "{} needs Rust {needed}", package["name"]);
        }
    }
}

/// The crates of the product, and the tests' own.
const CRATES: [&str; 5] = ["strake-plan", "strake-image", "strake-remote", "strake", "strake-testkit"];

fn crate_source(name: &str) -> CrateSource {
    CrateSource::read(&workspace().join("crates").join(name).join("src"))
}

/// No module uses itself through others. [`CrateSource::cycles`] defines what counts as use.
#[test]
fn modules_have_no_cycles() {
    let mut found = Vec::new();
    for name in CRATES {
        found.extend(crate_source(name).cycles().into_iter().map(|cycle| (name, Vec::from_iter(cycle))));
    }
    assert_eq!(found, Vec::<(&str, Vec<String>)>::new());
}

#[test]
fn no_two_types_of_a_crate_share_a_name() {
    let mut shared = Vec::new();
    for name in CRATES {
        let source = crate_source(name);
        let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (of_type, file) in source.types() {
            files.entry(of_type).or_default().push(file);
        }
        // The replacement of Linux' own calls has the same types: only one of the two is built.
        for files in files.values_mut() {
            files.retain(|file| *file != "kernel/portable.rs");
        }
        files.retain(|_, files| files.len() > 1);
        shared.extend(files.into_iter().map(|it| format!("{name}: {it:?}")));
    }
    assert_eq!(shared, Vec::<String>::new());
}

/// Tests that a plain `cargo test` leaves out say why, in words that tests/run knows: "needs root, dockerd".
#[test]
fn ignored_tests_say_what_they_need() {
    let script = fs::read_to_string(workspace().join("tests/run")).unwrap();
    let mut count = 0;
    for path in sources(&workspace().join("tests")).iter().chain(&sources(&workspace().join("crates"))) {
        for line in fs::read_to_string(path).unwrap().lines().filter(|line| line.starts_with("#[ignore")) {
            let needs = line.strip_prefix("#[ignore = \"needs ").and_then(|line| line.strip_suffix("\"]"));
            let needs = needs.unwrap_or_else(|| panic!("{}: {line}", path.display()));
            for program in needs.split(", ").filter(|need| *need != "root") {
                assert!(script.contains(&format!("[{program}]=")), "tests/run does not install {program}");
            }
            count += 1;
        }
    }
    assert!(count >= 50, "{count}");
}

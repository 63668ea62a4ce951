use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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

/// The product's part of a file: what stands before its tests.
fn product(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned()
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

#[test]
fn modules_have_no_cycles() {
    for library in ["strake-plan", "strake-image", "strake-remote", "strake"] {
        let root = workspace().join("crates").join(library).join("src");
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in sources(&root) {
            let module = path.strip_prefix(&root).unwrap().components().next().unwrap();
            let module = module.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = product(&path);
            let names = text.split("crate::").skip(1).filter_map(|rest| {
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_' || c.is_ascii_digit())
                    .collect();
                (!name.is_empty() && name != module).then_some(name)
            });
            uses.entry(module.clone()).or_default().extend(names);
        }
        for module in uses.keys() {
            let mut reached = BTreeSet::new();
            let mut open: Vec<&String> = uses[module].iter().collect();
            while let Some(next) = open.pop() {
                assert!(
                    next != module,
                    "{library}: the module {module} uses itself through others: {uses:#?}"
                );
                if reached.insert(next) {
                    open.extend(uses.get(next).into_iter().flatten());
                }
            }
        }
    }
}

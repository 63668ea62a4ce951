use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use strake_testkit::command::text;
use strake_testkit::registries::{Program, RealRegistry, Setup};
use strake_testkit::registry::{Effect, Fault, Personality, Registry};
use strake_testkit::store::TestStore;

use crate::registry::User;

const ARCHITECTURES: [&str; 3] = ["amd64", "arm64", "riscv64"];

/// A store with a conf for each architecture.
fn parts() -> (TestStore, Vec<String>) {
    let store = TestStore::golden(1);
    let plain: Value = serde_json::from_slice(&fs::read(store.conf("plain")).unwrap()).unwrap();
    let conf = |arch: &&str| {
        let conf = store.write_conf(arch, &[], |conf| {
            conf["architecture"] = (*arch).into();
            conf["store_layers"] = serde_json::json!([plain["store_layers"][0]]);
        });
        conf.to_str().unwrap().to_owned()
    };
    let confs = ARCHITECTURES.iter().map(conf).collect();
    (store, confs)
}

fn arguments<'a>(root: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["copy", "--index", "--update", "--store-root", root.to_str().unwrap()][..], more].concat()
}

/// The architectures that an index lists, with the digests of the images.
fn listed(user: &User, name: &str) -> Vec<(String, String)> {
    let index: Value = serde_json::from_slice(&user.ok(&["inspect", "--raw", name]).stdout).unwrap();
    let entries = index["manifests"].as_array().unwrap_or_else(|| panic!("{index}")).iter();
    let pair = |entry: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&entry["platform"]["architecture"]), text(&entry["digest"]))
    };
    entries.map(pair).collect()
}

fn architectures(user: &User, name: &str) -> Vec<String> {
    listed(user, name).into_iter().map(|(architecture, _)| architecture).collect()
}

#[test]
fn one_platform_after_another() {
    let (store, confs) = parts();
    let root = store.root();
    let registry = Registry::start(Personality::default());
    let name = format!("docker://{}/app:1", registry.address());
    let user = User::new();
    for (number, conf) in confs.iter().enumerate() {
        user.ok(&arguments(root, &["--digest-file=digest", conf, &name]));
        assert_eq!(architectures(&user, &name), ARCHITECTURES[..=number]);
        assert_eq!(registry.complete("app", "1"), Ok(()));
        let digest = fs::read_to_string(user.path("digest")).unwrap();
        assert_eq!(digest.trim_end(), user.manifest_digest(&name));
    }
    // Once more: nothing is written.
    registry.clear_log();
    user.ok(&arguments(root, &[&confs[0], &name]));
    let puts = registry.requests().iter().filter(|request| request.line().contains("PUT")).count();
    assert_eq!(puts, 0, "{:?}", registry.requests());
    // Another image for one of them takes its place.
    let before = listed(&user, &name);
    user.ok(&arguments(root, &["--annotation=a=b", &confs[1], &name]));
    let after = listed(&user, &name);
    let is_same: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before == after).collect();
    assert_eq!(
        (architectures(&user, &name), is_same),
        (ARCHITECTURES.map(str::to_owned).to_vec(), vec![true, false, true])
    );
    user.ok(&["verify", &name]);
    // An image that stands there alone becomes an entry.
    let alone = format!("docker://{}/app:alone", registry.address());
    user.ok(&["copy", "--store-root", root.to_str().unwrap(), &confs[0], &alone]);
    user.ok(&arguments(root, &[&confs[2], &alone]));
    assert_eq!(architectures(&user, &alone), ["amd64", "riscv64"]);
    for (more, expected) in [
        (&["oci:layout"][..], "--update is for one index in a registry"),
        (&[&*name, &alone], "--update"),
        (&[&*format!("{name}@sha256:{}", "0".repeat(64))], "without a digest"),
    ] {
        let ran = user.run(&arguments(root, &[&[&*confs[0], "--"][..], more].concat()));
        ran.refused(&[expected]);
    }
    let ran = user.run(&["copy", "--update", "--store-root", root.to_str().unwrap(), &confs[0], &name]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

/// Pushes all platforms at the same time, a process each.
fn at_once(user: &User, root: &Path, confs: &[String], name: &str) {
    let start = |conf: &String| {
        let mut command = user.command(&arguments(root, &["--no-cache", conf, name]));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<Child> = confs.iter().map(start).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let mut found = architectures(user, name);
    found.sort();
    assert_eq!(found, ARCHITECTURES);
    user.ok(&["verify", name]);
}

/// The index that each has read is old when it writes.
#[test]
fn several_at_once() {
    let (store, confs) = parts();
    for delay in [0, 500] {
        let late = Effect::Delay(Duration::from_millis(delay));
        let faults = vec![Fault::burst("GET", "/manifests/1", 1, 6, late)];
        let registry = Registry::start(Personality { faults, ..Personality::default() });
        let name = format!("docker://{}/app:1", registry.address());
        at_once(&User::new(), store.root(), &confs, &name);
        assert_eq!(registry.complete("app", "1"), Ok(()));
    }
}

#[test]
#[ignore = "needs docker-registry, registry, crane"]
fn several_at_once_into_real_registries() {
    let (store, confs) = parts();
    for program in Program::ALL {
        let registry = RealRegistry::start(program, Setup::default());
        for tag in ["a", "b"] {
            at_once(
                &User::new(),
                store.root(),
                &confs,
                &format!("docker://{}/app:{tag}", registry.address()),
            );
        }
    }
}

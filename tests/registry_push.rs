use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use strake_testkit::command::stdout_of;
use strake_testkit::peer::require;
use strake_testkit::registry::{Personality, Registry, Request};
use strake_testkit::store::TestStore;
use strake_testkit::tree::Node;
use strake_testkit::wait::until_settled;

use crate::registry::{User, copy, events, path, received, store};

const SIZES: [usize; 4] = [3000, 700_000, 1_500_000, 90_000];

fn kind(request: &Request) -> &'static str {
    match (&*request.method, request.path.contains("/manifests/")) {
        ("GET", false) if request.path == "/v2/" => "ping",
        ("HEAD", true) => "is it there",
        ("HEAD", false) => "look",
        ("PUT", true) => "list",
        ("POST" | "PUT" | "PATCH", false) => "send",
        _ => "other",
    }
}

/// The kinds of requests in their order, each once where it comes several times in a row.
fn kinds(registry: &Registry) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = registry.requests().iter().map(kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn in_order() {
    for compress in ["none", "gzip"] {
        let (user, store) = (User::new(), store(&SIZES));
        let registry = Registry::start(Personality::default());
        let name = |tag: &str| format!("docker://{}/app:{tag}", registry.address());
        let compress = format!("--compress={compress}");
        let arguments = ["--uploads=1", &compress, &*name("1"), &*name("2")];
        user.ok(&copy(&store, &arguments));
        let mut expected = vec!["ping", "is it there", "look", "send", "list"];
        if compress == "--compress=gzip" {
            // The manifest is not known before: only the manifests under the tags can be requested.
            expected[1] = "other";
        }
        assert_eq!(kinds(&registry), expected, "{compress}");
        // The largest first.
        let sent: Vec<u64> = registry
            .requests()
            .iter()
            .filter(|request| kind(request) == "send" && request.received > 0)
            .map(|request| request.received)
            .collect();
        assert_eq!(sent.len(), SIZES.len() + 2);
        // The compressed size of a layer is unknown before.
        assert!(compress != "--compress=none" || sent.is_sorted_by(|one, next| one >= next), "{sent:?}");
        // Each is looked for at most once, and what is not known not at all.
        let looks = registry.requests().iter().filter(|request| kind(request) == "look").count();
        assert_eq!(looks, if compress == "--compress=gzip" { 1 } else { SIZES.len() + 2 });
    }
}

/// Runs a command under strace, and returns the regular files that it has opened.
fn opened(of: &Command, user: &User) -> Vec<String> {
    let log = user.path("strace.log");
    let mut strace = Command::new(require("strace"));
    strace.args(["-f", "-y", "-e", "trace=open,openat,openat2", "-o"]).arg(&log);
    strace.arg(of.get_program()).args(of.get_args()).current_dir(user.home());
    for (name, value) in of.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    stdout_of(strace);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("cache"), "strace sees nothing: {log}");
    let opened = log.lines().filter(|line| !line.contains("O_DIRECTORY") && !line.contains("O_PATH"));
    opened.filter_map(|line| Some(line.rsplit_once(" = ")?.1.split_once('<')?.1.to_owned())).collect()
}

#[test]
#[ignore = "needs strace"]
fn the_second_time_nothing_is_read() {
    let store = settled(&SIZES);
    let is_ours = |files: &[String]| {
        let root = store.0.root().to_str().unwrap();
        // A customisation layer's checksum is read: it says what the layer is.
        files
            .iter()
            .filter(|file| file.contains(root) && file.contains("-layer/file"))
            .cloned()
            .collect::<Vec<_>>()
    };
    for compress in ["none", "gzip", "zstd"] {
        let (user, registry) = (User::new(), Registry::start(Personality::default()));
        let name = format!("docker://{}/app:1", registry.address());
        let compress = format!("--compress={compress}");
        let arguments = copy(&store, &[&compress, &name]);
        let first = is_ours(&opened(&user.command(&arguments), &user));
        assert!(first.len() >= SIZES.len(), "{first:?}");
        registry.clear_log();
        assert_eq!(is_ours(&opened(&user.command(&arguments), &user)), Vec::<String>::new());
        let lines: Vec<String> = registry.requests().iter().map(Request::line).collect();
        assert_eq!(lines, ["GET /v2/ 200", "HEAD /v2/app/manifests/1 200"], "{compress}");
    }
}

/// A store whose files are so old that their digests are cached.
pub(crate) fn settled(sizes: &[usize]) -> (TestStore, PathBuf) {
    let store = store(sizes);
    until_settled(store.0.root());
    store
}

#[test]
fn another_machine_learns_from_the_registry() {
    let store = settled(&SIZES);
    let registry = Registry::start(Personality::default());
    let name = |tag: &str| format!("docker://{}/app:{tag}", registry.address());
    for compress in ["gzip", "zstd:1"] {
        let compress = format!("--compress={compress}");
        User::new().ok(&copy(&store, &[&compress, &name("1")]));
        for (more, expected) in [
            (&["--no-cache", &*name("1")][..], 0),
            (&[&*name("1")], 0),
            (&["--previous=1", &*name("2")], 0),
            (&["--previous=gone", &*name("1")], 0),
            (&["--no-cache", &*name("3")], 0),
        ] {
            registry.clear_log();
            let ran = User::new().ok(&copy(&store, &[&[&*compress, "--json"], more].concat()));
            let compressed = events(&ran, "done")[0]["compressed"].as_u64().unwrap();
            assert!(
                compressed as usize >= expected && (expected > 0 || compressed == 0),
                "{more:?}: {compressed}"
            );
            if expected == 0 {
                let manifest = registry.manifest("app", "1").unwrap().1.len() as u64;
                assert!(received(&registry) <= manifest, "{more:?}");
            }
        }
        assert_eq!(registry.tags("app")[0].1, registry.tags("app")[1].1);
        assert_eq!(registry.tags("app")[0].1, registry.tags("app")[2].1);
    }
}

#[test]
fn only_what_has_changed_is_sent() {
    for compress in ["none", "gzip", "zstd"] {
        let (user, store) = (User::new(), settled(&SIZES));
        let registry = Registry::start(Personality::default());
        let name = |tag: &str| format!("docker://{}/app:{tag}", registry.address());
        let compress = format!("--compress={compress}");
        user.ok(&copy(&store, &[&compress, &name("1")]));
        let before = registry.blobs("app");
        let changed = store.0.real(&path(1));
        fs::remove_dir_all(&changed).unwrap();
        Node::Directory(0o755, vec![(b"other".to_vec(), Node::File(123_456, 0o644))]).make(&changed);
        // Once by a machine with a full cache, once by one without.
        for (user, tag) in [(&user, "2"), (&User::new(), "3")] {
            registry.clear_log();
            let ran = user.ok(&copy(&store, &["--json", "--previous=1", &compress, &name(tag)]));
            let manifest: Value = serde_json::from_slice(&registry.manifest("app", tag).unwrap().1).unwrap();
            let size = |descriptor: &Value| descriptor["size"].as_u64().unwrap();
            let expected = if tag == "2" {
                let layers = manifest["layers"].as_array().unwrap().iter();
                let new = layers.filter(|layer| !before.iter().any(|digest| layer["digest"] == **digest));
                let new: Vec<&Value> = new.collect();
                assert_eq!(new.len(), 1);
                size(new[0])
                    + size(&manifest["config"])
                    + registry.manifest("app", tag).unwrap().1.len() as u64
            } else {
                // The changed layer's blob is learnt from the other tag.
                registry.manifest("app", tag).unwrap().1.len() as u64
            };
            assert_eq!(received(&registry), expected, "{compress} {tag}");
            let sent =
                events(&ran, "blob").iter().filter(|blob| blob["outcome"] == "sent").map(size).sum::<u64>();
            assert_eq!(
                sent + registry.manifest("app", tag).unwrap().1.len() as u64,
                expected,
                "{compress} {tag}"
            );
            assert_eq!(registry.complete("app", tag), Ok(()));
            user.ok(&["verify", &name(tag)]);
        }
    }
}

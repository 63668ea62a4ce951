use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use strake_testkit::command::{output_of, text};
use strake_testkit::image::Image;
use strake_testkit::registry::{Personality, Registry};
use strake_testkit::store::TestStore;
use strake_testkit::tree::Node;

use crate::strake::{Ran, program, ran};

/// A user of strake: a home directory, in which it is started, with its cache, and nothing of the environment of the user
/// that runs the tests.
pub(crate) struct User {
    home: tempfile::TempDir,
    pub(crate) variables: Vec<(&'static str, OsString)>,
}

/// Environment variables about registries.
const VARIABLES: [&str; 19] = [
    "STRAKE_CREDS",
    "STRAKE_SRC_CREDS",
    "STRAKE_DEST_CREDS",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "NIX_SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

impl User {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// The same user from now on with this in the environment.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.env("HOME", self.home()).env("STRAKE_CACHE_DIR", self.path("cache"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(arguments).current_dir(self.home());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(output_of(&mut self.command(arguments)))
    }

    /// It must go well.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", text(&ran.stdout), ran.stderr);
        ran
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.ok(arguments).stdout).unwrap()
    }

    /// The properties that every copy keeps: its ID, which is its config's digest, and its diff ids. All of it is
    /// checked.
    pub(crate) fn identity(&self, image: &str) -> (String, Vec<String>) {
        self.ok(&["verify", image]);
        let shown = self.json(&["inspect", "--json", image]);
        let layers = shown["layers"].as_array().unwrap().iter();
        let diff_ids = layers.map(|layer| layer["diff_id"].as_str().unwrap().to_owned()).collect();
        (shown["image_id"].as_str().unwrap().to_owned(), diff_ids)
    }

    /// The digest of an image's manifest.
    pub(crate) fn manifest_digest(&self, image: &str) -> String {
        strake_testkit::registry::digest(&self.ok(&["inspect", "--raw", image]).stdout)
    }

    /// Writes an image as `oci:image`.
    pub(crate) fn image(&self, sizes: &[usize]) -> Image {
        let image = Image::of_sizes(sizes);
        image.write_layout(&self.path("image"), "it");
        image
    }
}

/// A store with a conf whose image has a layer for each of these sizes, in bytes, and an empty one.
pub(crate) fn store(sizes: &[usize]) -> (TestStore, PathBuf) {
    let store = TestStore::empty();
    let paths: Vec<Vec<String>> = (0..sizes.len()).map(|number| vec![path(number)]).collect();
    for (number, size) in sizes.iter().enumerate() {
        Node::Directory(0o755, vec![(b"file".to_vec(), Node::File(*size, 0o644))])
            .make(&store.real(&path(number)));
    }
    let conf = store.write_conf("layers", &paths, |_| ());
    (store, conf)
}

/// A store path of [`store`].
pub(crate) fn path(number: usize) -> String {
    format!("/nix/store/{number:032}-layer")
}

/// `copy` from such a store, without compressing anything unless `more` says so.
pub(crate) fn copy<'a>(store: &'a (TestStore, PathBuf), more: &[&'a str]) -> Vec<&'a str> {
    let says = more.iter().any(|argument| argument.starts_with("--compress"));
    let plain: &[&str] = if says { &[] } else { &["--compress=none"] };
    copy_as_usual(store, &[plain, more].concat())
}

/// The same with what is compressed where nothing is said.
pub(crate) fn copy_as_usual<'a>((store, conf): &'a (TestStore, PathBuf), more: &[&'a str]) -> Vec<&'a str> {
    let source = ["copy", "--store-root", store.root().to_str().unwrap(), conf.to_str().unwrap()];
    [&source[..], more].concat()
}

/// The events of this kind of a run with `--json`.
pub(crate) fn events(ran: &Ran, kind: &str) -> Vec<Value> {
    let events = ran.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

fn registry() -> Registry {
    Registry::start(Personality::default())
}

/// So many bytes of blobs and manifests have come.
pub(crate) fn received(registry: &Registry) -> u64 {
    registry.requests().iter().map(|request| request.received).sum()
}

const SIZES: [usize; 3] = [3000, 700_000, 1_500_000];

#[test]
fn there_and_back_with_one_digest() {
    let (user, registry, store) = (User::new(), registry(), store(&SIZES));
    let mut ids = Vec::new();
    for (number, format) in ["none", "gzip", "gzip:1", "zstd"].into_iter().enumerate() {
        let name = |repository: &str| format!("docker://{}/{repository}:{number}", registry.address());
        let (first, second, third) = (name("first"), name("second"), name("third"));
        let layout = format!("oci:layout-{number}");
        let archive = format!("oci-archive:{number}.tar");
        let compress = format!("--compress={format}");
        // Each by itself, knowing what became of the layers before, and all together, knowing nothing.
        for (cache, targets) in [
            ("-q", &[&*first][..]),
            ("-q", &[&*layout]),
            ("-q", &[&*archive]),
            ("--no-cache", &[&*second, &*layout, &*archive]),
        ] {
            user.ok(&copy(&store, &[&[&*compress, cache, "--digest-file=digest"], targets].concat()));
            let digest = fs::read_to_string(user.path("digest")).unwrap();
            for target in targets {
                assert_eq!(user.manifest_digest(target), digest.trim_end(), "{format} {target}");
            }
        }
        let expected = user.manifest_digest(&first);
        user.ok(&["copy", "--compress=none", &archive, &third]);
        let back = [format!("oci:back-{number}"), format!("oci-archive:back-{number}.tar")];
        user.ok(&["copy", &third, &back[0], &back[1], &format!("docker-archive:back-{number}.docker")]);
        for image in [&second, &third, &layout, &back[0], &back[1]] {
            assert_eq!(user.manifest_digest(image), expected, "{format} {image}");
        }
        ids.push(user.identity(&third));
        ids.push(user.identity(&format!("docker-archive:back-{number}.docker")));
        for repository in ["first", "second", "third"] {
            assert_eq!(registry.complete(repository, &number.to_string()), Ok(()));
        }
        if format == "none" {
            user.ok(&copy(&store, &["docker-archive:image.tar"]));
            user.ok(&[
                "copy",
                "--compress=none",
                "docker-archive:image.tar",
                &format!("docker://{}/fourth", registry.address()),
            ]);
            assert_eq!(registry.tags("fourth"), [("latest".to_owned(), expected)]);
        }
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(registry.open_uploads(), 0);
}

#[test]
fn what_is_told() {
    let (user, registry, store) = (User::new(), registry(), store(&SIZES));
    let name = format!("docker://{}/app:1", registry.address());
    let told = |arguments: &[&str]| {
        let ran = user.ok(&copy(&store, &[&["--json", &*name][..], arguments].concat()));
        let blobs = events(&ran, "blob");
        for blob in &blobs {
            assert!(blob["seconds"].as_f64().is_some() && blob["title"].is_string(), "{blob}");
            let there = registry.blob("app", blob["digest"].as_str().unwrap()).unwrap();
            assert_eq!(blob["size"], there.len() as u64);
            assert_eq!(blob["destination"], name);
        }
        let outcomes: Vec<String> =
            blobs.iter().map(|blob| blob["outcome"].as_str().unwrap().to_owned()).collect();
        (outcomes, events(&ran, "written"))
    };
    let (outcomes, written) = told(&[]);
    assert_eq!(outcomes, ["sent"; 5]);
    assert_eq!(written[0]["manifest"], user.manifest_digest(&name));
    assert_eq!(told(&[]).0, ["had"; 5]);
    assert_eq!(told(&["--annotation=a=b"]).0, ["had"; 5]);
    // For people.
    let other = format!("docker://{}/other:1", registry.address());
    let said = user.ok(&copy(&store, &[&other])).stderr;
    assert_eq!(said.lines().filter(|line| line.trim_start().starts_with("sent ")).count(), 5, "{said}");
    assert!(said.contains(&format!("{other}  manifest sha256:")), "{said}");
    assert_eq!(user.ok(&copy(&store, &["-q", &other])).stderr, "");
}

#[test]
fn a_dry_run_sends_nothing() {
    let (user, registry, store) = (User::new(), registry(), store(&SIZES));
    let name = format!("docker://{}/app:1", registry.address());
    let dry = |arguments: &[&str]| {
        registry.clear_log();
        let ran = user.ok(&copy(&store, &[&["--dry-run", &*name][..], arguments].concat()));
        let requests = registry.requests();
        assert!(requests.iter().all(|request| matches!(&*request.method, "GET" | "HEAD")), "{requests:?}");
        ran
    };
    for compress in ["none", "gzip"] {
        let compress = format!("--compress={compress}");
        let said = events(&dry(&["--json", &compress]), "would_send");
        assert_eq!(said[0]["blobs"].as_array().unwrap().len(), 5, "{said:?}");
        assert_eq!(said[0]["is_there"], false);
        assert!(said[0]["bytes"].as_u64().unwrap() > SIZES.iter().sum::<usize>() as u64);
        assert!(dry(&[&compress]).stderr.contains("misses 5 blobs"));
    }
    assert!(registry.tags("app").is_empty() && registry.blobs("app").is_empty());
    user.ok(&copy(&store, &[&name]));
    assert!(dry(&[]).stderr.contains("is there"));
    assert_eq!(events(&dry(&["--json"]), "would_send")[0]["bytes"], 0);
    user.run(&copy(&store, &["--dry-run", &name, "oci:layout"])).refused(&["--dry-run"]);
    assert!(!user.path("layout").exists());
}

#[test]
fn several_names_in_one_go() {
    let (user, registry, store) = (User::new(), registry(), store(&SIZES));
    let name = |rest: &str| format!("docker://{}/{rest}", registry.address());
    let names = [name("app:1"), name("app:2"), name("app"), name("team/other:1"), name("app:1")];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for tag_parameters in [false, true] {
        registry.set_personality(Personality { tag_parameters, ..Personality::default() });
        user.ok(&copy(&store, &[&names[..], &["--annotation", &format!("a={tag_parameters}")]].concat()));
        let digest = registry.tags("team/other").remove(0).1;
        let tags: Vec<(String, String)> =
            ["1", "2", "latest"].map(|tag| (tag.to_owned(), digest.clone())).to_vec();
        assert_eq!(registry.tags("app"), tags);
        for tag in ["1", "2", "latest"] {
            assert_eq!(registry.complete("app", tag), Ok(()));
        }
        let puts = registry.count("PUT", "/v2/app/manifests/");
        assert_eq!(puts, if tag_parameters { 1 } else { 4 });
        registry.clear_log();
    }
    // By digest alone, and with a digest that it must have.
    let digest = registry.tags("app").remove(0).1;
    let arguments = ["--annotation=a=true"];
    user.ok(&copy(&store, &[&arguments[..], &[&name(&format!("by/digest@{digest}"))]].concat()));
    assert!(registry.tags("by/digest").is_empty() && registry.manifest("by/digest", &digest).is_some());
    registry.clear_log();
    let wrong = name(&format!("wrong:1@sha256:{}", "0".repeat(64)));
    user.run(&copy(&store, &[&wrong])).failed(&["manifest is sha256:", "not sha256:000"]);
    assert_eq!(registry.count("PUT", "") + registry.count("POST", ""), 0);
}

#[test]
fn from_one_repository_to_another() {
    let (user, registry, elsewhere) = (User::new(), registry(), registry());
    let image = user.image(&SIZES);
    let name = |registry: &Registry, rest: &str| format!("docker://{}/{rest}", registry.address());
    let digest = image.put(&registry, "from", "1");
    let ran = user.ok(&[
        "copy",
        "--json",
        &name(&registry, "from:1"),
        &name(&registry, "to:1"),
        &name(&elsewhere, "to:1"),
    ]);
    let of = |registry: &Registry| -> Vec<Value> {
        let place = name(registry, "to:1");
        events(&ran, "blob").into_iter().filter(|event| event["destination"] == place).collect()
    };
    // The config is known here, so it is sent; nothing else goes up, and nothing comes down for it.
    assert_eq!(of(&registry).iter().filter(|event| event["outcome"] == "mounted").count(), SIZES.len());
    assert_eq!(of(&elsewhere).iter().filter(|event| event["outcome"] == "sent").count(), SIZES.len() + 1);
    for registry in [&registry, &elsewhere] {
        assert_eq!(registry.complete("to", "1"), Ok(()));
        assert_eq!(registry.tags("to"), [("1".to_owned(), digest.clone())]);
    }
    let layers: usize = image.blobs[1..].iter().map(Vec::len).sum();
    let sent: u64 = registry
        .requests()
        .iter()
        .filter(|request| request.method == "GET" && request.path.contains("/blobs/"))
        .map(|request| request.sent)
        .sum();
    assert_eq!(sent, (layers + image.blobs[0].len()) as u64, "only what goes elsewhere comes down, and once");
    assert!(received(&registry) < 3000, "{}", received(&registry));
}

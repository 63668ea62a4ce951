use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::image::{INDEX, Image, MANIFEST, descriptor};
use strake_testkit::registry::{Personality, Registry};

use crate::copy::{strake, strake_ok};

const PLAIN: &str = "--tls-verify=false";

/// An architecture that is not this machine's.
fn other() -> &'static str {
    if cfg!(target_arch = "s390x") { "riscv64" } else { "s390x" }
}

/// A layout with an image whose config says this as well.
fn layout(directory: &Path, says: &[(&str, Value)]) -> Image {
    let mut image = Image::of_sizes(&[10]);
    let mut config: Value = serde_json::from_slice(&image.blobs[0]).unwrap();
    for (key, value) in says {
        config[key] = value.clone();
    }
    image.blobs[0] = config.to_string().into_bytes();
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    let of_type = manifest["config"]["mediaType"].as_str().unwrap().to_owned();
    manifest["config"] = descriptor(&of_type, &image.blobs[0]);
    image.manifest = manifest.to_string().into_bytes();
    image.write_layout(directory, "app:1");
    image
}

/// An image for another machine, in all forms: alone, and where an index lists it for its platform.
struct Sources {
    directory: tempfile::TempDir,
    registry: Registry,
}

impl Sources {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        layout(&place.join("layout"), &[("architecture", other().into())]);
        let registry = Registry::start(Personality::default());
        let name = |tag: &str| format!("docker://{}/app:{tag}", registry.address());
        strake_ok(
            place,
            &[
                "copy",
                PLAIN,
                "oci:layout",
                "oci-archive:layout.tar",
                "docker-archive:image.tar",
                &name("alone"),
            ],
        );
        strake_ok(place, &["copy", "--index", "oci:layout", "oci:index"]);
        strake_ok(place, &["copy", PLAIN, "oci:index", "oci-archive:index.tar", &name("index")]);
        Self { directory, registry }
    }

    fn place(&self) -> &Path {
        self.directory.path()
    }

    /// The image alone, then in an index.
    fn alone(&self) -> [String; 4] {
        let registry = format!("docker://{}/app:alone", self.registry.address());
        ["oci:layout".into(), "oci-archive:layout.tar".into(), "docker-archive:image.tar".into(), registry]
    }

    fn in_an_index(&self) -> [String; 3] {
        let registry = format!("docker://{}/app:index", self.registry.address());
        ["oci:index".into(), "oci-archive:index.tar".into(), registry]
    }
}

/// The commands that open finished images, with what they write to.
const COMMANDS: [(&str, &[&str]); 5] = [
    ("copy", &["docker-archive:out"]),
    ("export", &["-o", "out"]),
    ("merge", &["-o", "out"]),
    ("inspect", &[]),
    ("verify", &[]),
];

#[test]
fn what_is_asked_for_or_nothing() {
    let sources = Sources::new();
    let place = sources.place();
    let there = format!("linux/{}", other());
    for source in sources.alone().iter().chain(&sources.in_an_index()) {
        for (command, targets) in COMMANDS {
            let run = |asked: &[&str]| {
                let is_remote = source.starts_with("docker://");
                let plain: &[&str] = if is_remote { &[PLAIN] } else { &[] };
                let _ = std::fs::remove_file(place.join("out"));
                strake(place, &[&[command][..], plain, asked, &[source], targets].concat())
            };
            for asked in [
                "--platform=linux/amd64",
                "--platform=linux/arm/v7",
                "--arch=amd64",
                "--platform=windows/s390x",
            ] {
                let ran = run(&[asked]);
                let wanted = asked.split_once('=').unwrap().1;
                ran.failed(&["holds no image for ", wanted, &there, "hint:"]);
                assert!(!place.join("out").exists(), "{command} {asked} {source}");
                assert!(ran.stdout.is_empty(), "{command} {asked} {source}");
            }
            // Nobody has asked for what this machine runs.
            for asked in [&[][..], &["--platform", &there], &["--arch", other()]] {
                let ran = run(asked);
                assert_eq!(ran.code, Some(0), "{command} {asked:?} {source}: {}", ran.stderr);
            }
        }
    }
}

#[test]
fn kinds_of_an_architecture() {
    for (config, asked, is_it) in [
        (json!(["arm64", null]), "linux/arm64/v8", true),
        (json!(["arm64", "v8"]), "linux/arm64", true),
        (json!(["arm64", "v8"]), "linux/arm64/v9", false),
        (json!(["amd64", null]), "linux/amd64/v1", true),
        (json!(["amd64", "v3"]), "linux/amd64/v2", false),
        (json!(["amd64", "v3"]), "linux/amd64", true),
        (json!(["arm", "v6"]), "linux/arm/v7", false),
        // Old images do not say theirs.
        (json!(["arm", null]), "linux/arm/v6", true),
        (json!(["arm", ""]), "linux/arm/v7", true),
        (json!([null, null]), "linux/amd64", false),
    ] {
        let place = tempfile::tempdir().unwrap();
        let says = [("architecture", config[0].clone()), ("variant", config[1].clone())];
        layout(&place.path().join("layout"), &says);
        let ran = strake(place.path(), &["copy", "--platform", asked, "oci:layout", "oci:new"]);
        if is_it {
            assert_eq!(ran.code, Some(0), "{config} {asked}: {}", ran.stderr);
        } else {
            ran.failed(&["holds no image for", asked]);
        }
    }
}

/// An index that lists an image for no platform beside one for another, and which comes.
#[test]
fn entries_without_a_platform() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let first = layout(&place.join("layout"), &[("architecture", "riscv64".into())]);
    let second = layout(&place.join("layout"), &[("architecture", "ppc64le".into())]);
    let mut entries = [descriptor(MANIFEST, &first.manifest), descriptor(MANIFEST, &second.manifest)];
    entries[1]["platform"] = json!({ "architecture": "ppc64le", "os": "linux" });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    std::fs::write(place.join("layout/index.json"), index.to_string()).unwrap();
    for arch in ["riscv64", "ppc64le"] {
        let config: Value =
            serde_json::from_str(&strake_ok(place, &["inspect", "--config", "--arch", arch, "oci:layout"]))
                .unwrap();
        assert_eq!(config["architecture"], arch);
    }
    strake(place, &["inspect", "--arch", "s390x", "oci:layout"])
        .failed(&["holds no image for linux/s390x, but linux/riscv64"]);
}

/// An index is for several, and `--arch` says there what the store paths are for.
#[test]
fn images_for_an_index() {
    let sources = Sources::new();
    let place = sources.place();
    layout(&place.join("riscv"), &[("architecture", "riscv64".into())]);
    strake_ok(place, &["copy", "--index", "--arch", "riscv64", "oci:layout", "oci:riscv", "oci:both"]);
    let shown = strake_ok(place, &["inspect", "oci:both"]);
    assert!(shown.contains("linux/riscv64") && shown.contains(&format!("linux/{}", other())), "{shown}");
    // The docker-archive gets the only image of an index beside a layout that gets all.
    strake_ok(place, &["copy", "oci:index", "oci:all", "docker-archive:one.tar"]);
    let shown = strake_ok(place, &["inspect", "docker-archive:one.tar"]);
    assert!(shown.contains(&format!("linux/{}", other())), "{shown}");
    strake(place, &["copy", "oci:both", "oci:all", "docker-archive:two.tar"])
        .failed(&["for several platforms"]);
}

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strake_image::Digest;
use strake_testkit::command::{command, stdout_of};
use strake_testkit::peer::require;
use strake_testkit::registry::{Personality, Registry};
use strake_testkit::store::TestStore;

use crate::copy::{identity, strake, strake_ok};
use crate::copy_hostile::Layout;
use crate::platforms::Several;

fn json_of(place: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&strake_ok(place, arguments)).unwrap()
}

fn raw(place: &Path, image: &str) -> String {
    strake_ok(place, &["inspect", "--raw", image])
}

/// This machine's architecture, as a plan for it has it.
fn machine(place: &Path) -> String {
    fs::write(place.join("graph.json"), "[]").unwrap();
    let plan = json_of(place, &["plan", "--graph", "graph.json", "--name", "x"]);
    plan["architecture"].as_str().unwrap().to_owned()
}

#[test]
fn all_of_an_index() {
    let several = Several::new();
    let place = several.place();
    strake_ok(place, &["copy", "oci:several", "oci:new:a:1", "oci-archive:new.tar"]);
    strake_ok(place, &["copy", "oci-archive:new.tar", "oci:back"]);
    strake_ok(place, &["copy", "oci:several:multi", "oci:new:b"]);
    for image in ["oci:new:a:1", "oci-archive:new.tar", "oci:back:multi", "oci:new:b"] {
        assert_eq!(raw(place, image), several.index, "{image}");
        assert!(
            strake_ok(place, &["verify", image]).ends_with("OK: 3 images, 9 layers verified\n"),
            "{image}"
        );
    }
    // The same blobs, and no more than these: the index under its name is in index.json.
    let blobs = |layout: &str| {
        let entries = fs::read_dir(place.join(layout).join("blobs/sha256")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(blobs("back"), blobs("new"));
    assert_eq!(blobs("back").len(), blobs("several").len());
    // Existing blobs are not read.
    fs::remove_file(several.blob_path(&json!({ "digest": format!("sha256:{}", layer_of(place, "arm64")) })))
        .unwrap();
    strake_ok(place, &["copy", "oci:several", "oci:new:c"]);
    strake(place, &["copy", "oci:several", "oci:other"]).failed(&["is not there", "hint:"]);
    assert!(!place.join("other/index.json").exists());
    strake_ok(place, &["copy", "--platform", "linux/amd64", "oci:several", "oci:other"]);
}

/// The digest of the layer that only the image for this architecture has.
fn layer_of(place: &Path, arch: &str) -> String {
    let manifest = json_of(place, &["inspect", "--manifest", "--arch", arch, "oci:several"]);
    manifest["layers"][1]["digest"].as_str().unwrap().replace("sha256:", "")
}

#[test]
fn one_platform_of_an_index() {
    let several = Several::new();
    let place = several.place();
    let of = |arch: &str| {
        json_of(place, &["inspect", "--json", "--arch", arch, "oci:several"])["image_id"].clone()
    };
    let id = |image: &str| json_of(place, &["inspect", "--json", image])["image_id"].clone();
    strake_ok(
        place,
        &["copy", "--platform", "linux/arm64/v8", "oci:several", "oci:arm", "docker-archive:arm.tar"],
    );
    strake_ok(place, &["copy", "--arch", "arm64", "oci:several", "oci-archive:arm.oci.tar"]);
    for image in ["oci:arm", "docker-archive:arm.tar", "oci-archive:arm.oci.tar"] {
        assert_eq!(id(image), of("arm64"), "{image}");
        identity(place, image);
    }
    // Where there is room for one, it is this machine's; beside that the others have all.
    let machine = machine(place);
    strake_ok(place, &["copy", "oci:several", "docker-archive:one.tar"]);
    let ran = strake(place, &["copy", "oci:several", "oci:all", "-", "docker-archive:two.tar:b:1"]);
    fs::write(place.join("three.tar"), &ran.stdout).unwrap();
    for image in ["docker-archive:one.tar", "docker-archive:two.tar", "docker-archive:three.tar"] {
        assert_eq!(id(image), of(&machine), "{image} {}", ran.stderr);
        identity(place, image);
    }
    assert_eq!(raw(place, "oci:all"), several.index);
    strake(place, &["copy", "--platform", "linux/s390x", "oci:several", "oci:x"])
        .failed(&["no image for linux/s390x", "linux/amd64"]);
    assert_eq!(
        strake(place, &["copy", "--platform", "linux/amd64", "--arch", "amd64", "oci:several", "oci:x"]).code,
        Some(2)
    );
}

#[test]
fn listed_anew() {
    let several = Several::new();
    let place = several.place();
    let index: Value = serde_json::from_str(&several.index).unwrap();
    for (flags, target) in [
        (&["--format", "docker"][..], "oci:docker"),
        (&["--annotation", "a=b"], "oci:annotated"),
        (&["--compress", "gzip"], "oci:gzip"),
    ] {
        strake_ok(place, &[&["copy"], flags, &["oci:several", target]].concat());
        assert!(
            strake_ok(place, &["verify", target]).ends_with("OK: 3 images, 9 layers verified\n"),
            "{target}"
        );
        let new: Value = serde_json::from_str(&raw(place, target)).unwrap();
        assert_eq!(new["annotations"], index["annotations"]);
        for number in 0..4 {
            let (old, new) = (&index["manifests"][number], &new["manifests"][number]);
            assert_eq!(old["platform"], new["platform"]);
            // Only the attestation is what it was.
            assert_eq!(old["digest"] == new["digest"], number == 2, "{target} {number}");
        }
        // It is about the image that it was about.
        let about = &new["manifests"][2]["annotations"]["vnd.docker.reference.digest"];
        assert_eq!(*about, new["manifests"][0]["digest"]);
        for arch in ["amd64", "arm64"] {
            let id = |image: &str| {
                json_of(place, &["inspect", "--json", "--arch", arch, image])["image_id"].clone()
            };
            assert_eq!(id(target), id("oci:several"));
        }
    }
    let types: Value = serde_json::from_str(&raw(place, "oci:docker")).unwrap();
    assert_eq!(types["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
    assert_eq!(types["manifests"][3]["mediaType"], types["mediaType"]);
    assert_eq!(types["manifests"][0]["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
}

/// Confs for these architectures, and a finished image for another.
fn parts() -> (TestStore, tempfile::TempDir) {
    let store = TestStore::golden(1);
    let place = tempfile::tempdir().unwrap();
    let plain: Value = serde_json::from_slice(&fs::read(store.conf("plain")).unwrap()).unwrap();
    for arch in ["amd64", "arm64", "riscv64"] {
        let conf = store.write_conf(arch, &[], |conf| {
            conf["architecture"] = arch.into();
            conf["store_layers"] = json!([plain["store_layers"][0]]);
            conf["repo_tag"] = "parts:1".into();
        });
        fs::copy(conf, place.path().join(format!("{arch}.json"))).unwrap();
    }
    let root = store.root().to_str().unwrap();
    strake_ok(place.path(), &["copy", "--store-root", root, "riscv64.json", "docker-archive:riscv64.tar"]);
    (store, place)
}

#[test]
fn an_index_of_several_images() {
    let (store, place) = parts();
    let place = place.path();
    let root = store.root().to_str().unwrap();
    let copy = |arguments: &[&str]| strake(place, &[&["copy", "--store-root", root], arguments].concat());
    let ok = |arguments: &[&str]| {
        let ran = copy(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    };
    ok(&["--index", "amd64.json", "arm64.json", "docker-archive:riscv64.tar", "oci:new"]);
    ok(&[
        "--index",
        "amd64.json",
        "arm64.json",
        "docker-archive:riscv64.tar",
        "--",
        "oci:other:a",
        "oci-archive:a.tar",
    ]);
    let text = raw(place, "oci:new");
    for image in ["oci:other:a", "oci-archive:a.tar", "oci:new:parts:1"] {
        assert_eq!(raw(place, image), text, "{image}");
        assert!(strake_ok(place, &["verify", image]).contains(": 3 images, "), "{image}");
    }
    let index: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    for (entry, arch) in index["manifests"].as_array().unwrap().iter().zip(["amd64", "arm64", "riscv64"]) {
        assert_eq!(entry["platform"], json!({ "architecture": arch, "os": "linux" }));
        let alone = format!("oci:alone-{arch}");
        ok(&[&format!("{arch}.json"), &alone]);
        assert_eq!(entry["digest"], Digest::of(raw(place, &alone).as_bytes()).to_string());
    }
    ok(&["--index", "--format", "docker", "amd64.json", "arm64.json", "oci:docker"]);
    let docker: Value = serde_json::from_str(&raw(place, "oci:docker")).unwrap();
    assert_eq!(docker["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");

    // All that a config says of its platform goes into the index.
    let mut layout = Layout::new();
    for (key, value) in [
        ("architecture", json!("arm")),
        ("variant", json!("v7")),
        ("os.version", json!("1.2")),
        ("os.features", json!(["x"])),
    ] {
        layout.config[key] = value;
    }
    let layout = layout.with_config();
    let arm = format!("oci:{}", layout.place().join("layout").display());
    ok(&["--index", "amd64.json", &arm, "oci:arm"]);
    let index: Value = serde_json::from_str(&raw(place, "oci:arm")).unwrap();
    let platform = json!({ "architecture": "arm", "os": "linux", "os.version": "1.2", "os.features": ["x"], "variant": "v7" });
    assert_eq!(index["manifests"][1]["platform"], platform);

    for (arguments, words) in [
        (
            &["--index", "amd64.json", "amd64.json", "oci:x"][..],
            &["two images are for linux/amd64", "hint:"][..],
        ),
        (
            &["--index", "amd64.json", "arm64.json", "docker-archive:x"],
            &["docker-archive:x", "has room for one image"],
        ),
        (&["--index", "amd64.json", "arm64.json", "-"], &["stdout has room for one image"]),
        (&["--index", "amd64.json", "arm64.json"], &["arm64.json is not a destination"]),
        (&["--index", "oci:x"], &["there is no image to copy"]),
        (&["--index", "oci:new", "oci:x"], &["for several platforms: linux/amd64, linux/arm64"]),
        (&["amd64.json"], &["amd64.json is not a destination"]),
    ] {
        let ran = copy(arguments);
        // Images that cannot stand together are no fault of the command line.
        if words[0].contains("images are for") || words[0].contains("several platforms") {
            ran.failed(words);
        } else {
            ran.refused(words);
        }
        assert!(!place.join("x").exists(), "{arguments:?}");
    }
}

#[test]
fn to_a_registry_and_back() {
    let several = Several::new();
    let place = several.place();
    let registry = Registry::start(Personality::default());
    let name = |tag: &str| format!("docker://{}/app:{tag}", registry.address());
    let plain = "--tls-verify=false";
    strake_ok(
        place,
        &["copy", plain, "--compress=none", "--digest-file", "digest", "oci:several", &name("a"), &name("b")],
    );
    assert_eq!(
        fs::read_to_string(place.join("digest")).unwrap().trim(),
        Digest::of(several.index.as_bytes()).to_string()
    );
    for tag in ["a", "b"] {
        assert_eq!(strake_ok(place, &["inspect", plain, "--raw", &name(tag)]), several.index);
        registry.complete("app", tag).unwrap();
    }
    // Nothing is sent twice.
    let puts = || registry.count("PUT", "");
    let before = puts();
    strake_ok(place, &["copy", plain, "--compress=none", "oci:several", &name("a")]);
    assert_eq!(puts(), before);
    let said =
        strake(place, &["copy", plain, "--compress=none", "--dry-run", "oci:several", &name("c")]).stderr;
    assert!(said.contains("misses 0 blobs"), "{said}");
    strake_ok(place, &["copy", plain, &name("a"), "oci:back:multi", "oci-archive:back.tar"]);
    assert_eq!(raw(place, "oci:back"), several.index);
    assert!(strake_ok(place, &["verify", plain, &name("a")]).ends_with("OK: 3 images, 9 layers verified\n"));
    let elsewhere = |tag: &str| format!("docker://{}/other:{tag}", registry.address());
    // With layers compressed on the way, and with files beside it.
    strake_ok(place, &["copy", plain, "--compress", "gzip", "oci:several", &elsewhere("a")]);
    strake_ok(
        place,
        &[
            "copy",
            plain,
            "--compress",
            "gzip",
            "oci:several",
            &elsewhere("b"),
            "oci:gzip",
            "docker-archive:x",
        ],
    );
    registry.complete("other", "a").unwrap();
    registry.complete("other", "b").unwrap();
    assert_eq!(strake_ok(place, &["inspect", plain, "--raw", &elsewhere("a")]), raw(place, "oci:gzip"));
    let (store, parts) = parts();
    let root = store.root().to_str().unwrap();
    let new = format!("docker://{}/new:a", registry.address());
    strake_ok(
        parts.path(),
        &["copy", plain, "--store-root", root, "--index", "amd64.json", "arm64.json", &new],
    );
    registry.complete("new", "a").unwrap();
}

#[test]
#[ignore = "needs skopeo"]
fn skopeo_takes_an_index() {
    let (store, place) = parts();
    let place = place.path();
    let root = store.root().to_str().unwrap();
    strake_ok(place, &["copy", "--store-root", root, "--index", "amd64.json", "arm64.json", "oci:new:a"]);
    for (from, to) in [("oci:new:a", "dir:directory"), ("oci:new:a", "oci:copied:b")] {
        let mut skopeo =
            command(require("skopeo"), ["--insecure-policy", "copy", "-q", "--all", "--preserve-digests"]);
        skopeo.args([from, to]).current_dir(place);
        stdout_of(skopeo);
    }
    let text = raw(place, "oci:new");
    assert_eq!(raw(place, "oci:copied:b"), text);
    assert_eq!(fs::read_to_string(place.join("directory/manifest.json")).unwrap(), text);
    strake_ok(place, &["copy", "oci:copied", "oci-archive:again.tar"]);
    assert_eq!(raw(place, "oci-archive:again.tar"), text);
}

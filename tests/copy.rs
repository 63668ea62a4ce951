use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::command::{output_of, text};
use strake_testkit::layer::python;
use strake_testkit::store::TestStore;

use crate::strake::{Ran, program, ran, stream};

/// `strake` with these arguments, in a directory, without a cache.
pub(crate) fn strake(place: &Path, arguments: &[&str]) -> Ran {
    let mut program = program();
    program.args(arguments).current_dir(place).env("STRAKE_CACHE_DIR", place.join("cache"));
    ran(output_of(&mut program))
}

/// The same, and it must go well. Returns its stdout.
pub(crate) fn strake_ok(place: &Path, arguments: &[&str]) -> String {
    let ran = strake(place, arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", text(&ran.stdout), ran.stderr);
    text(&ran.stdout)
}

/// The properties that every copy keeps: its ID, its config, its diff ids.
pub(crate) fn identity(place: &Path, image: &str) -> (String, String, Value) {
    strake_ok(place, &["verify", image]);
    let shown: Value = serde_json::from_str(&strake_ok(place, &["inspect", "--json", image])).unwrap();
    let config = strake_ok(place, &["inspect", "--config", "--raw", image]);
    let diff_ids: Vec<&Value> =
        shown["layers"].as_array().unwrap().iter().map(|layer| &layer["diff_id"]).collect();
    (shown["image_id"].as_str().unwrap().to_owned(), config, json!(diff_ids))
}

/// A directory with the golden store's image in all forms, made at once. Its names are `image.tar`, `layout` and
/// `layout.tar`.
pub(crate) fn images(conf: &str) -> (TestStore, tempfile::TempDir) {
    let store = TestStore::golden(1);
    let place = tempfile::tempdir().unwrap();
    let (root, conf) = (store.root().to_str().unwrap(), store.conf(conf));
    let source = ["copy", "--store-root", root, "-q", conf.to_str().unwrap()];
    strake_ok(place.path(), &[&source[..], &FORMS].concat());
    (store, place)
}

const FORMS: [&str; 3] = ["docker-archive:image.tar", "oci:layout", "oci-archive:layout.tar"];

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn any_source_to_any_sink() {
    for conf in ["plain", "base"] {
        let (store, place) = images(conf);
        let place = place.path();
        let streamed = stream(&store, &store.conf(conf)).archive();
        assert!(fs::read(place.join("image.tar")).unwrap() == streamed, "{conf}");
        let root = store.root().to_str().unwrap();
        let conf = store.conf(conf);
        let shown = strake_ok(place, &["inspect", "--json", "--store-root", root, conf.to_str().unwrap()]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        strake_ok(place, &["verify", "--store-root", root, conf.to_str().unwrap()]);
        let expected = identity(place, FORMS[0]);
        assert_eq!(shown["image_id"], expected.0.as_str());
        for source in FORMS {
            assert_eq!(identity(place, source), expected, "{source}");
            for sink in ["docker-archive:new.tar", "oci:new", "oci-archive:new.oci.tar"] {
                strake_ok(place, &["copy", source, sink]);
                assert_eq!(identity(place, sink), expected, "{source} {sink}");
            }
            fs::write(place.join("stdout.tar"), output_bytes(place, &["copy", source, "-"])).unwrap();
            assert_eq!(identity(place, "docker-archive:stdout.tar"), expected, "{source}");
            let _ = fs::remove_dir_all(place.join("new"));
        }
    }
}

fn output_bytes(place: &Path, arguments: &[&str]) -> Vec<u8> {
    let ran = strake(place, arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout
}

#[test]
fn several_destinations_are_as_one_by_one() {
    let (_store, place) = images("plain");
    let place = place.path();
    strake_ok(place, &["copy", "oci:layout", "docker-archive:a", "oci-archive:b", "oci-archive:c"]);
    strake_ok(place, &["copy", "oci:layout", "docker-archive:alone.a"]);
    strake_ok(place, &["copy", "oci:layout", "oci-archive:alone.b"]);
    let read = |name: &str| fs::read(place.join(name)).unwrap();
    assert!(read("a") == read("alone.a") && read("b") == read("alone.b") && read("b") == read("c"));
}

#[test]
fn a_layout_is_added_to() {
    let (_store, place) = images("plain");
    let place = place.path();
    // Another image, and unknown entries.
    strake_ok(place, &["copy", "--annotation", "a=b", "oci:layout", "oci:layout:other"]);
    let path = place.join("layout/index.json");
    let mut index = json_file(&path);
    index["unknown"] = json!({ "kept": [1.5, null] });
    index["manifests"][0]["annotations"]["unknown"] = json!("kept");
    index["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": "text/plain", "digest": "sha256:00", "size": 1,
        "annotations": { "org.opencontainers.image.ref.name": "elsewhere" }
    }));
    fs::write(&path, index.to_string()).unwrap();
    let state = |path: &Path| {
        let state = fs::metadata(path).unwrap();
        (state.ino(), state.ctime(), state.ctime_nsec())
    };
    let blobs = || -> Vec<_> {
        let mut blobs: Vec<_> = fs::read_dir(place.join("layout/blobs/sha256"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        blobs.sort();
        blobs.into_iter().map(|path| (state(&path), path)).collect()
    };
    let before = blobs();

    // The name moves to the image that has no annotation; nothing else changes.
    strake_ok(place, &["copy", "docker-archive:image.tar", "oci:layout:other"]);
    assert!(blobs() == before);
    let now = json_file(&path);
    assert_eq!(now["unknown"], index["unknown"]);
    assert_eq!(now["manifests"].as_array().unwrap().len(), 3);
    assert_eq!(now["manifests"][0], index["manifests"][0]);
    assert_eq!(now["manifests"][2], index["manifests"][2]);
    assert_eq!(now["manifests"][1]["digest"], now["manifests"][0]["digest"]);
    assert_ne!(now["manifests"][1]["digest"], index["manifests"][1]["digest"]);
    assert_eq!(identity(place, "oci:layout:other"), identity(place, "docker-archive:image.tar"));
    // Once more is the same once more.
    strake_ok(place, &["copy", "docker-archive:image.tar", "oci:layout:other"]);
    assert_eq!(json_file(&path), now);

    // A directory that is something else is left alone.
    fs::create_dir(place.join("else")).unwrap();
    fs::write(place.join("else/file"), "text").unwrap();
    strake(place, &["copy", "oci:layout:other", "oci:else"]).failed(&["else", "not an OCI layout", "hint:"]);
    fs::write(&path, "{").unwrap();
    strake(place, &["copy", "docker-archive:image.tar", "oci:layout"]).failed(&["layout", "index.json"]);
}

/// Changes the config of `image.tar`, writing the result to another archive.
const CHANGE: &str = r#"
import hashlib, io, json, sys, tarfile
old, out = tarfile.open("image.tar"), tarfile.open("changed.tar", "w")
manifest = json.load(old.extractfile("manifest.json"))
config = json.load(old.extractfile(manifest[0]["Config"]))
config["unknown"] = {"kept": [1.50, 12345678901234567890123, None]}
config["history"].insert(1, {"created": "2020-01-01T00:00:00Z", "created_by": "ENV", "empty_layer": True})
text = json.dumps(config, indent=1).encode()
manifest[0]["Config"] = hashlib.sha256(text).hexdigest() + ".json"
manifest.insert(0, {"Config": "gone", "RepoTags": None, "Layers": []})
manifest[1]["RepoTags"] = ["a:1", "docker.io/b/c:2"]
def add(name, data):
    member = tarfile.TarInfo(name); member.size = len(data); out.addfile(member, io.BytesIO(data))
for name in manifest[1]["Layers"]:
    add(name, old.extractfile(name).read())
add(manifest[1]["Config"], text)
add("manifest.json", json.dumps(manifest).encode())
out.close()
print(hashlib.sha256(text).hexdigest())
"#;

#[test]
fn all_of_a_config_survives() {
    let (_store, place) = images("plain");
    let place = place.path();
    let script = format!("import os; os.chdir({:?})\n{CHANGE}", place.to_str().unwrap());
    let id = format!("sha256:{}", text(&python(&script, &[], b"")).trim());
    strake(place, &["verify", "docker-archive:changed.tar"]).failed(&["no member \"gone\""]);
    // A name may be short only for Docker's own registry.
    strake(place, &["verify", "docker-archive:changed.tar:c:2"])
        .failed(&["no image \"c:2\"", "a:1, docker.io/b/c:2"]);
    for name in ["@1", "a:1", "docker.io/library/a:1", "b/c:2"] {
        let source = format!("docker-archive:changed.tar:{name}");
        strake_ok(place, &["copy", &source, "oci:new", "oci-archive:new.tar"]);
        for image in
            ["oci:new:a:1", "oci:new:docker.io/b/c:2", "oci:new", "oci-archive:new.tar", source.as_str()]
        {
            let (found, config, _) = identity(place, image);
            assert_eq!(found, id, "{image}");
            assert!(
                config.contains("\"kept\": [\n   1.5,\n   12345678901234567890123,\n   null"),
                "{config}"
            );
        }
    }
    // Both names are the image's in a docker-archive, too.
    strake_ok(place, &["copy", "oci:new", "docker-archive:again.tar"]);
    let shown: Value =
        serde_json::from_str(&strake_ok(place, &["inspect", "--json", "docker-archive:again.tar"])).unwrap();
    assert_eq!(shown["names"], json!(["a:1", "docker.io/b/c:2"]));
}

#[test]
fn manifests() {
    let (_store, place) = images("plain");
    let place = place.path();
    let manifest = |image: &str| strake_ok(place, &["inspect", "--raw", image]);
    let types = |image: &str| {
        let manifest: Value = serde_json::from_str(&manifest(image)).unwrap();
        let end =
            |value: &Value| value["mediaType"].as_str().unwrap().rsplit_once("vnd.").unwrap().1.to_owned();
        (end(&manifest), end(&manifest["config"]), end(&manifest["layers"][0]))
    };
    let types_of = |parts: [&str; 3]| (parts[0].to_owned(), parts[1].to_owned(), parts[2].to_owned());
    let oci = types_of(["oci.image.manifest.v1+json", "oci.image.config.v1+json", "oci.image.layer.v1.tar"]);
    let docker = types_of([
        "docker.distribution.manifest.v2+json",
        "docker.container.image.v1+json",
        "docker.image.rootfs.diff.tar",
    ]);
    assert_eq!(types("oci:layout"), oci);
    strake_ok(place, &["copy", "--format", "docker", "oci:layout", "oci:docker"]);
    assert_eq!(types("oci:docker"), docker);
    let index = json_file(&place.join("docker/index.json"));
    assert_eq!(index["manifests"][0]["mediaType"], format!("application/vnd.{}", docker.0));
    // An image's formats stay, unless others are requested.
    strake_ok(place, &["copy", "oci:docker", "oci:same"]);
    assert_eq!(manifest("oci:same"), manifest("oci:docker"));
    strake_ok(place, &["copy", "--format", "oci", "oci:docker", "oci:back"]);
    assert_eq!(manifest("oci:back"), manifest("oci:layout"));
    strake_ok(place, &["copy", "--annotation", "a=b=c", "--annotation", "d=", "oci:docker", "oci:annotated"]);
    assert_eq!(types("oci:annotated"), oci);
    let annotated: Value = serde_json::from_str(&manifest("oci:annotated")).unwrap();
    assert_eq!(annotated["annotations"], json!({ "a": "b=c", "d": "" }));
    strake_ok(place, &["copy", "--annotation", "d=e", "oci:annotated", "oci-archive:again"]);
    let annotated: Value = serde_json::from_str(&manifest("oci-archive:again")).unwrap();
    assert_eq!(annotated["annotations"], json!({ "a": "b=c", "d": "e" }));
    for image in ["oci:docker", "oci:back", "oci:annotated", "oci-archive:again"] {
        assert_eq!(identity(place, image), identity(place, "oci:layout"), "{image}");
    }
    for wrong in [
        &["copy", "--annotation", "a", "oci:layout", "oci:x"][..],
        &["copy", "--annotation", "a=b", "oci:layout", "docker-archive:x"],
        &["copy", "--annotation", "a=b", "--format", "docker", "oci:layout", "oci:x"],
        &["copy", "--name", "a", "oci:layout", "oci:x"],
        &["copy", "oci:layout", "-", "-"],
        &["copy", "oci:layout", "elsewhere"],
        &["copy", "oci:layout:", "oci:x"],
        &["copy", "oci:layout", "docker-archive:x:A"],
    ] {
        strake(place, wrong).refused(&[]);
        assert!(!place.join("x").exists(), "{wrong:?}");
    }
    strake(place, &["copy", "oci:gone", "oci:x"]).failed(&[]);
    assert!(!place.join("x").exists());
}

#[test]
fn what_is_there_already_need_not_come() {
    let (_store, place) = images("plain");
    let place = place.path();
    strake_ok(place, &["copy", "oci:layout", "oci:there"]);
    let before = identity(place, "oci:layout");
    let manifest: Value =
        serde_json::from_str(&strake_ok(place, &["inspect", "--raw", "oci:layout"])).unwrap();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    fs::remove_file(place.join("layout/blobs/sha256").join(&digest)).unwrap();
    // It can be looked at, and go where the layer is.
    strake_ok(place, &["inspect", "oci:layout"]);
    strake_ok(place, &["copy", "oci:layout", "oci:there:again"]);
    assert_eq!(identity(place, "oci:there:again"), before);
    for target in ["oci:new", "oci-archive:new.tar", "docker-archive:new.tar"] {
        strake(place, &["copy", "oci:layout", target]).failed(&[&digest, "hint:"]);
    }
    assert!(!place.join("new.tar").exists() && !place.join("new/index.json").exists());
    let verified = strake(place, &["verify", "oci:layout"]);
    verified.failed(&["has a problem"]);
    assert_eq!(text(&verified.stdout), format!("layer 1: the blob sha256:{digest} is missing\n"));
}

#[test]
fn inspect_shows() {
    let (_store, place) = images("plain");
    let place = place.path();
    let table = strake_ok(place, &["inspect", "oci:layout"]);
    for words in [
        "layer ",
        "diff id",
        "name         golden:latest",
        "platform     linux/amd64",
        "id           sha256:",
    ] {
        assert!(table.contains(words), "{words:?} is not in {table}");
    }
    let manifest = strake_ok(place, &["inspect", "--manifest", "docker-archive:image.tar"]);
    assert_eq!(manifest, strake_ok(place, &["inspect", "--manifest", "oci:layout"]));
    assert!(strake_ok(place, &["inspect", "--raw", "docker-archive:image.tar"]).starts_with("[\n"));
    let config: Value =
        serde_json::from_str(&strake_ok(place, &["inspect", "--config", "oci:layout"])).unwrap();
    assert_eq!(config["os"], "linux");
}

/// Digests, annotations, sizes as they are stored and uncompressed, where they are known.
#[test]
fn inspect_shows_manifests_and_sizes() {
    let (_store, place) = images("plain");
    let place = place.path();
    let annotated =
        ["copy", "--annotation", "org.example.team=a b", "--compress", "gzip", "oci:layout", "oci:small"];
    strake_ok(place, &annotated);
    let json_of =
        |arguments: &[&str]| -> Value { serde_json::from_str(&strake_ok(place, arguments)).unwrap() };
    let json = |image: &str| json_of(&["inspect", "--json", image]);
    let sum = |shown: &Value, key: &str| {
        shown["layers"].as_array().unwrap().iter().map(|layer| layer[key].as_u64().unwrap()).sum::<u64>()
    };
    let (whole, small) = (json("oci:layout"), json("oci:small"));
    for (image, shown) in [("oci:layout", &whole), ("oci:small", &small)] {
        let manifest = strake_ok(place, &["inspect", "--raw", image]);
        assert_eq!(shown["manifest"], strake_testkit::registry::digest(manifest.as_bytes()));
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        for (listed, layer) in layers.iter().zip(shown["layers"].as_array().unwrap()) {
            assert_eq!((&listed["digest"], &listed["size"]), (&layer["digest"], &layer["size"]));
        }
        assert_eq!(shown["size"], sum(shown, "size"));
    }
    assert_eq!(
        (&whole["annotations"], &whole["uncompressed_size"]),
        (&serde_json::json!({}), &whole["size"])
    );
    assert_eq!(small["annotations"], serde_json::json!({"org.example.team": "a b"}));
    assert!(small["size"].as_u64() < whole["size"].as_u64());
    // Sizes of layers that were never decompressed are unknown; the cache may have the layers that were made here.
    let small = json_of(&["inspect", "--json", "--no-cache", "oci:small"]);
    assert_eq!(small["uncompressed_size"], Value::Null);
    let table = strake_ok(place, &["inspect", "--no-cache", "oci:small"]);
    let manifest = format!("manifest     {}\n", small["manifest"].as_str().unwrap());
    for words in [&*manifest, "annotation   org.example.team=a b\n", " unknown  "] {
        assert!(table.contains(words), "{words:?} is not in {table}");
    }
    // A docker-archive has no manifest.
    assert_eq!(json("docker-archive:image.tar")["manifest"], Value::Null);
}

#[test]
fn verify_says_it_as_json() {
    let (_store, place) = images("plain");
    let place = place.path();
    let json = |ran: &crate::strake::Ran| -> Value { serde_json::from_slice(&ran.stdout).unwrap() };
    let right = strake(place, &["verify", "--json", "oci:layout"]);
    let expected =
        serde_json::json!({ "image": "oci:layout", "ok": true, "images": 1, "layers": 8, "problems": [] });
    assert_eq!((json(&right), right.code, &*right.stderr), (expected, Some(0), ""));
    let manifest: Value =
        serde_json::from_str(&strake_ok(place, &["inspect", "--raw", "oci:layout"])).unwrap();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    std::fs::remove_file(place.join("layout/blobs/sha256").join(digest)).unwrap();
    let wrong = strake(place, &["verify", "--json", "oci:layout"]);
    let problem = format!("layer 1: the blob sha256:{digest} is missing");
    let expected = serde_json::json!({ "image": "oci:layout", "ok": false, "images": 1, "layers": 8, "problems": [problem] });
    assert_eq!((json(&wrong), wrong.code), (expected, Some(1)));
    let event: Value = serde_json::from_str(&wrong.stderr).unwrap();
    assert_eq!((&event["event"], &event["message"]), (&"error".into(), &"oci:layout has a problem".into()));
}

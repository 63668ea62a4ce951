use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strake_image::Digest;
use strake_testkit::command::{output_of, text};
use strake_testkit::layer::python;
use strake_testkit::store::TestStore;
use strake_testkit::wait::until_settled;

use crate::copy::{identity, images, strake, strake_ok};
use crate::strake::{Ran, program, ran, stream};

fn manifest(place: &Path, image: &str) -> Value {
    serde_json::from_str(&strake_ok(place, &["inspect", "--raw", image])).unwrap()
}

/// The ends of the layers' media types.
fn types(place: &Path, image: &str) -> Vec<String> {
    let end =
        |layer: &Value| layer["mediaType"].as_str().unwrap().rsplit_once("layer.v1.").unwrap().1.to_owned();
    manifest(place, image)["layers"].as_array().unwrap().iter().map(end).collect()
}

/// Runs a copy that must go well and returns how many bytes were hashed and compressed.
fn work(place: &Path, arguments: &[&str]) -> (u64, u64) {
    let ran = strake(place, &[&["copy", "--json"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
    let events: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = events.iter().find(|event| event["event"] == "done").unwrap();
    (done["hashed"].as_u64().unwrap(), done["compressed"].as_u64().unwrap())
}

/// A golden store whose files are old enough for digests to be cached, and a place.
fn settled() -> (TestStore, tempfile::TempDir, Vec<String>) {
    let store = TestStore::golden(1);
    until_settled(store.root());
    let paths = [store.root().to_owned(), store.conf("plain")].map(|path| path.to_str().unwrap().to_owned());
    let [root, conf] = paths;
    let source = vec!["--store-root".to_owned(), root, conf];
    (store, tempfile::tempdir().unwrap(), source)
}

fn with<'a>(options: &[&'a str], source: &'a [String], targets: &[&'a str]) -> Vec<&'a str> {
    let source = source.iter().map(String::as_str);
    options.iter().copied().chain(source).chain(targets.iter().copied()).collect()
}

#[test]
fn the_same_in_all_forms_and_on_any_number_of_threads() {
    for conf in ["plain", "base"] {
        let (store, place) = images(conf);
        let place = place.path();
        let expected = identity(place, "oci:layout");
        let root = store.root().to_str().unwrap();
        let conf_file = store.conf(conf);
        for (compression, media_type) in [("gzip", "tar+gzip"), ("zstd:5", "tar+zstd")] {
            let mut manifests = Vec::new();
            for (number, options) in
                [&["-j", "1", "--no-cache"][..], &["-j", "5"], &[], &["--verify"]].iter().enumerate()
            {
                let [oci, archive] = [
                    format!("oci:{compression}-{number}").replace("d:", "d-"),
                    format!("oci-archive:{number}.tar"),
                ];
                let targets = [oci.as_str(), &archive, "docker-archive:docker.tar"];
                let start = ["copy", "--compress", compression, "--store-root", root];
                strake_ok(place, &[&start[..], options, &[conf_file.to_str().unwrap()], &targets].concat());
                for image in targets {
                    assert_eq!(identity(place, image), expected, "{image}");
                }
                for image in [&oci, &archive] {
                    manifests.push(manifest(place, image));
                    assert!(types(place, image).iter().all(|found| found == media_type), "{image}");
                }
                // In a docker-archive they are as they were.
                assert!(fs::read(place.join("docker.tar")).unwrap() == stream(&store, &conf_file).archive());
            }
            assert!(manifests.iter().all(|other| *other == manifests[0]), "{compression}");
        }
    }
}

#[test]
fn nothing_is_compressed_twice() {
    let (_store, place, source) = settled();
    let place = place.path();
    let gzip = ["--compress", "gzip"];
    let (digested, compressed) = work(place, &with(&gzip, &source, &["oci:one"]));
    assert!(digested > 0 && compressed == digested);
    // It is there: neither hashed nor compressed, so even the files may be absent.
    assert_eq!(work(place, &with(&gzip, &source, &["oci:one:again"])), (0, 0));
    assert_eq!(manifest(place, "oci:one:again"), manifest(place, "oci:one:golden:latest"));
    // Elsewhere it has to be compressed, but its digest is known: it goes straight into an archive.
    let mut strake = program();
    strake.args(["copy", "-q", "--compress", "gzip"]).args(&source).arg("oci-archive:two.tar");
    strake.current_dir(place).env("STRAKE_CACHE_DIR", place.join("cache")).env("TMPDIR", "/nonexistent");
    let straight = ran(output_of(&mut strake));
    assert_eq!(straight.code, Some(0), "{}", straight.stderr);
    assert_eq!(manifest(place, "oci-archive:two.tar"), manifest(place, "oci:one:again"));
    // Another level is something else, and so is another codec.
    for other in ["gzip:9", "zstd"] {
        let target = format!("oci:{}", other.replace(':', "-"));
        assert_eq!(work(place, &with(&["--compress", other], &source, &[&target])), (0, digested));
        assert_eq!(work(place, &with(&["--compress", other], &source, &[&target])), (0, 0));
    }
    // One destination has it, the other does not.
    assert_eq!(work(place, &with(&gzip, &source, &["oci:one", "oci:three"])), (0, digested));
    // Without the cache nothing is known.
    let no_cache = ["--compress", "gzip", "--no-cache"];
    assert_eq!(work(place, &with(&no_cache, &source, &["oci:one"])), (digested, digested));
    let shown = strake_ok(place, &["cache", "show"]);
    assert!(shown.contains("8 layers of") && shown.contains("24 compressed ones of"), "{shown}");
    assert!(shown.contains("gzip:9, libdeflate-sys"), "{shown}");
    assert!(strake_ok(place, &["cache", "clear"]).starts_with("removed 32 entries"));
}

#[test]
fn layers_that_are_compressed_stay_as_they_are() {
    let (store, place) = images("plain");
    let place = place.path();
    strake_ok(place, &["copy", "--compress", "gzip:1", "oci:layout", "oci:gzip"]);
    assert!(types(place, "oci:gzip").iter().all(|found| found == "tar+gzip"));
    assert_eq!(identity(place, "oci:gzip"), identity(place, "oci:layout"));
    for compression in ["gzip", "zstd", "none"] {
        let (target, archive) =
            (format!("oci:again-{compression}"), format!("docker-archive:{compression}.tar"));
        strake_ok(place, &["copy", "--compress", compression, "oci:gzip", &target, &archive]);
        let raw = |image: &str| strake_ok(place, &["inspect", "--raw", image]);
        assert_eq!(raw(&target), raw("oci:gzip"));
    }
    // A base image's are, and those of the store are compressed.
    let base = place.join("none.tar");
    let path = "/nix/store/00000000000000000000000000000001-more";
    fs::create_dir_all(store.real(path)).unwrap();
    fs::write(store.real(path).join("file"), "text").unwrap();
    let conf = store.write_conf("more", &[vec![path.to_owned()]], |conf| conf["from_image"] = json!(base));
    fs::create_dir_all(store.real(place.to_str().unwrap())).unwrap();
    let _ = fs::copy(&base, store.real(base.to_str().unwrap()));
    let root = store.root().to_str().unwrap();
    strake_ok(
        place,
        &["copy", "--compress", "zstd", "--store-root", root, conf.to_str().unwrap(), "oci:more"],
    );
    strake_ok(place, &["verify", "oci:more"]);
    let (base, more) = (manifest(place, "oci:gzip"), manifest(place, "oci:more"));
    let (base, more) = (base["layers"].as_array().unwrap(), more["layers"].as_array().unwrap());
    assert_eq!(more[..base.len()], base[..]);
    assert_eq!(more.len(), base.len() + 2);
    assert!(types(place, "oci:more")[base.len()..].iter().all(|found| found == "tar+zstd"));
}

/// Of a manifest that an image comes with only what is said of its layers changes.
#[test]
fn the_rest_of_a_manifest_stays() {
    let (_store, place) = images("plain");
    let place = place.path();
    let script = r#"
import base64, hashlib, json, os, sys
os.chdir(sys.argv[1] + "/layout")
index = json.load(open("index.json"))
old = index["manifests"][0]
manifest = json.load(open("blobs/sha256/" + old["digest"][7:]))
manifest["unknown"] = {"kept": 12345678901234567890123}
manifest["annotations"] = {"a": "b"}
for layer in manifest["layers"]:
    layer["annotations"] = {"c": "d"}
    blob = open("blobs/sha256/" + layer["digest"][7:], "rb").read()
    layer["data"] = base64.b64encode(blob).decode()
text = json.dumps(manifest, indent=1).encode()
old["digest"], old["size"] = "sha256:" + hashlib.sha256(text).hexdigest(), len(text)
open("blobs/sha256/" + old["digest"][7:], "wb").write(text)
json.dump(index, open("index.json", "w"))
"#;
    python(script, &[place.to_str().unwrap()], b"");
    let before = manifest(place, "oci:layout");
    strake_ok(place, &["copy", "oci:layout", "oci:same"]);
    assert_eq!(
        strake_ok(place, &["inspect", "--raw", "oci:same"]),
        strake_ok(place, &["inspect", "--raw", "oci:layout"])
    );
    strake_ok(place, &["copy", "--compress", "gzip", "oci:layout", "oci:gzip", "oci-archive:gzip.tar"]);
    assert_eq!(identity(place, "oci:gzip"), identity(place, "oci:layout"));
    let after = manifest(place, "oci:gzip");
    assert_eq!(after, manifest(place, "oci-archive:gzip.tar"));
    let mut expected = before.clone();
    for (layer, new) in
        expected["layers"].as_array_mut().unwrap().iter_mut().zip(after["layers"].as_array().unwrap())
    {
        assert_ne!(layer["digest"], new["digest"]);
        for key in ["digest", "size"] {
            layer[key] = new[key].clone();
        }
        layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
        layer.as_object_mut().unwrap().remove("data");
    }
    assert_eq!(after, expected);
    assert!(after.to_string().contains("12345678901234567890123"));
}

#[test]
fn what_is_known_need_not_be_there() {
    let (_store, place) = images("plain");
    let place = place.path();
    until_settled(place);
    let copy = ["--compress", "zstd", "oci:layout"];
    work(place, &[&copy[..], &["oci:there"]].concat());
    for layer in manifest(place, "oci:layout")["layers"].as_array().unwrap() {
        fs::remove_file(blob(place, "layout", layer["digest"].as_str().unwrap())).unwrap();
    }
    assert_eq!(work(place, &[&copy[..], &["oci:there:again"]].concat()), (0, 0));
    strake_ok(place, &["verify", "oci:there:again"]);
    strake(place, &["copy", "--compress", "zstd", "oci:layout", "oci:elsewhere"])
        .failed(&["is not there", "hint:"]);
    // It is known only as long as it is cached.
    strake_ok(place, &["cache", "clear"]);
    strake(place, &["copy", "--compress", "zstd", "oci:layout", "oci:there"]).failed(&["is not there"]);
}

fn blob(place: &Path, layout: &str, digest: &str) -> PathBuf {
    place.join(layout).join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
}

#[test]
fn dockers_manifests() {
    let (_store, place) = images("plain");
    let place = place.path();
    strake_ok(place, &["copy", "--format", "docker", "oci:layout", "oci:docker"]);
    strake_ok(place, &["copy", "--compress", "gzip", "oci:docker", "oci:gzip"]);
    assert_eq!(identity(place, "oci:gzip"), identity(place, "oci:layout"));
    let found = manifest(place, "oci:gzip");
    assert_eq!(found["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    for layer in found["layers"].as_array().unwrap() {
        assert_eq!(layer["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
    }
    for refused in [
        &["copy", "--compress", "zstd", "--format", "docker", "oci:layout", "oci:new"][..],
        &["copy", "--compress", "zstd", "oci:docker", "docker-archive:new.tar", "oci-archive:new"],
    ] {
        strake(place, refused).failed(&["Docker's manifests", "zstd", "hint:"]);
        assert!(!place.join("new").exists() && !place.join("new.tar").exists());
    }
    strake_ok(place, &["copy", "--compress", "zstd", "--format", "oci", "oci:docker", "oci:new"]);
    strake_ok(place, &["copy", "--compress", "zstd", "oci:docker", "docker-archive:new.tar"]);
    for wrong in ["gzip:0", "gzip:13", "zstd:20", "xz", "", "gzip:"] {
        let ran = strake(place, &["copy", "--compress", wrong, "oci:layout", "oci:wrong"]);
        assert_eq!(ran.code, Some(2), "{wrong}: {}", ran.stderr);
        assert!(!place.join("wrong").exists());
    }
}

/// Changes entries of compressed layers, which stay whole.
fn forge(place: &Path, change: impl Fn(&mut Vec<u8>)) {
    for entry in fs::read_dir(place.join("cache/blobs-v1")).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        let mut body = whole[..whole.len() - 32].to_vec();
        change(&mut body);
        let check = Digest::of(&body);
        body.extend_from_slice(check.as_bytes());
        fs::write(&path, body).unwrap();
    }
}

#[test]
fn an_entry_that_lies_is_found_out() {
    let (_store, place, source) = settled();
    let place = place.path();
    let start = ["copy", "--compress", "gzip"];
    strake_ok(place, &with(&start, &source, &["oci:right"]));
    let lie = |body: &mut Vec<u8>| {
        let digest = body.windows(17).rposition(|window| window == b"\"digest\":\"sha256:").unwrap() + 17;
        body[digest..digest + 4].copy_from_slice(b"0123");
    };
    let mut lies = 0;
    for targets in [&["oci:new"][..], &["oci-archive:new.tar"], &["oci:new", "oci-archive:new.tar"]] {
        forge(place, lie);
        // Each run finds one, and forgets it.
        let failed = |ran: &Ran| ran.code == Some(1);
        while failed(&strake(place, &with(&start, &source, targets))) {
            lies += 1;
            assert!(!place.join("new.tar").exists() && !place.join("new/index.json").exists());
            let blobs = fs::read_dir(place.join("new/blobs/sha256")).into_iter().flatten();
            for blob in blobs {
                let path = blob.unwrap().path();
                assert_eq!(
                    Digest::of(&fs::read(&path).unwrap()).hex(),
                    path.file_name().unwrap().to_str().unwrap()
                );
            }
            assert!(lies < 100);
        }
        for target in targets {
            assert_eq!(manifest(place, target), manifest(place, "oci:right"));
        }
        fs::remove_dir_all(place.join("new")).ok();
        fs::remove_file(place.join("new.tar")).ok();
    }
    assert_eq!(lies, 24);
    forge(place, lie);
    strake(place, &with(&start, &source, &["oci:new"])).failed(&[
        "compressed to sha256:",
        "sha256:0123",
        "hint:",
    ]);
    // A damaged one is none.
    strake_ok(place, &["cache", "clear"]);
    strake_ok(place, &with(&start, &source, &["oci:first"]));
    for entry in fs::read_dir(place.join("cache/blobs-v1")).unwrap() {
        let path = entry.unwrap().path();
        let mut whole = fs::read(&path).unwrap();
        whole[30] ^= 1;
        fs::write(&path, whole).unwrap();
    }
    strake_ok(place, &with(&start, &source, &["oci:second"]));
    assert_eq!(manifest(place, "oci:second"), manifest(place, "oci:right"));
}

/// Where a layer of unknown digest cannot be put aside.
#[test]
fn no_room_aside() {
    let (_store, place, source) = settled();
    let place = place.path();
    let mut strake = program();
    strake.args(["copy", "--compress", "gzip"]).args(&source).arg("oci-archive:new.tar");
    strake.current_dir(place).env("STRAKE_CACHE_DIR", place.join("cache")).env("TMPDIR", "/nonexistent");
    ran(output_of(&mut strake)).failed(&["put aside in /nonexistent"]);
    assert!(!place.join("new.tar").exists());
    assert!(text(&ran(output_of(program().args(["copy", "--help"]))).stdout).contains("zstd:19"));
}

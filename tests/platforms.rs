use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strake_image::Digest;
use strake_testkit::store::TestStore;

use crate::copy::{strake, strake_ok};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A directory with a layout `several` in which the name `multi` stands for an index: images for three platforms, what a
/// build attests of one of them, and an index in the index.
pub(crate) struct Several {
    pub(crate) store: TestStore,
    directory: tempfile::TempDir,
    pub(crate) index: String,
    /// The content of the attestation's blob.
    statement: Value,
}

const PLATFORMS: [(&str, &str, Option<&str>); 3] = [
    ("linux/amd64", "amd64", None),
    ("linux/arm64/v8", "arm64", Some("v8")),
    ("linux/riscv64", "riscv64", None),
];

impl Several {
    pub(crate) fn new() -> Self {
        let store = TestStore::golden(1);
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().to_owned();
        let layers = json_file(&store.conf("plain"))["store_layers"].clone();
        let paths: Vec<Value> = serde_json::from_value::<Vec<Vec<Value>>>(layers).unwrap().concat();
        for (number, (_, arch, _)) in PLATFORMS.iter().enumerate() {
            let conf = store.write_conf(arch, &[], |conf| {
                conf["architecture"] = (*arch).into();
                // One layer that all have, and one of its own.
                conf["store_layers"] = json!([paths[..1], [paths[1 + number]]]);
                conf["repo_tag"] = format!("image:{arch}").into();
            });
            let root = store.root().to_str().unwrap();
            strake_ok(&place, &["copy", "-q", "--store-root", root, conf.to_str().unwrap(), "oci:several"]);
        }
        let listed = json_file(&place.join("several/index.json"));
        let mut several = Self { store, directory, index: String::new(), statement: Value::Null };
        let described = |number: usize| {
            let mut entry = listed["manifests"][number].clone();
            let (_, arch, variant) = PLATFORMS[number];
            entry["platform"] = json!({ "os": "linux", "architecture": arch });
            if let Some(variant) = variant {
                entry["platform"]["variant"] = variant.into();
            }
            entry.as_object_mut().unwrap().remove("annotations");
            entry
        };
        let statement = several.blob("application/vnd.in-toto+json", b"{\"_type\": \"statement\"}");
        let config =
            several.blob("application/vnd.oci.image.config.v1+json", b"{\"architecture\": \"unknown\"}");
        let attestation =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement] });
        let mut attestation = several.blob(MANIFEST, attestation.to_string().as_bytes());
        attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        attestation["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": described(0)["digest"],
        });
        let inner =
            json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [described(2), described(0)] });
        let inner = several.blob(INDEX, inner.to_string().as_bytes());
        let entries = [described(0), described(1), attestation, inner];
        // Set out in a way that no program here would write.
        let index = json!({ "manifests": entries, "schemaVersion": 2, "mediaType": INDEX, "annotations": { "a": "b" } });
        several.index = format!("{index:#}  \n");
        several.statement = statement;
        several.name_index();
        several
    }

    /// Lists the index under its name, alone.
    fn name_index(&self) {
        let mut index = self.blob(INDEX, self.index.as_bytes());
        index["annotations"] = json!({ "org.opencontainers.image.ref.name": "multi" });
        let text = json!({ "schemaVersion": 2, "manifests": [index] }).to_string();
        fs::write(self.place().join("several/index.json"), text).unwrap();
    }

    fn blob(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(content);
        fs::write(self.place().join("several/blobs/sha256").join(digest.hex()), content).unwrap();
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": content.len() })
    }

    pub(crate) fn blob_path(&self, descriptor: &Value) -> std::path::PathBuf {
        let digest = descriptor["digest"].as_str().unwrap().replace("sha256:", "");
        self.place().join("several/blobs/sha256").join(digest)
    }

    pub(crate) fn place(&self) -> &Path {
        self.directory.path()
    }
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn json_of(place: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&strake_ok(place, arguments)).unwrap()
}

#[test]
fn are_shown() {
    let several = Several::new();
    let place = several.place();
    for image in ["oci:several", "oci:several:multi"] {
        assert_eq!(strake_ok(place, &["inspect", "--raw", image]), several.index);
        let table = strake_ok(place, &["inspect", image]);
        for (platform, _, _) in PLATFORMS {
            assert_eq!(
                table.lines().filter(|line| line.starts_with(&format!("{platform} "))).count(),
                1,
                "{table}"
            );
        }
        assert_eq!(table.lines().filter(|line| line.starts_with("no image ")).count(), 2, "{table}");
        assert!(table.contains("name         multi\n"), "{table}");
        let shown = json_of(place, &["inspect", "--json", image]);
        assert_eq!(shown["index"], Digest::of(several.index.as_bytes()).to_string());
        assert_eq!(shown["images"][1]["platform"], "linux/arm64/v8");
        assert_eq!(
            (shown["images"].as_array().unwrap().len(), shown["others"].as_array().unwrap().len()),
            (3, 2)
        );
        strake(place, &["inspect", "--config", image]).failed(&[
            "for several platforms: linux/amd64, linux/arm64/v8, linux/riscv64",
            "hint:",
            "--platform",
        ]);
        for (flags, arch) in [
            (["--platform", "linux/arm64"], "arm64"),
            (["--platform", "linux/arm64/v8"], "arm64"),
            (["--arch", "arm64"], "arm64"),
            (["--platform", "linux/amd64"], "amd64"),
        ] {
            let config = json_of(place, &[&["inspect", "--config"], &flags[..], &[image]].concat());
            assert_eq!(config["architecture"], arch);
        }
        strake(place, &["inspect", "--platform", "linux/arm64/v9", image])
            .failed(&["no image for linux/arm64/v9"]);
    }
    assert_eq!(strake(place, &["inspect", "--platform", "arm64", "oci:several"]).code, Some(2));
    let conf = several.store.conf("plain");
    strake(place, &["inspect", "--platform", "linux/arm64", conf.to_str().unwrap()])
        .refused(&["--platform", "--arch"]);
}

#[test]
fn are_verified() {
    let several = Several::new();
    let place = several.place();
    let said = strake_ok(place, &["verify", "oci:several"]);
    assert_eq!(said, "OK: 3 images, 9 layers verified\n");
    let one = strake_ok(place, &["verify", "--platform", "linux/arm64", "oci:several"]);
    assert_eq!(one, "OK: 3 layers verified\n");
    let problems = |words: &[&str]| {
        let ran = strake(place, &["verify", "oci:several"]);
        ran.failed(&["oci:several has"]);
        let said = strake_testkit::command::text(&ran.stdout);
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
    };
    // The own layer of an image, and what stands beside the images.
    let config = json_of(place, &["inspect", "--manifest", "--platform", "linux/arm64", "oci:several"]);
    let layer = several.blob_path(&config["layers"][1]);
    let content = fs::read(&layer).unwrap();
    fs::write(&layer, [&content[1..], b"x"].concat()).unwrap();
    problems(&["linux/arm64/v8: layer 2: "]);
    fs::write(&layer, &content).unwrap();
    let statement = several.blob_path(&several.statement);
    fs::write(&statement, "{\"_type\": \"Statement\"}").unwrap();
    problems(&["beside the images: ", "has the digest"]);
    fs::remove_file(&statement).unwrap();
    problems(&["beside the images: the blob sha256:", " is missing"]);
    assert!(
        strake_ok(place, &["verify", "--platform", "linux/amd64", "oci:several"])
            .ends_with("OK: 3 layers verified\n")
    );
}

/// Invalid indexes.
#[test]
fn broken_and_hostile() {
    let mut several = Several::new();
    let index: Value = serde_json::from_str(&several.index).unwrap();
    let with = |key: &str, value: Value| {
        let mut changed = index.clone();
        changed["manifests"][1][key] = value;
        changed
    };
    let mut deep = index.clone();
    for _ in 0..4 {
        let inner = several.blob(INDEX, deep.to_string().as_bytes());
        deep = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [inner] });
    }
    let large = several.blob(MANIFEST, format!("{{}}{}", " ".repeat(5_000_000)).as_bytes());
    let mut entries = vec![index["manifests"][0].clone()];
    for place in 0..4 {
        // The same text with another digest.
        let text = format!(
            "{{\"schemaVersion\":2,\"config\":{{\"digest\":\"\",\"size\":0}},\"layers\":[]}}{}",
            " ".repeat(5_000_000 + place)
        );
        entries.push(several.blob(MANIFEST, text.as_bytes()));
    }
    let many = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    for (index, words) in [
        (with("digest", json!(format!("sha256:{}", "0".repeat(64)))), "has no member"),
        (with("digest", json!("sha256:../x")), "names a blob wrongly"),
        (with("size", json!(1)), "not 1"),
        (with("size", json!(i64::MAX)), "larger than any image's"),
        (with("mediaType", json!(7)), "damaged"),
        (with("digest", large["digest"].clone()), "bytes, not"),
        (deep, "indexes in indexes"),
        (many, "names a blob wrongly"),
    ] {
        several.index = index.to_string();
        several.name_index();
        for verb in ["inspect", "verify"] {
            strake(several.place(), &[verb, "oci:several"]).failed(&[words]);
        }
    }
}

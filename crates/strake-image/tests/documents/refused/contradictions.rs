//! Documents that say of themselves or of others what is not so.

use serde_json::json;

use super::Edit::{Add, By, Remove, Set};
use super::{Case, capitals, check};
use crate::fixture::Document::{Attestation, Config, Index, IndexJson, Layout, Manifest};
use crate::fixture::{Blobs, CONFIG, INDEX, LAYER, MANIFEST, diff_ids, gzip, layer, with};
use crate::json::{Json, quoted};

const SUBJECT: &str = r#"{"mediaType": "a/b", "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "size": 2, "data": "W10="}"#;
const AMD64: &str = r#"{"architecture": "amd64", "os": "linux"}"#;

const CASES: &[Case] = &[
    // Versions.
    ("has the schemaVersion 1", Manifest, "schemaVersion", Set("1")),
    ("has the schemaVersion 3", Index, "schemaVersion", Set("3")),
    ("has the schemaVersion none", Manifest, "", Remove("schemaVersion")),
    ("has the schemaVersion none", Index, "schemaVersion", Set("null")),
    ("has the schemaVersion none", IndexJson, "", Remove("schemaVersion")),
    ("has the schemaVersion 1", Attestation, "schemaVersion", Set("1")),
    ("version \"2.0.0\"", Layout, "imageLayoutVersion", Set(r#""2.0.0""#)),
    ("version \"\"", Layout, "imageLayoutVersion", Set(r#""""#)),
    ("missing field `imageLayoutVersion`", Layout, "", Remove("imageLayoutVersion")),
    // The config.
    ("rootfs of the type \"layers+base\"", Config, "rootfs/type", Set(r#""layers+base""#)),
    ("rootfs of the type \"Layers\"", Config, "rootfs/type", Set(r#""Layers""#)),
    ("rootfs of the type \"\"", Config, "rootfs", Remove("type")),
    ("missing field `rootfs`", Config, "", Remove("rootfs")),
    ("2 layers but 0 diff ids", Config, "rootfs", Remove("diff_ids")),
    ("speaks of 3 layers", Config, "history/1", Remove("empty_layer")),
    ("speaks of 0 layers", Config, "history", Set("[]")),
    ("does not say its architecture", Config, "", Remove("architecture")),
    ("does not say its architecture", Config, "os", Set(r#""""#)),
    // The platform in the index, and the config's.
    (
        "listed for \"amd64\", and its config is for \"arm64\"",
        Index,
        "manifests/0/platform/architecture",
        Set(r#""amd64""#),
    ),
    ("listed for \"ARM64\"", Index, "manifests/0/platform/architecture", Set(r#""ARM64""#)),
    ("listed for \"windows\"", Index, "manifests/0/platform/os", Set(r#""windows""#)),
    (
        "listed for \"v9\", and its config is for \"v8\"",
        Index,
        "manifests/0/platform/variant",
        Set(r#""v9""#),
    ),
    ("listed for \"v8\", and its config is for \"v9\"", Config, "", Add(r#""variant""#, r#""v9""#)),
    (
        "listed for \"7\", and its config is for \"6\"",
        Index,
        "manifests/0/platform/os.version",
        Set(r#""7""#),
    ),
    (
        "listed for \"a\", and its config is for \"a, b\"",
        Index,
        "manifests/0/platform/os.features",
        Set(r#"["a"]"#),
    ),
    ("missing field `os`", Index, "manifests/0/platform", Set(r#"{"architecture": "arm64"}"#)),
    (
        "listed for \"unknown\"",
        Index,
        "manifests/0/platform",
        Set(r#"{"architecture": "unknown", "os": "unknown"}"#),
    ),
    // The fields of descriptors.
    ("with other data", Manifest, "layers/1", Add(r#""data""#, r#""e30=""#)),
    ("with other data", Manifest, "config", Add(r#""data""#, r#""""#)),
    ("with other data", Index, "manifests/0", Add(r#""data""#, r#""no base 64""#)),
    ("with other data", IndexJson, "manifests/0", Add(r#""data""#, r#""e30""#)),
    ("data is not a string", Manifest, "layers/0", Add(r#""data""#, "[101]")),
    ("urls is not a list", Manifest, "layers/0", Add(r#""urls""#, r#""https://example.org""#)),
    ("names a blob wrongly", Manifest, "layers/1/digest", By(capitals)),
    ("names a blob wrongly", Index, "manifests/0/digest", By(capitals)),
    ("names a blob wrongly", Index, "manifests/0/digest", Set(r#""sha512:00""#)),
    ("missing field `digest`", Manifest, "config", Remove("digest")),
    ("missing field `size`", Index, "manifests/1", Remove("size")),
    ("without a mediaType", Index, "manifests/0", Remove("mediaType")),
    ("without a mediaType", IndexJson, "manifests/0/mediaType", Set(r#""""#)),
    ("with other data", Manifest, "", Add(r#""subject""#, SUBJECT)),
    ("with other data", Index, "", Add(r#""subject""#, SUBJECT)),
    ("listed for \"amd64\"", IndexJson, "manifests/0", Add(r#""platform""#, AMD64)),
    // Media types.
    ("some programs take for", Manifest, "mediaType", By(parameter)),
    ("some programs take for", Manifest, "mediaType", By(capitals)),
    ("some programs take for", Index, "mediaType", By(parameter)),
    ("some programs take for", Index, "manifests/0/mediaType", By(parameter)),
    ("some programs take for", Index, "manifests/0/mediaType", By(capitals)),
    ("some programs take for", IndexJson, "manifests/0/mediaType", By(parameter)),
    ("some programs take for", Manifest, "config/mediaType", By(parameter)),
    ("some programs take for", Manifest, "config/mediaType", By(capitals)),
    ("some programs take for", Manifest, "layers/0/mediaType", By(parameter)),
    ("some programs take for", Manifest, "layers/1/mediaType", By(capitals)),
    ("a config of the type \"text/plain\"", Manifest, "config/mediaType", Set(r#""text/plain""#)),
    ("a config of the type \"\"", Manifest, "config", Remove("mediaType")),
    (
        "of the type \"text/plain\", which is no layer's",
        Manifest,
        "layers/0/mediaType",
        Set(r#""text/plain""#),
    ),
    ("layer 1: is gzip", Manifest, "layers/0/mediaType", Set(r#""application/vnd.oci.image.layer.v1.tar""#)),
    (
        "layer 2: is not compressed",
        Manifest,
        "layers/1/mediaType",
        Set(r#""application/vnd.oci.image.layer.v1.tar+gzip""#),
    ),
    ("which is not an image's", Index, "manifests/0/mediaType", Set(r#""text/plain""#)),
    (
        "which is not an image's",
        Manifest,
        "mediaType",
        Set(r#""application/vnd.oci.artifact.manifest.v1+json""#),
    ),
    ("is listed as", Manifest, "mediaType", Set(r#""application/vnd.docker.distribution.manifest.v2+json""#)),
    // An index over a manifest, and a manifest over an index.
    (
        r#"has the key "config" of another"#,
        Manifest,
        "mediaType",
        By(|value| *value = Json::Raw(quoted(INDEX))),
    ),
    (
        r#"has the key "manifests" of another"#,
        Index,
        "mediaType",
        By(|value| *value = Json::Raw(quoted(MANIFEST))),
    ),
    ("is listed as", Index, "manifests/0/mediaType", Set(r#""application/vnd.oci.image.index.v1+json""#)),
    (
        "is listed as",
        IndexJson,
        "manifests/0/mediaType",
        Set(r#""application/vnd.oci.image.manifest.v1+json""#),
    ),
    (
        r#"has the key "manifests" of another"#,
        IndexJson,
        "mediaType",
        By(|value| *value = Json::Raw(quoted(MANIFEST))),
    ),
    // An attestation that is none.
    (
        "listed as an attestation, and is an image",
        Index,
        "manifests/0",
        Add(r#""annotations""#, r#"{"vnd.docker.reference.type": "attestation-manifest"}"#),
    ),
    (
        "which is no layer's",
        Index,
        "manifests/1/platform",
        Set(r#"{"architecture": "amd64", "os": "linux"}"#),
    ),
    // Nothing.
    ("lists no image", Index, "manifests", By(|value| drop(value.items().remove(0)))),
    ("lists no image", Index, "manifests", Set("[]")),
    ("lists no image", Index, "manifests", Set("null")),
    ("lists no image", Index, "", Remove("manifests")),
    ("holds no image", IndexJson, "manifests", Set("[]")),
    ("has no config", Manifest, "", Remove("config")),
    ("0 layers but 2 diff ids", Manifest, "layers", Set("null")),
    // The same digest twice.
    ("is listed twice", Index, "manifests", By(|value| again(value, "size", "1"))),
    ("is listed twice", Index, "manifests", By(|value| again(value, "mediaType", "\"text/plain\""))),
    (
        "listed for \"amd64\"",
        Index,
        "manifests",
        By(|value| again(value, "platform", r#"{"architecture": "amd64", "os": "linux"}"#)),
    ),
    (
        "listed as an attestation",
        Index,
        "manifests",
        By(|value| again(value, "annotations", r#"{"vnd.docker.reference.type": "attestation-manifest"}"#)),
    ),
    (
        "is listed for different platforms",
        Index,
        "manifests",
        By(|value| {
            value.items().remove(0);
            again(value, "platform", r#"{"architecture": "arm64", "os": "linux"}"#);
        }),
    ),
    ("is listed twice", IndexJson, "manifests", By(|value| again(value, "size", "1"))),
    ("is listed twice", Manifest, "layers", By(|value| again(value, "size", "1"))),
    (
        "is listed twice",
        Manifest,
        "layers",
        By(|value| again(value, "mediaType", "\"application/vnd.oci.image.layer.v1.tar\"")),
    ),
    ("not 1", Attestation, "layers", By(|value| again(value, "size", "1"))),
];

#[test]
fn contradictions() {
    check(CASES);
}

fn parameter(value: &mut Json) {
    *value = Json::Raw(value.text().replacen("+json\"", "+json; charset=utf-8\"", 1).replacen(
        "+gzip\"",
        "+gzip;a=b\"",
        1,
    ));
}

/// Lists the first entry once more, with another value for a key.
fn again(value: &mut Json, key: &str, new: &str) {
    let mut second = value.items()[0].clone();
    second.entries().retain(|(name, _)| *name != quoted(key));
    second.entries().push((quoted(key), Json::Raw(new.to_owned())));
    value.items().push(second);
}

/// A text that does not say what it is, listed as what it is not.
#[test]
fn kinds() {
    for (words, listed_as, text) in [
        (
            r#"has the key "config" of another"#,
            INDEX,
            json!({ "schemaVersion": 2, "config": {}, "layers": [] }),
        ),
        (r#"has the key "manifests" of another"#, MANIFEST, json!({ "schemaVersion": 2, "manifests": [] })),
        ("has no config", MANIFEST, json!({ "schemaVersion": 2 })),
        ("lists no image", INDEX, json!({ "schemaVersion": 2 })),
        ("which is not an image's", "text/plain", json!({ "schemaVersion": 2, "manifests": [] })),
        ("which is not an image's", "text/plain", json!({ "schemaVersion": 2, "config": {}, "layers": [] })),
    ] {
        let blobs = Blobs::new();
        let listed = blobs.put(listed_as, text.to_string().as_bytes());
        blobs.index(json!({ "schemaVersion": 2, "manifests": [listed] }).to_string().as_bytes());
        let problems = blobs.problems();
        assert!(problems.iter().any(|problem| problem.contains(words)), "{problems:?}: {words}");
    }
}

/// An index in an index, for the platform of its images and for another.
#[test]
fn indexes_in_an_index() {
    let blobs = Blobs::new();
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers" } });
    let config = blobs.put(CONFIG, config.to_string().as_bytes());
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [] });
    let image = blobs.put(MANIFEST, manifest.to_string().as_bytes());
    let inner = json!({ "schemaVersion": 2, "manifests": [image] });
    let inner = blobs.put(INDEX, inner.to_string().as_bytes());
    let listed_for = |architectures: &[&str]| {
        let platform = |architecture: &&str| json!({ "architecture": architecture, "os": "linux" });
        let entries = architectures.iter().map(|it| with(inner.clone(), "platform", platform(it)));
        let entries: Vec<_> = entries.chain([inner.clone()]).collect();
        let outer = json!({ "schemaVersion": 2, "manifests": entries });
        let outer = blobs.put(INDEX, outer.to_string().as_bytes());
        blobs.index(json!({ "schemaVersion": 2, "manifests": [outer] }).to_string().as_bytes());
        blobs.problems()
    };
    assert_eq!(listed_for(&["amd64", "amd64"]), [""; 0]);
    assert!(listed_for(&["arm64"])[0].contains("listed for \"arm64\", and its config is for \"amd64\""));
    assert!(listed_for(&["amd64", "arm64"])[0].contains("is listed for different platforms"));
}

/// A wrong diff id is found whatever stands around it.
#[test]
fn wrong_diff_ids_have_nowhere_to_hide() {
    let annotation = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    let unknown = json!({ "architecture": "unknown", "os": "unknown" });
    let amd64 = json!({ "architecture": "amd64", "os": "linux" });
    for (platform, annotations, of_config) in [
        (Some(&unknown), Some(&annotation), CONFIG),
        (Some(&amd64), Some(&annotation), CONFIG),
        (None, Some(&annotation), CONFIG),
        (Some(&unknown), None, CONFIG),
        (None, None, CONFIG),
        (Some(&amd64), None, "application/vnd.example.config.v1+json"),
        (Some(&amd64), None, "application/json"),
        (None, None, "application/octet-stream"),
        (None, None, "text/html"),
        (None, None, ""),
    ] {
        let blobs = Blobs::new();
        let image = |ids: &[&str], of_config: &str| {
            let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids(ids) } });
            let config = blobs.put(of_config, config.to_string().as_bytes());
            let layers = [blobs.put(&format!("{LAYER}+gzip"), &gzip(&layer("one")))];
            let manifest =
                json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
            blobs.put(MANIFEST, manifest.to_string().as_bytes())
        };
        let right = with(image(&["one"], CONFIG), "platform", amd64.clone());
        let mut wrong = image(&["other"], of_config);
        // Go takes null for nothing.
        wrong["platform"] = json!(platform);
        wrong["annotations"] = json!(annotations);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [right, wrong] });
        let index = blobs.put(INDEX, index.to_string().as_bytes());
        blobs.index(json!({ "schemaVersion": 2, "manifests": [index] }).to_string().as_bytes());
        let problems = blobs.problems();
        assert!(!problems.is_empty(), "{platform:?} {annotations:?} {of_config:?}");
    }
}

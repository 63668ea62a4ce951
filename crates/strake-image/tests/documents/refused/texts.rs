//! Texts that are not the same to all programs, or no JSON at all.

use super::Edit::{Add, By, Bytes, Key, Set};
use super::{Case, check};
use crate::fixture::Document::{Attestation, Config, Index, IndexJson, Layout, Manifest};
use crate::json::{Json, quoted};

const CASES: &[Case] = &[
    // Keys that differ in case only: beside the right one, and alone.
    (r#"keys "layers" and "Layers""#, Manifest, "", Add(r#""Layers""#, "[]")),
    (r#"keys "layers" and "LAYERS""#, Manifest, "", Add(r#""LAYERS""#, "[]")),
    (r#""Layers", which some programs take for "layers""#, Manifest, "", Key("layers", r#""Layers""#)),
    (r#""mediatype", which"#, Manifest, "", Key("mediaType", r#""mediatype""#)),
    (r#""Manifests", which"#, Manifest, "", Add(r#""Manifests""#, "[]")),
    (r#"config has the key "Digest""#, Manifest, "config", Key("digest", r#""Digest""#)),
    (r#"layers[1] has the keys "size" and "SIZE""#, Manifest, "layers/1", Add(r#""SIZE""#, "1")),
    (r#"layers[0] has the key "Annotations""#, Manifest, "layers/0", Key("annotations", r#""Annotations""#)),
    (r#"manifests[0].platform has the key "OS""#, Index, "manifests/0/platform", Key("os", r#""OS""#)),
    (r#""Variant", which"#, Index, "manifests/0/platform", Key("variant", r#""Variant""#)),
    (r#""OS.Version", which"#, Index, "manifests/0/platform", Key("os.version", r#""OS.Version""#)),
    (r#""MANIFESTS", which"#, Index, "", Key("manifests", r#""MANIFESTS""#)),
    (r#""Platform", which"#, Index, "manifests/1", Key("platform", r#""Platform""#)),
    (r#"has a damaged "index.json""#, IndexJson, "", Key("manifests", r#""Manifests""#)),
    (r#""RootFS", which"#, Config, "", Key("rootfs", r#""RootFS""#)),
    (r#"keys "architecture" and "Architecture""#, Config, "", Add(r#""Architecture""#, r#""amd64""#)),
    (r#"rootfs has the key "Diff_Ids""#, Config, "rootfs", Key("diff_ids", r#""Diff_Ids""#)),
    (r#"rootfs has the key "Type""#, Config, "rootfs", Key("type", r#""Type""#)),
    (r#"history[1] has the key "Empty_Layer""#, Config, "history/1", Key("empty_layer", r#""Empty_Layer""#)),
    (r#""imagelayoutversion", which"#, Layout, "", Key("imageLayoutVersion", r#""imagelayoutversion""#)),
    (r#""env", which some programs take for "Env""#, Config, "config", Key("Env", r#""env""#)),
    (r#""Cmd" and "cmd""#, Config, "config", Add(r#""cmd""#, "[]")),
    (r#""TEST", which"#, Config, "config/Healthcheck", Key("Test", r#""TEST""#)),
    (
        r#""new" and "New""#,
        Manifest,
        "",
        By(|value| {
            value.entries().push((quoted("new"), Json::Raw("1".into())));
            value.entries().push((quoted("New"), Json::Raw("1".into())));
        }),
    ),
    // The letters that Unicode folds into ASCII.
    ("which some programs take for \"layers\"", Manifest, "", Key("layers", "\"layer\u{17f}\"")),
    ("keys \"layers\" and \"layerſ\"", Manifest, "", Add(r#""layer\u017f""#, "[]")),
    ("which some programs take for \"manifests\"", Manifest, "", Add("\"manife\u{17f}ts\"", "[]")),
    ("which some programs take for \"blobs\"", Manifest, "", Add("\"BLOB\u{17f}\"", "[]")),
    ("keys \"rootfs\" and", Config, "", Add("\"rootf\u{17f}\"", "{}")),
    ("keys \"Healthcheck\" and", Config, "config", Add("\"Healthchec\u{212a}\"", "{}")),
    // Keys that are there twice.
    (r#"keys "layers" and "layers""#, Manifest, "", Add(r#""layers""#, "[]")),
    (r#"keys "layers" and "layers""#, Manifest, "", Add(r#""\u006cayers""#, "[]")),
    (r#"keys "size" and "size""#, Manifest, "layers/0", Add(r#""size""#, "1")),
    (r#"keys "a" and "a""#, Manifest, "layers/0/annotations", Add(r#""a""#, r#""b""#)),
    (r#"x-unknown has the keys "A" and "A""#, Manifest, "x-unknown", Add(r#""\u0041""#, "1")),
    (r#"x-unknown.A[3] has the keys "layers""#, Manifest, "x-unknown/A/3", Add(r#""layers""#, "[]")),
    (r#"keys "digest" and "digest""#, Index, "manifests/0", Add(r#""digest""#, r#""sha256:0""#)),
    (r#"keys "os" and "os""#, Index, "manifests/0/platform", Add(r#""os""#, r#""linux""#)),
    (r#"keys "manifests" and "manifests""#, IndexJson, "", Add(r#""manifests""#, "[]")),
    (r#"keys "diff_ids" and "diff_ids""#, Config, "rootfs", Add(r#""diff_ids""#, "[]")),
    (r#"keys "created_by""#, Config, "history/0", Add(r#""created_by""#, r#""x""#)),
    (r#"keys "Env" and "Env""#, Config, "config", Add(r#""Env""#, "[]")),
    (r#"keys "k" and "k""#, Config, "config/Labels", Add(r#""k""#, r#""x""#)),
    (r#"keys "imageLayoutVersion""#, Layout, "", Add(r#""imageLayoutVersion""#, r#""1.0.0""#)),
    (r#"keys "layers" and "layers""#, Attestation, "", Add(r#""layers""#, "[]")),
    // Keys of another kind of document.
    (r#"has the key "manifests" of another"#, Manifest, "", Add(r#""manifests""#, "[]")),
    (r#"has the key "fsLayers" of another"#, Manifest, "", Add(r#""fsLayers""#, "[]")),
    (r#"has the key "history" of another"#, Manifest, "", Add(r#""history""#, "[]")),
    (r#"has the key "blobs" of another"#, Manifest, "", Add(r#""blobs""#, "[]")),
    (r#"has the key "manifests" of another"#, Attestation, "", Add(r#""manifests""#, "[{}]")),
    (r#"has the key "layers" of another"#, Index, "", Add(r#""layers""#, "[]")),
    (r#"has the key "config" of another"#, Index, "", Add(r#""config""#, "{}")),
    (r#"has the key "layers" of another"#, IndexJson, "", Add(r#""layers""#, "[]")),
    (r#"has the key "fsLayers" of another"#, Index, "", Add(r#""fsLayers""#, "[{}]")),
    // Other types.
    ("it is not an object", Manifest, "", Set("[]")),
    ("it is not an object", Config, "", Set(r#"[{}, {"diff_ids": []}]"#)),
    ("it is not an object", IndexJson, "", Set("[[]]")),
    ("it is not an object", Layout, "", Set(r#"["1.0.0"]"#)),
    ("config is not an object", Manifest, "config", Set("[]")),
    (
        "layers[0] is not an object",
        Manifest,
        "layers/0",
        By(|value| {
            let values = value.entries().drain(..).map(|(_, value)| value).collect();
            *value = Json::List(values);
        }),
    ),
    ("manifests[0].platform is not an object", Index, "manifests/0/platform", Set(r#"["arm64", "linux"]"#)),
    ("manifests is not a list", Index, "manifests", Set("{}")),
    (
        "rootfs is not an object",
        Config,
        "rootfs",
        By(|value| {
            let values = value.entries().drain(..).map(|(_, value)| value).collect();
            *value = Json::List(values);
        }),
    ),
    ("history[0] is not an object", Config, "history/0", Set(r#""one""#)),
    ("history is not a list", Config, "history", Set("{}")),
    ("history[1].empty_layer is not true or false", Config, "history/1/empty_layer", Set("1")),
    ("architecture is not a string", Config, "architecture", Set(r#"["arm64"]"#)),
    ("created is not a time", Config, "created", Set(r#""yesterday""#)),
    ("history[0].created is not a time", Config, "history/0/created", Set("1")),
    ("config is not an object", Config, "config", Set("[]")),
    ("config.Env is not a list", Config, "config/Env", Set(r#"{"A": "b"}"#)),
    ("config.Cmd is not a list", Config, "config/Cmd", Set(r#""true""#)),
    ("config.Labels.k is not a string", Config, "config/Labels/k", Set("1")),
    ("annotations.k is not a string", Manifest, "annotations/k", Set("1")),
    // Go has an empty string for null where others have nothing.
    ("annotations.k is not a string", Manifest, "annotations/k", Set("null")),
    ("config.Env[0] is not a string", Config, "config/Env", Set("[null]")),
    ("config.Cmd[1] is not a string", Config, "config/Cmd", Set(r#"["sh", null]"#)),
    ("config.Labels.k is not a string", Config, "config/Labels/k", Set("null")),
    ("os.features[0] is not a string", Config, "os.features", Set("[null]")),
    ("layers[0].annotations.a is not a string", Manifest, "layers/0/annotations/a", Set("null")),
    // Numbers.
    ("layers[1].size is not an integer", Manifest, "layers/1/size", By(|value| suffix(value, ".0"))),
    ("layers[1].size is not an integer", Manifest, "layers/1/size", By(|value| suffix(value, "e0"))),
    ("has a damaged", Manifest, "layers/1/size", Set("-1")),
    ("layers[1].size is not an integer", Manifest, "layers/1/size", Set("9223372036854775808")),
    ("layers[1].size is not an integer", Manifest, "layers/1/size", Set(r#""2048""#)),
    ("schemaVersion is not an integer", Manifest, "schemaVersion", Set("2.0")),
    ("not a number of 64 bits", Manifest, "x-unknown/a", Set("1e999")),
    ("config.Memory is not an integer", Config, "config/Memory", Set("1e3")),
    ("has a blob sha256:", Manifest, "layers/1/size", Set("9223372036854775807")),
    ("has a blob sha256:", Manifest, "layers/1/size", Set("0")),
    // Bytes around the JSON, and in its strings.
    ("trailing characters", Manifest, "", Bytes(|text| format!("{text}{{}}").into_bytes())),
    ("trailing characters", Config, "", Bytes(|text| format!("{text},").into_bytes())),
    ("trailing characters", IndexJson, "", Bytes(|text| format!("{text}\0").into_bytes())),
    ("trailing characters", Layout, "", Bytes(|text| format!("{text}x").into_bytes())),
    ("expected value", Index, "", Bytes(|text| format!("\u{feff}{text}").into_bytes())),
    ("not UTF-8", Config, "", Bytes(|text| replaced(text, "somebody", b"some\xffbody"))),
    ("not UTF-8", Manifest, "", Bytes(|text| replaced(text, "x-unknown", b"x-\xed\xa0\x80"))),
    ("unexpected end of hex escape", Config, "author", Set(r#""\ud800x""#)),
    ("lone leading surrogate", Manifest, "x-unknown/A", Set(r#"["\udc00"]"#)),
    ("unexpected end of hex escape", Manifest, "annotations", Add(r#""\ud800""#, r#""x""#)),
    ("more than 64 deep", Manifest, "x-unknown/a", By(|value| *value = nested(70))),
    ("more than 64 deep", Config, "config/Labels", By(|value| *value = nested(100_000))),
    (
        "more than 262144 values",
        Manifest,
        "x-unknown/a",
        By(|value| {
            *value = Json::List(vec![Json::Raw("1".into()); 300_000]);
        }),
    ),
    // Keys that serde's own parser gives a meaning.
    (
        "a key of serde's own",
        Manifest,
        "config",
        By(|value| {
            *value = Json::Object(vec![(
                quoted("$serde_json::private::RawValue"),
                Json::Raw(quoted(&value.text())),
            )]);
        }),
    ),
    (
        "layers[1].size is not an integer",
        Manifest,
        "layers/1/size",
        Set(r#"{"$serde_json::private::Number": "2048"}"#),
    ),
];

#[test]
fn texts() {
    check(CASES);
}

fn suffix(value: &mut Json, suffix: &str) {
    *value = Json::Raw(format!("{}{suffix}", value.text()));
}

fn replaced(text: &str, old: &str, new: &[u8]) -> Vec<u8> {
    let (before, after) = text.split_once(old).unwrap();
    [before.as_bytes(), new, after.as_bytes()].concat()
}

fn nested(depth: usize) -> Json {
    Json::Raw(format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
}

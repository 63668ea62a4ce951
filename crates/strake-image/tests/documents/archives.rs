//! The JSON documents of docker-archives.

use std::io::Write;

use serde_json::json;
use strake_image::archive::open;
use strake_image::{Context, Digest, Store, verify};
use strake_plan::StoreDir;
use strake_testkit::tar_bytes::{RawMember, archive};

use crate::fixture::{chain, layer};

/// The text of `manifest.json`, and what is wrong with it.
#[test]
fn docker_archives() {
    let check = |manifest: &str, config: &str| {
        let members = [
            RawMember::new(b'0', "config.json", config.as_bytes()),
            RawMember::new(b'0', "one.tar", &layer("one")),
            RawMember::new(b'0', "manifest.json", manifest.as_bytes()),
        ];
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&archive(&members)).unwrap();
        let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/");
        let context = Context::new(store, || std::time::SystemTime::UNIX_EPOCH);
        match open(file.path(), &std::env::temp_dir()) {
            Err(error) => vec![chain(&error)],
            Ok(image) => verify::verify(image, &context).iter().map(ToString::to_string).collect(),
        }
    };
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer("one")).to_string()] } });
    let config = config.to_string();
    let of =
        |item: &str| format!(r#"[{{"Config":"config.json","RepoTags":["x:1"],"Layers":["one.tar"]{item}}}]"#);
    for right in [of(""), of(r#","Parent":"","LayerSources":{},"x":1"#), of(r#","LayerSources":null"#)] {
        assert_eq!(check(&right, &config), [""; 0], "{right}");
    }
    for (words, manifest) in [
        (r#"keys "Layers" and "layers""#, of(r#","layers":[]"#)),
        (r#""config", which"#, r#"[{"config":"config.json","Layers":["one.tar"]}]"#.to_owned()),
        (r#"keys "Config" and "Config""#, of(r#","Config":"other.json""#)),
        (r#"keys "Config" and "Config""#, of(r#","\u0043onfig":"other.json""#)),
        (
            "which some programs take for \"Layers\"",
            of(",\"Layer\u{17f}\":[]").replace("\"Layers\"", "\"x\""),
        ),
        ("keys", of(r#","x":{"a":1,"a":2}"#)),
        ("[0] is not an object", r#"[["config.json",null,["one.tar"]]]"#.to_owned()),
        ("it is not a list", r#"{"Config":"config.json"}"#.to_owned()),
        (
            "[0].RepoTags is not a list",
            r#"[{"Config":"config.json","RepoTags":"x:1","Layers":["one.tar"]}]"#.to_owned(),
        ),
        ("trailing characters", of("") + "[]"),
        ("holds no image", "[]".to_owned()),
        ("0 layers but 1 diff ids", r#"[{"Config":"config.json","Layers":null}]"#.to_owned()),
    ] {
        let problems = check(&manifest, &config);
        assert!(problems.iter().any(|problem| problem.contains(words)), "{problems:?}: {words} {manifest}");
    }
    for (words, old, new) in [
        ("rootfs of the type \"\"", r#""type":"layers","#, ""),
        (r#"keys "os" and "OS""#, r#""os":"#, r#""os":"x","OS":"#),
        ("rootfs is not an object", r#""rootfs":{"#, r#""rootfs":[1],"x":{"#),
        ("does not say its architecture", r#""os":"linux","#, ""),
    ] {
        let problems = check(&of(""), &config.replace(old, new));
        assert!(problems.iter().any(|problem| problem.contains(words)), "{problems:?}: {words}");
    }
}

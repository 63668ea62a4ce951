//! What comes from outside may be anything: it is refused or taken, and nothing else happens.

use std::io::Write;

use proptest::prelude::*;
use strake_image::archive;
use strake_image::foreign::{Foreign, OpenError};
use strake_image::spec::Spec;

const CONF: &str = r#"{"architecture": "amd64", "config": {"Env": ["A=b"], "n": [1, 2.5, null, true]}, "os": "linux",
    "store_dir": "/nix/store", "from_image": null, "store_layers": [["/nix/store/aaa-b"], ["/nix/store/ccc-d"]],
    "customisation_layer": "/nix/store/eee-f", "repo_tag": "x:1", "created": "1970-01-01T00:00:01+00:00",
    "mtime": "now", "uid": "0", "gid": 0, "uname": "root", "gname": "root"}"#;

/// Some bytes replaced, removed, doubled or put in.
fn mutated(original: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4, 1usize..600);
    prop::collection::vec(change, 1..5).prop_map(move |changes| {
        let mut text = original.clone();
        for (index, byte, how, length) in changes {
            let at = index.index(text.len().max(1)).min(text.len());
            let end = (at + length).min(text.len());
            match how {
                0 => text.insert(at, byte),
                1 => drop(text.drain(at..end)),
                2 => text.extend_from_within(at..end),
                _ => text.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            }
        }
        text
    })
}

/// A docker-archive with one layer and all kinds of headers in front of it.
fn image() -> Vec<u8> {
    let layer = b"layer".repeat(300);
    let digest = strake_image::digest::Digest::of(&layer);
    let config = format!(r#"{{"config": {{"Env": ["A=b"]}}, "rootfs": {{"diff_ids": ["{digest}"]}}}}"#);
    let manifest = r#"[{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["a/layer.tar"]}]"#;
    let mut builder = tar::Builder::new(Vec::new());
    let long = "long/".repeat(40);
    let members = [
        ("a/layer.tar", &layer[..]),
        ("config.json", config.as_bytes()),
        (&long, b""),
        ("manifest.json", manifest.as_bytes()),
    ];
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_pax_extensions([("comment", &b"text"[..]), ("mtime", b"1.5")]).unwrap();
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn open(text: &[u8]) -> Result<Foreign, OpenError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    archive::open(file.path())
}

#[test]
fn without_changes_both_are_right() {
    Spec::parse(CONF.as_bytes()).unwrap();
    assert_eq!(open(&image()).unwrap().layers.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn confs(text in mutated(CONF.into())) {
        let _ = Spec::parse(&text);
    }

    #[test]
    fn base_images(text in mutated(image())) {
        if let Ok(image) = open(&text) {
            prop_assert!(image.layers.len() <= 1);
        }
    }
}

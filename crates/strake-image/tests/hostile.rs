//! Untrusted input is accepted or refused; it never causes a panic.

use std::io::Write;
use std::num::NonZeroUsize;
use std::time::SystemTime;

use proptest::prelude::*;
use strake_image::archive;
use strake_image::customisation::Customisation;
use strake_image::flatten::flatten;
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::sink::Discard;
use strake_image::spec::{CustomisationSource, Spec};
use strake_image::{Context, Store};
use strake_plan::StoreDir;
use strake_testkit::mutated::mutated;

const CONF: &str = r#"{"architecture": "amd64", "config": {"Env": ["A=b"], "n": [1, 2.5, null, true]}, "os": "linux",
    "store_dir": "/nix/store", "from_image": null, "store_layers": [["/nix/store/aaa-b"], ["/nix/store/ccc-d"]],
    "customisation_layer": "/nix/store/eee-f", "repo_tag": "x:1", "created": "1970-01-01T00:00:01+00:00",
    "mtime": "now", "uid": "0", "gid": 0, "uname": "root", "gname": "root"}"#;

/// The keys that dockerTools does not know.
const PLAN: &str = r#"{"architecture": "amd64", "config": {}, "store_dir": "/nix/store", "from_image": null,
    "inherit": "all", "skip_base_paths": true, "store_layers": [["/nix/store/aaa-b"]], "repo_tag": "x:1", "created": "now", "mtime": "now", "uid": 0, "gid": 0,
    "uname": "", "gname": "", "described": [{"diff_id": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 1}, {"diff_id": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 2}],
    "history": [{"author": "a"}, {}], "described_base": {"config": "{\"rootfs\": {\"type\": \"layers\", \"diff_ids\": [\"sha256:1111111111111111111111111111111111111111111111111111111111111111\"]}}",
    "layers": [{"digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111", "size": 3, "mediaType":
    "application/vnd.oci.image.layer.v1.tar+gzip"}]}, "customisation": {"contents": ["/nix/store/aaa-b"], "root": "/nonexistent",
    "entries": [{"path": "/a", "text": "b"}, {"path": "/c", "symlink": "d"}, {"path": "/e", "directory": true},
    {"path": "/f", "file": "/nonexistent"}], "rules": [{"regex": "a|b", "uid": 7}, {"path": "/**", "type": "file", "uid": 1, "gid": 2, "mode":
    "4755", "mtime": 3, "capabilities": "cap_kill=ep"}], "nix_database": {"roots": ["/nix/store/aaa-b"]}}, "closure":
    [{"path": "/nix/store/aaa-b", "references": ["/nix/store/aaa-b"], "narSize": 7, "narHash":
    "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"}]}"#;

/// A docker-archive with one layer and all kinds of headers in front of it.
fn image() -> Vec<u8> {
    image_of(&b"layer".repeat(300))
}

fn image_of(layer: &[u8]) -> Vec<u8> {
    let digest = strake_image::Digest::of(layer);
    let config = format!(
        r#"{{"config": {{"Env": ["A=b"]}}, "rootfs": {{"type": "layers", "diff_ids": ["{digest}"]}}}}"#
    );
    let manifest = r#"[{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["a/layer.tar"]}]"#;
    let mut builder = tar::Builder::new(Vec::new());
    let long = "long/".repeat(40);
    let members = [
        ("a/layer.tar", layer),
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

/// A layer with entries in a store, some of them removed.
fn layer() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("nix/store/{}/{}f", &PATHS[1][11..], "long/".repeat(40));
    let names = [&PATHS[0][1..], "nix/store/.wh.x", &long, "nix/.wh..wh..opq", &PATHS[2][1..]];
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_size(700);
        builder.append_pax_extensions([("comment", &b"text"[..]), ("mtime", b"1.5")]).unwrap();
        builder.append_data(&mut header, name, &[7; 700][..]).unwrap();
    }
    builder.into_inner().unwrap()
}

const PATHS: [&str; 3] = ["/nix/store/aaa-b", "/nix/store/ccc-d", "/nix/store/eee-f"];

/// The contents of an image with this layer, compressed or not. `None`: it is refused.
fn held(layer: &[u8], compressed: bool) -> Option<Vec<String>> {
    let layer = if compressed { zstd::encode_all(layer, 1).unwrap() } else { layer.to_vec() };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // The claimed diff id, which nobody looks at here, is that of what is compressed.
    file.write_all(&image_of(&layer)).unwrap();
    let image = archive::open(file.path(), &std::env::temp_dir()).ok()?;
    let store_dir = StoreDir::parse("/nix/store").unwrap();
    let paths = PATHS.map(|path| store_dir.store_path(path).unwrap());
    let held = image.held(paths.iter()).ok()?;
    Some(paths.iter().filter(|path| held.contains(path)).map(ToString::to_string).collect())
}

fn open(text: &[u8]) -> Result<ParsedImage, OpenError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    archive::open(file.path(), &std::env::temp_dir())
}

/// How long the file system of an image with this layer is.
fn flat(layer: &[u8]) -> Option<u64> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&image_of(layer)).unwrap();
    let image = archive::open(file.path(), &std::env::temp_dir()).ok()?;
    let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/nonexistent");
    let context = Context { jobs: NonZeroUsize::MIN, ..Context::new(store, || SystemTime::UNIX_EPOCH) };
    let layers = context.describe_all(image.layers).ok()?;
    flatten(&layers, &context, &mut Discard).ok()
}

#[test]
fn without_changes_both_are_right() {
    assert!(flat(&layer()).is_some());
    Spec::parse(CONF.as_bytes()).unwrap();
    Spec::parse(PLAN.as_bytes()).unwrap();
    assert_eq!(open(&image()).unwrap().layers.len(), 1);
    for compressed in [false, true] {
        assert_eq!(held(&layer(), compressed).unwrap(), [PATHS[0], PATHS[2]]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn confs(text in mutated(CONF.into())) {
        let _ = Spec::parse(&text);
    }

    #[test]
    fn plans(text in mutated(PLAN.into())) {
        let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/nonexistent");
        let Ok(Spec { mut customisations, closure, described_base, .. }) = Spec::parse(&text) else { return Ok(()) };
        if let Some(base) = described_base {
            let _ = base.open("/nonexistent");
        }
        let Some(CustomisationSource::Described(description)) = customisations.pop() else { return Ok(()) };
        let _ = description.recipe(&store, closure.as_ref(), 1);
        // Operations without files get further.
        let alone = Customisation { contents: Vec::new(), root: None, ..description };
        let _ = alone.recipe(&store, closure.as_ref(), 1);
    }

    #[test]
    fn layers_of_base_images(text in mutated(layer())) {
        prop_assert_eq!(held(&text, false), held(&text, true));
    }

    #[test]
    fn file_systems(text in mutated(layer())) {
        let _ = flat(&text);
    }

    #[test]
    fn base_images(text in mutated(image())) {
        if let Ok(image) = open(&text) {
            prop_assert!(image.layers.len() <= 1);
        }
    }
}

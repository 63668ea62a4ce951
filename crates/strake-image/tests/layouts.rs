//! A layout may say anything: it is refused or taken, and nothing else happens.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::SystemTime;

use proptest::prelude::*;
use strake_image::layout::{Layout, LayoutPick};
use strake_image::manifest::Opened;
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::verify::verify;
use strake_image::{Context, Digest, Document, Platform, PlatformPick, Store};
use strake_plan::StoreDir;
use strake_testkit::mutated::mutated;

/// The texts of a layout: `index.json`, a manifest, a config. `{…}` stands for a descriptor's digest and size.
const TEXTS: [&str; 3] = [
    r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{"mediaType":
    "application/vnd.oci.image.manifest.v1+json", {}, "platform": {"os": "linux", "architecture": "amd64"},
    "annotations": {"org.opencontainers.image.ref.name": "a:1"}}]}"#,
    r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {"mediaType":
    "application/vnd.oci.image.config.v1+json", {}}, "layers": [{"mediaType":
    "application/vnd.oci.image.layer.v1.tar+gzip", {layer}}]}"#,
    r#"{"architecture": "amd64", "os": "linux", "config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids":
    ["{layer}"]}, "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "x", "empty_layer": false}]}"#,
];

/// An archive with nothing in it.
const LAYER: &[u8] = &[0; 1024];

fn described(content: &[u8]) -> String {
    format!(r#""digest": "{}", "size": {}"#, Digest::of(content), content.len())
}

/// Writes a layout of which the text at one place is another. Documents that are named by their digests get the right ones.
fn write(root: &Path, place: usize, text: &[u8]) {
    let blobs = root.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    let blob = |content: &[u8]| fs::write(blobs.join(Digest::of(content).hex()), content).unwrap();
    blob(LAYER);
    let mut below = Vec::new();
    for at in [2, 1, 0] {
        let original = TEXTS[at]
            .replace("{layer}", &if at == 2 { Digest::of(LAYER).to_string() } else { described(LAYER) })
            .replace("{}", &described(&below));
        below = if at == place { text.to_vec() } else { original.into_bytes() };
        if at > 0 { blob(&below) } else { fs::write(root.join("index.json"), &below).unwrap() }
    }
}

fn original(place: usize) -> String {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 3, b"");
    let index = fs::read_to_string(root.path().join("index.json")).unwrap();
    let named = |text: &str| {
        let digest = text.split("sha256:").nth(1).unwrap().split('"').next().unwrap();
        fs::read_to_string(root.path().join("blobs/sha256").join(digest)).unwrap()
    };
    match place {
        0 => index,
        1 => named(&index),
        _ => named(&named(&index)),
    }
}

fn open(place: usize, text: &[u8]) -> (tempfile::TempDir, Result<ParsedImage, OpenError>) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), place, text);
    let pick = LayoutPick { name: None, platform: PlatformPick::Preferred(Platform::linux("amd64")) };
    let opened = Layout::directory(root.path()).and_then(|layout| layout.image(&pick));
    (root, opened)
}

fn problems(image: ParsedImage) -> usize {
    let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/");
    let context =
        Context { jobs: NonZeroUsize::MIN, verify: true, ..Context::new(store, || SystemTime::UNIX_EPOCH) };
    verify(image, &context).iter().map(ToString::to_string).count()
}

#[test]
fn without_changes_it_is_right_but_for_the_compression() {
    for place in 0..4 {
        let (_root, image) = open(place, original(place).as_bytes());
        assert_eq!(problems(image.unwrap()), 1, "{place}");
    }
}

/// An index with an image, an index with nothing in it, and something else.
fn index() -> String {
    let original = original(0);
    let image = original.split_once('[').unwrap().1.split_once(']').unwrap().0;
    let empty = described(br#"{"schemaVersion": 2, "manifests": []}"#);
    format!(
        r#"{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{image},
        {{"mediaType": "application/vnd.oci.image.index.v1+json", {empty}}}, {{"mediaType": "text/plain", {}}}]}}"#,
        described(LAYER)
    )
}

/// Opens all of an index in a layout that has what [`index`] lists.
fn open_all(text: &[u8]) -> Result<Opened, OpenError> {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 3, b"");
    let blob = |content: &[u8]| {
        fs::write(root.path().join("blobs/sha256").join(Digest::of(content).hex()), content).unwrap();
    };
    blob(br#"{"schemaVersion": 2, "manifests": []}"#);
    blob(text);
    let listed = format!(
        r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "application/vnd.oci.image.index.v1+json", {}}}]}}"#,
        described(text)
    );
    fs::write(root.path().join("index.json"), listed).unwrap();
    Layout::directory(root.path())?
        .all(&LayoutPick { name: None, platform: PlatformPick::Preferred(Platform::linux("amd64")) })
}

#[test]
fn an_index_without_changes_is_right_and_stays() {
    let Opened::Index(index) = open_all(index().as_bytes()).unwrap() else { panic!("it is an index") };
    assert_eq!((index.images.len(), index.attachments.len(), index.plan.manifests.len()), (1, 1, 1));
    let manifests: Vec<Document> = index
        .images
        .iter()
        .map(|(_, image)| Document::new("a manifest".to_owned().into(), image.manifest.clone()))
        .collect();
    let (inside, top) = index.plan.around(&manifests, None);
    assert_eq!(top.text(), index.plan.top.text());
    assert_eq!(inside[0].text(), index.plan.manifests[0].text());
}

/// serde passes over the keys that it does not know, and over the bytes in them, with which an index cannot be written again.
#[test]
fn bytes_that_are_no_text_are_refused_wherever_they_stand() {
    let index = index();
    let entry = index.replacen(r#""platform":"#, r#""unknown": "?", "platform":"#, 1);
    for original in [index.replacen('{', r#"{"?": 1, "#, 1), entry, index.replacen("a:1", "?", 1)] {
        assert!(open_all(original.as_bytes()).is_ok(), "{original}");
        for bytes in [&b"\xff"[..], b"\xc3(", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"] {
            let (before, after) = original.split_once('?').unwrap();
            let refused = open_all(&[before.as_bytes(), bytes, after.as_bytes()].concat());
            assert!(matches!(refused, Err(OpenError::Json { .. })), "{original}: {bytes:x?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_indexes(text in mutated(index().into())) {
        if let Ok(Opened::Index(index)) = open_all(&text) {
            let other = Document::new("other".to_owned().into(), b"other".to_vec());
            let others = vec![other.clone(); index.images.len()];
            let (inside, top) = index.plan.around(&others, None);
            prop_assert_eq!(inside.len(), index.plan.manifests.len());
            prop_assert_eq!(top.digest() == index.plan.top.digest(), index.images.is_empty());
        }
    }

    #[test]
    fn mutated_texts((place, text) in (0usize..3).prop_flat_map(|place| (Just(place), mutated(original(place).into())))) {
        if let (_root, Ok(image)) = open(place, &text) {
            prop_assert!(image.layers.len() == image.config.diff_ids.len());
            problems(image);
        }
    }
}

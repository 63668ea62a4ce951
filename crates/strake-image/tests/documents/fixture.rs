//! A layout in which everything stands that images have, and what `verify` says of it where one of its documents is another.

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use strake_image::layout::{Layout, LayoutPick};
use strake_image::manifest::Opened;
use strake_image::parsed::OpenError;
use strake_image::verify::{verify, verify_index};
use strake_image::{Context, Digest, Platform, PlatformPick, Store};
use strake_plan::StoreDir;
use strake_testkit::tar_bytes::{RawMember, archive};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A document of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Layout,
    IndexJson,
    Index,
    Manifest,
    Config,
    Attestation,
}

pub(crate) const ALL: [Document; 6] = [
    Document::Layout,
    Document::IndexJson,
    Document::Index,
    Document::Manifest,
    Document::Config,
    Document::Attestation,
];

/// A directory with blobs.
pub(crate) struct Blobs(tempfile::TempDir);

impl Blobs {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
        fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a blob and returns its descriptor.
    pub(crate) fn put(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(content);
        fs::write(self.path().join("blobs/sha256").join(digest.hex()), content).unwrap();
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": content.len() })
    }

    pub(crate) fn index(&self, text: &[u8]) {
        fs::write(self.path().join("index.json"), text).unwrap();
    }

    /// All that the layout leads to.
    pub(crate) fn open(&self) -> Result<Opened, OpenError> {
        let platform = PlatformPick::Preferred(Platform::linux("amd64"));
        let pick = LayoutPick { name: None, platform };
        Layout::directory(self.path()).and_then(|layout| layout.all(&pick))
    }

    /// The problems of all documents and layers in the layout, a line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/");
        let clock = || SystemTime::UNIX_EPOCH;
        let context = Context { jobs: NonZeroUsize::MIN, verify: true, ..Context::new(store, clock) };
        let problems = match self.open() {
            Err(error) => return vec![chain(&error)],
            Ok(Opened::Image(image)) => verify(*image, &context),
            Ok(Opened::Index(index)) => verify_index(*index, &context),
        };
        problems.iter().map(ToString::to_string).collect()
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A layer with a file of this name.
pub(crate) fn layer(name: &str) -> Vec<u8> {
    archive(&[RawMember::new(b'0', name, name.as_bytes())])
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn diff_ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| Digest::of(&layer(name)).to_string()).collect()
}

pub(crate) fn with(mut value: Value, key: &str, more: Value) -> Value {
    value[key] = more;
    value
}

/// Makes the layout, with one document written by `change`, which is told what the document would be. What lists it lists what
/// it is.
pub(crate) fn layout(changed: Document, change: impl FnOnce(&str) -> Vec<u8>) -> Blobs {
    let blobs = Blobs::new();
    let mut change = Some(change);
    let mut text = |document: Document, original: Value| match change.take_if(|_| document == changed) {
        Some(change) => change(&original.to_string()),
        None => original.to_string().into_bytes(),
    };
    let version = text(Document::Layout, json!({ "imageLayoutVersion": "1.0.0", "x-unknown": [1] }));
    fs::write(blobs.path().join("oci-layout"), version).unwrap();

    let config = text(Document::Config, config());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.put(CONFIG, &config),
        "layers": [
            with(blobs.put(&format!("{LAYER}+gzip"), &gzip(&layer("one"))), "annotations", json!({ "a": "b", "A": "c" })),
            blobs.put(LAYER, &layer("two")),
        ],
        "annotations": { "org.opencontainers.image.created": "x", "k": "v", "K": "v" },
        "x-unknown": { "a": 1, "A": [null, 1.5, true, { "layers": [] }] },
    });
    let manifest = blobs.put(MANIFEST, &text(Document::Manifest, manifest));

    let unknown = json!({ "architecture": "unknown", "os": "unknown" });
    let of_attestation = json!({ "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids(&["none"]) } });
    let statement = blobs.put("application/vnd.in-toto+json", b"{}");
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.put(CONFIG, of_attestation.to_string().as_bytes()),
        "layers": [with(statement, "annotations", json!({ "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" }))],
    });
    let attestation = blobs.put(MANIFEST, &text(Document::Attestation, attestation));
    let about = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": manifest["digest"],
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            with(manifest, "platform", json!({ "architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "6", "os.features": ["a", "b"] })),
            with(with(attestation, "platform", unknown), "annotations", about),
        ],
        "annotations": { "a": "b" },
        "x-unknown": 1,
    });
    let index = with(
        blobs.put(INDEX, &text(Document::Index, index)),
        "annotations",
        json!({ "org.opencontainers.image.ref.name": "a:1" }),
    );
    let index_json = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [index] });
    blobs.index(&text(Document::IndexJson, index_json));
    blobs
}

/// A config with nearly everything that one can have.
fn config() -> Value {
    json!({
        "created": "2024-02-29T12:34:56.789Z",
        "author": "somebody",
        "architecture": "arm64",
        "os": "linux",
        "os.version": "6",
        "os.features": ["b", "a"],
        "config": {
            "User": "0",
            "ExposedPorts": { "80/tcp": {} },
            "Env": ["A=b"],
            "Entrypoint": ["sh"],
            "Cmd": ["-c", "true"],
            "Volumes": { "/data": {} },
            "WorkingDir": "/",
            "Labels": { "k": "1", "K": "2" },
            "StopSignal": "SIGTERM",
            "Healthcheck": { "Test": ["CMD", "true"], "Interval": 30_000_000_000_u64 },
            "ArgsEscaped": true,
            "Memory": 1,
            "OnBuild": null,
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids(&["one", "two"]) },
        "history": [
            { "created": "2024-02-29T12:34:56+01:00", "created_by": "one", "author": "x", "comment": "y" },
            { "created_by": "nothing", "empty_layer": true },
            { "created_by": "two", "empty_layer": false },
        ],
        "moby.buildkit.buildinfo.v1": "e30=",
    })
}

#[test]
fn without_changes_it_is_right() {
    for document in ALL {
        let layout = layout(document, |text| text.as_bytes().to_vec());
        assert_eq!(layout.problems(), [""; 0], "{document:?}");
    }
}

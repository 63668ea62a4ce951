//! Small images, as data and as layouts.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::registry::{Registry, digest};

/// An image: a manifest and the blobs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The config, then the layers.
    pub blobs: Vec<Vec<u8>>,
}

/// An OCI manifest's media type.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI index's media type.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

impl Image {
    /// An OCI image with these as its layers, whatever they are.
    pub fn of(layers: &[&[u8]]) -> Self {
        let claims: Vec<_> = layers.iter().map(|layer| (*layer, *layer)).collect();
        Self::claiming(&claims)
    }

    /// An OCI image with layers that are stored in one way, perhaps compressed with gzip or zstd, and whose diff ids are those of
    /// something else.
    pub fn claiming(layers: &[(&[u8], &[u8])]) -> Self {
        let diff_ids: Vec<String> = layers.iter().map(|(_, said)| digest(said)).collect();
        let layers: Vec<&[u8]> = layers.iter().map(|(stored, _)| *stored).collect();
        let config = json!({"architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string().into_bytes();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config),
            "layers": layers.iter().map(|layer| descriptor(&layer_type(layer), layer)).collect::<Vec<_>>()});
        let layers = layers.iter().map(|layer| layer.to_vec());
        Self {
            manifest: manifest.to_string().into_bytes(),
            blobs: std::iter::once(config).chain(layers).collect(),
        }
    }

    /// One whose layers are tar archives of a file each, of about these sizes.
    pub fn of_sizes(sizes: &[usize]) -> Self {
        let layers: Vec<Vec<u8>> = (1..).zip(sizes).map(|(seed, size)| tar(seed, *size)).collect();
        Self::of(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Writes it as an OCI layout, under this name.
    pub fn write_layout(&self, directory: &Path, name: &str) {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("the directory can be made");
        for blob in self.blobs.iter().chain([&self.manifest]) {
            fs::write(blobs.join(&digest(blob)[7..]), blob).expect("the blob can be written");
        }
        let mut manifest = descriptor(MANIFEST, &self.manifest);
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
        fs::write(directory.join("index.json"), index.to_string()).expect("the index can be written");
        let layout = json!({"imageLayoutVersion": "1.0.0"}).to_string();
        fs::write(directory.join("oci-layout"), layout).expect("the layout can be written");
    }

    /// Puts it into a registry, and returns its digest.
    pub fn put(&self, registry: &Registry, repository: &str, tag: &str) -> String {
        for blob in &self.blobs {
            registry.put_blob(repository, blob);
        }
        registry.put_manifest(repository, tag, MANIFEST, &self.manifest)
    }
}

fn layer_type(stored: &[u8]) -> String {
    let suffix = match stored {
        [0x1f, 0x8b, ..] => "+gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "+zstd",
        _ => "",
    };
    format!("{LAYER}{suffix}")
}

/// How a manifest or index names some bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

/// An archive with a file of pseudo-random bytes in it.
pub fn tar(seed: u64, size: usize) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut field =
        |place: usize, text: &str| header[place..place + text.len()].copy_from_slice(text.as_bytes());
    field(0, &format!("file-{seed}"));
    for (place, number, width) in [(100, 0o644, 7), (108, 0, 7), (116, 0, 7), (124, size, 11), (136, 0, 11)] {
        field(place, &format!("{number:0width$o}"));
    }
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut archive = header.to_vec();
    let mut state = seed;
    for _ in 0..size.div_ceil(8) {
        // The linear congruential generator of Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        archive.extend_from_slice(&(state ^ state >> 32).to_le_bytes());
    }
    archive.truncate(512 + size);
    archive.resize((512 + size).next_multiple_of(512) + 1024, 0);
    archive
}

use std::fs;

use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::image::{Image, tar};
use strake_testkit::layer::python;
use strake_testkit::registry::{Personality, Registry, digest};
use strake_testkit::store::TestStore;

use crate::registry::User;
use crate::strake::Ran;

/// Layers that say the diff id of one thing and are another.
struct Lie {
    good: Vec<u8>,
    evil: Vec<u8>,
}

fn compressed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("bytes");
    fs::write(&file, bytes).unwrap();
    stdout_of(command(program, ["-c".as_ref(), file.as_os_str()]))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    compressed("gzip", bytes)
}

impl Lie {
    fn new() -> Self {
        Self { good: tar(1, 300_000), evil: tar(2, 300_000) }
    }

    /// Each mismatch: the stored bytes, and the diff id that the config states.
    fn all(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Self { good, evil } = self;
        vec![
            (gzip(evil), good.clone()),
            (compressed("zstd", evil), good.clone()),
            (evil.clone(), good.clone()),
            // The stored bytes match the digest but are not a layer: their decompressed content differs.
            (gzip(evil), gzip(evil)),
            (gzip(&gzip(good)), good.clone()),
            // The beginning is right.
            (gzip(&good[..good.len() - 512]), good.clone()),
        ]
    }
}

/// An image with such a layer, and an honest one below.
fn image(stored: &[u8], said: &[u8]) -> Image {
    let below = tar(7, 1000);
    Image::claiming(&[(&gzip(&below), &below), (stored, said)])
}

/// Where images come from.
struct Places {
    user: User,
    registry: Registry,
}

impl Places {
    fn new() -> Self {
        Self { user: User::new(), registry: Registry::start(Personality::default()) }
    }

    fn name(&self, repository: &str) -> String {
        format!("docker://{}/{repository}:1", self.registry.address())
    }

    /// Earlier results do not count.
    fn forgets(&self) {
        self.user.ok(&["cache", "clear"]);
    }

    /// Fails for the diff id, and leaves nothing of this name.
    fn refused(&self, arguments: &[&str], files: &[&str]) -> Ran {
        let ran = self.user.run(arguments);
        ran.failed(&["has the diff id sha256:", ", not sha256:", "hint: the image is malformed"]);
        for file in files {
            assert!(!self.user.path(file).exists(), "{arguments:?} left {file}");
        }
        ran
    }
}

#[test]
fn layers_that_are_others_than_their_image_says() {
    let lie = Lie::new();
    for (stored, said) in lie.all() {
        let places = Places::new();
        image(&stored, &said).put(&places.registry, "evil", "1");
        let evil = &*places.name("evil");
        for (targets, files) in [
            (&["docker-archive:new.tar"][..], &["new.tar"][..]),
            (&["oci:new"], &["new/index.json"]),
            (&["oci-archive:new.oci"], &["new.oci"]),
            (&["--compress=gzip", "oci:new"], &["new/index.json"]),
            (&["--compress=zstd", "oci-archive:new.oci", "docker-archive:new.tar"], &["new.oci", "new.tar"]),
            (&["--verify", "oci:new"], &["new/index.json"]),
        ] {
            places.forgets();
            let ran = places.refused(&[&["copy", evil], targets].concat(), files);
            // It names the layer, by its blob.
            assert!(ran.stderr.contains(&format!("/evil@{}", digest(&stored))), "{}", ran.stderr);
            let _ = fs::remove_dir_all(places.user.path("new"));
        }
        for compress in ["none", "gzip"] {
            let mine = Registry::start(Personality::default());
            let target = format!("docker://{}/app:1", mine.address());
            places.forgets();
            places.refused(&["copy", "--compress", compress, evil, &target], &[]);
            places.forgets();
            // With another target beside it, and each layer read once for both.
            places.refused(&["copy", "--compress", compress, evil, &target, "oci:new"], &["new/index.json"]);
            assert!(mine.tags("app").is_empty());
        }
        places.forgets();
        places.refused(&["export", evil, "-o", "flat.tar"], &["flat.tar"]);
        places.forgets();
        places.refused(&["merge", evil, "-o", "new.tar"], &["new.tar"]);
        places.user.run(&["verify", evil]).failed(&["problem"]);
        // A blob that is known to be wrong is not fetched again.
        places.registry.clear_log();
        places.refused(&["copy", evil, "oci:new"], &["new/index.json"]);
        assert_eq!(places.registry.count("GET", &digest(&stored)), 0);
    }
}

#[test]
fn in_files_too() {
    let lie = Lie::new();
    for (stored, said) in lie.all() {
        let places = Places::new();
        image(&stored, &said).write_layout(&places.user.path("evil"), "1");
        let archive = places.user.path("evil.tar");
        let mut tar = command("tar", ["-cf", archive.to_str().unwrap(), "."]);
        tar.current_dir(places.user.path("evil"));
        stdout_of(tar);
        fs::write(places.user.path("evil.tar.gz"), gzip(&fs::read(archive).unwrap())).unwrap();
        for source in ["oci:evil", "oci-archive:evil.tar", "oci-archive:evil.tar.gz"] {
            for (arguments, file) in [
                (&["copy", source, "docker-archive:new.tar"][..], "new.tar"),
                (&["copy", source, "oci:new"], "new/index.json"),
                (&["export", source, "-o", "new.tar"], "new.tar"),
                (&["merge", source, "-o", "new.tar"], "new.tar"),
            ] {
                places.refused(arguments, &[file]);
            }
            places.user.run(&["verify", source]).failed(&["problem"]);
        }
    }
}

/// The only layer of the image with this name in the archive.
fn layer_of(archive: &[u8], name: &str) -> Vec<u8> {
    const PROGRAM: &str = r"
import io, json, sys, tarfile
with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())) as archive:
    assert len(archive.getnames()) == len(set(archive.getnames())), archive.getnames()
    for image in json.load(archive.extractfile('manifest.json')):
        if image['RepoTags'] == [sys.argv[1]]:
            sys.stdout.buffer.write(archive.extractfile(image['Layers'][-1]).read())
";
    python(PROGRAM, &[name], archive)
}

#[test]
fn layers_of_several_images_are_joined_when_they_are_the_same() {
    let lie = Lie::new();
    for (stored, said) in lie.all() {
        let places = Places::new();
        image(&gzip(&lie.good), &lie.good).write_layout(&places.user.path("good"), "good:1");
        image(&lie.good, &lie.good).put(&places.registry, "plain", "1");
        image(&compressed("zstd", &lie.good), &lie.good).put(&places.registry, "other", "1");
        image(&stored, &said).put(&places.registry, "evil", "1");
        let (evil, plain, other) = (&*places.name("evil"), &*places.name("plain"), &*places.name("other"));
        for sources in [[evil, "oci:good:good:1"], ["oci:good:good:1", evil]] {
            places.forgets();
            places.refused(&[&["merge", "-o", "new.tar"], &sources[..]].concat(), &["new.tar"]);
            // Nor is it believed the next time.
            places.refused(&[&["merge", "-o", "new.tar"], &sources[..]].concat(), &["new.tar"]);
        }
        for first in [plain, other] {
            places.user.ok(&["merge", "-o", "new.tar", first, "oci:good:good:1", plain, other]);
            let archive = fs::read(places.user.path("new.tar")).unwrap();
            let decompressed = layer_of(&archive, "good:1");
            let expected = if first == plain { lie.good.clone() } else { compressed("zstd", &lie.good) };
            assert!(decompressed == expected);
        }
    }
}

/// Base images: what is made of them says their diff ids, too.
#[test]
fn base_images() {
    let lie = Lie::new();
    let store = TestStore::empty();
    for (stored, said) in lie.all() {
        let places = Places::new();
        image(&stored, &said).put(&places.registry, "evil", "1");
        let base = places.name("evil");
        let conf = store.write_conf("on", &[], |conf| conf["from_image"] = base.as_str().into());
        let (root, conf) = (store.root().to_str().unwrap(), conf.to_str().unwrap());
        places.refused(&["stream", "--store-root", root, conf, "-o", "new.tar"], &["new.tar"]);
        places.forgets();
        places.refused(&["export", "--store-root", root, conf, "-o", "new.tar"], &["new.tar"]);
        places.forgets();
        places.refused(&["copy", "--store-root", root, conf, "oci:new"], &["new/index.json"]);
        let mine = Registry::start(Personality::default());
        let target = format!("docker://{}/app:1", mine.address());
        places.forgets();
        places.refused(&["copy", "--store-root", root, "--compress=gzip", conf, &target], &[]);
        assert!(mine.tags("app").is_empty());
    }
}

/// A layer is decompressed once, whatever is done with it later; and nothing but its bytes makes a diff id known.
#[test]
fn what_was_computed_once_is_known() {
    let lie = Lie::new();
    let places = Places::new();
    let stored = gzip(&lie.good);
    image(&stored, &lie.good).put(&places.registry, "good", "1");
    let good = &*places.name("good");
    let known = || fs::read_dir(places.user.path("cache/diff-ids-v1")).map_or(0, Iterator::count);
    places.user.ok(&["inspect", good]);
    places.user.ok(&["copy", "--dry-run", good, &places.name("elsewhere")]);
    assert_eq!(known(), 0);
    places.user.ok(&["copy", good, "oci:one"]);
    assert_eq!(known(), 2);
    let shown = text(&places.user.ok(&["cache", "show", "--json"]).stdout);
    let shown = shown.lines().find(|line| line.contains(&digest(&stored))).unwrap();
    assert!(shown.contains(&digest(&lie.good)), "{shown}");
    // The same blob under another claim is refused without a request for it.
    image(&stored, &lie.evil).put(&places.registry, "evil", "1");
    places.registry.clear_log();
    let evil = &*places.name("evil");
    let mine = places.name("mine");
    for target in ["oci:two", "oci:one", "docker-archive:new.tar", &mine] {
        places.refused(&["copy", evil, target], &["two/index.json", "new.tar"]);
    }
    assert_eq!(places.registry.count("GET", &digest(&stored)), 0);
    assert!(places.registry.tags("mine").is_empty());
    places.user.ok(&["cache", "clear"]);
    assert_eq!(known(), 0);
    // A damaged entry, and one that belongs to another blob, count as none.
    places.user.ok(&["copy", good, "oci:three"]);
    for entry in fs::read_dir(places.user.path("cache/diff-ids-v1")).unwrap() {
        let path = entry.unwrap().path();
        let others = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(path.with_file_name(&digest(&stored)[7..]), &others[..others.len() - 1]).unwrap();
    }
    places.refused(&["copy", evil, "oci:four"], &["four/index.json"]);
}

/// Attachments of images are not layers, and may be anything.
#[test]
fn attachments_are_not_decompressed() {
    let lie = Lie::new();
    let several = crate::platforms::Several::new();
    let registry = Registry::start(Personality::default());
    let name = format!("docker://{}/app:1", registry.address());
    crate::copy::strake_ok(several.place(), &["copy", "oci:several", &name]);
    let (_, index) = registry.manifest("app", "1").unwrap();
    let mut index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let attestation = index["manifests"][2]["digest"].as_str().unwrap().to_owned();
    let (media_type, manifest) = registry.manifest("app", &attestation).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let blob = gzip(&lie.good);
    manifest["layers"][0]["digest"] = registry.put_blob("app", &blob).into();
    manifest["layers"][0]["size"] = blob.len().into();
    let manifest = manifest.to_string();
    index["manifests"][2]["digest"] =
        registry.put_manifest("app", &digest(manifest.as_bytes()), &media_type, manifest.as_bytes()).into();
    index["manifests"][2]["size"] = manifest.len().into();
    registry.put_manifest("app", "1", strake_testkit::image::INDEX, index.to_string().as_bytes());
    for source in [name.as_str(), "oci:with", "oci-archive:with.tar"] {
        crate::copy::strake_ok(several.place(), &["verify", source]);
        crate::copy::strake_ok(several.place(), &["copy", source, "oci:with", "oci-archive:with.tar"]);
    }
}

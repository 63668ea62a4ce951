use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strake_image::Digest;
use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::tar_bytes::{RawMember, archive};

use crate::copy::{strake, strake_ok};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layout with an image of one layer, made by hand so that anything can be wrong with it.
pub(crate) struct Layout {
    directory: tempfile::TempDir,
    layer: Value,
    pub(crate) config: Value,
    manifest: Value,
    index: Value,
}

impl Layout {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("layout/blobs/sha256")).unwrap();
        let layout = Self {
            directory,
            layer: Value::Null,
            config: json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers" } }),
            manifest: json!({ "schemaVersion": 2, "mediaType": MANIFEST }),
            index: json!({ "schemaVersion": 2 }),
        };
        layout.file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#);
        layout.with_layer(LAYER, &archive(&[RawMember::new(b'0', "file", &b"layer".repeat(400))]))
    }

    /// The image has this layer, of which the diff id is that of its bytes.
    pub(crate) fn with_layer(mut self, media_type: &str, content: &[u8]) -> Self {
        self.layer = self.blob(media_type, content);
        self.config["rootfs"]["diff_ids"] = json!([self.layer["digest"]]);
        self.manifest["layers"] = json!([self.layer]);
        self.with_config()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("layout").join(name)
    }

    fn file(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn blob_path(&self, descriptor: &Value) -> PathBuf {
        self.path("blobs/sha256").join(descriptor["digest"].as_str().unwrap().replace("sha256:", ""))
    }

    /// Writes a blob and returns its descriptor.
    fn blob(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(content);
        self.file(&format!("blobs/sha256/{}", digest.hex()), content);
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": content.len() })
    }

    /// Writes what lists the config, and what lists that.
    pub(crate) fn with_config(mut self) -> Self {
        self.manifest["config"] = self.blob(CONFIG, self.config.to_string().as_bytes());
        self.with_manifest()
    }

    fn with_manifest(mut self) -> Self {
        let descriptor = self.blob(MANIFEST, self.manifest.to_string().as_bytes());
        self.index["manifests"] = json!([descriptor]);
        self.with_index()
    }

    fn with_index(self) -> Self {
        self.file("index.json", self.index.to_string().as_bytes());
        self
    }

    pub(crate) fn place(&self) -> &Path {
        self.directory.path()
    }
}

pub(crate) type Change = fn(Layout) -> Layout;

/// Images that every command refuses, with the message.
pub(crate) const REFUSED: &[(&str, Change)] = &[
    ("has no member \"index.json\"", |layout| {
        fs::remove_file(layout.path("index.json")).unwrap();
        layout
    }),
    ("has a damaged \"index.json\"", |layout| {
        layout.file("index.json", b"{");
        layout
    }),
    ("has a damaged \"index.json\"", |layout| {
        layout.file("index.json", &b"[".repeat(100_000));
        layout
    }),
    ("\"index.json\" that is larger", |layout| {
        layout.file("index.json", &b" ".repeat(9_000_000));
        layout
    }),
    ("\"index.json\" that is not a file", |layout| {
        fs::remove_file(layout.path("index.json")).unwrap();
        stdout_of(command("mkfifo", [layout.path("index.json")]));
        layout
    }),
    ("link \"index.json\" that leads out", |layout| {
        fs::rename(layout.path("index.json"), layout.place().join("index.json")).unwrap();
        symlink("../index.json", layout.path("index.json")).unwrap();
        layout
    }),
    ("OCI layout of version \"2.0.0\"", |layout| {
        layout.file("oci-layout", br#"{"imageLayoutVersion": "2.0.0"}"#);
        layout
    }),
    ("has no member \"oci-layout\"", |layout| {
        fs::remove_file(layout.path("oci-layout")).unwrap();
        layout
    }),
    ("holds no image", |mut layout| {
        layout.index["manifests"] = json!([]);
        layout.with_index()
    }),
    ("holds no image", |mut layout| {
        layout.index["manifests"] = Value::Null;
        layout.with_index()
    }),
    ("damaged \"index.json\"", |mut layout| {
        layout.index["manifests"] = json!({});
        layout.with_index()
    }),
    ("names a blob wrongly", |mut layout| {
        layout.index["manifests"][0]["digest"] = "sha256:../../x".into();
        layout.with_index()
    }),
    ("names a blob wrongly", |mut layout| {
        layout.index["manifests"][0]["digest"] = "sha512:00".into();
        layout.with_index()
    }),
    ("names a blob wrongly", |mut layout| {
        layout.manifest["layers"][0]["digest"] = "sha256:../../../../etc/passwd".into();
        layout.with_manifest()
    }),
    ("names a blob wrongly", |mut layout| {
        layout.manifest["config"]["digest"] = "".into();
        layout.with_manifest()
    }),
    ("has a blob sha256:", |mut layout| {
        layout.index["manifests"][0]["size"] = 7.into();
        layout.with_index()
    }),
    ("damaged \"index.json\"", |mut layout| {
        layout.index["manifests"][0]["size"] = (-1).into();
        layout.with_index()
    }),
    ("that is larger than any", |mut layout| {
        layout.index["manifests"][0]["size"] = i64::MAX.into();
        layout.with_index()
    }),
    ("has a blob sha256:", |mut layout| {
        layout.manifest["config"]["size"] = 1.into();
        layout.with_manifest()
    }),
    ("whose digest is sha256:", |layout| {
        let path = layout.blob_path(&layout.index["manifests"][0]);
        fs::write(&path, fs::read_to_string(&path).unwrap().replace('2', "3")).unwrap();
        layout
    }),
    ("has no member \"blobs/sha256/", |layout| {
        fs::remove_file(layout.blob_path(&layout.manifest["config"])).unwrap();
        layout
    }),
    ("leads out of it", |layout| {
        let path = layout.blob_path(&layout.manifest["config"]);
        fs::rename(&path, layout.place().join("config")).unwrap();
        symlink(layout.place().join("config"), path).unwrap();
        layout
    }),
    ("leads out of it", |layout| {
        fs::rename(layout.path("blobs"), layout.place().join("blobs")).unwrap();
        symlink("../blobs", layout.path("blobs")).unwrap();
        layout
    }),
    ("not an image's", |mut layout| {
        layout.manifest["mediaType"] = "text/plain".into();
        layout.with_manifest()
    }),
    ("not an image's", |mut layout| {
        layout.manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
        layout.with_manifest()
    }),
    ("has a damaged", |mut layout| {
        layout.manifest["layers"] = "none".into();
        layout.with_manifest()
    }),
    ("1 layers but 0 diff ids", |mut layout| {
        layout.config["rootfs"]["diff_ids"] = json!([]);
        layout.with_config()
    }),
    ("damaged diff id", |mut layout| {
        layout.config["rootfs"]["diff_ids"] = json!(["sha256:x"]);
        layout.with_config()
    }),
    // Programs in Go would make images without layers of these.
    ("keys \"layers\" and \"Layers\"", |mut layout| {
        layout.manifest["Layers"] = json!([]);
        layout.with_manifest()
    }),
    ("keys \"manifests\" and \"manifests\"", |layout| {
        let text = layout.index.to_string();
        layout.file("index.json", text.replacen('{', r#"{"manifests":[],"#, 1).as_bytes());
        layout
    }),
    ("has the key \"manifests\" of another", |mut layout| {
        layout.manifest["manifests"] = json!([]);
        layout.with_manifest()
    }),
    ("config is not an object", |mut layout| {
        let config = &layout.manifest["config"];
        layout.manifest["config"] = json!([config["mediaType"], config["digest"], config["size"]]);
        layout.with_manifest()
    }),
    ("has the schemaVersion 1", |mut layout| {
        layout.manifest["schemaVersion"] = 1.into();
        layout.with_manifest()
    }),
    ("rootfs of the type \"other\"", |mut layout| {
        layout.config["rootfs"]["type"] = "other".into();
        layout.with_config()
    }),
    ("with other data", |mut layout| {
        layout.manifest["config"]["data"] = "e30=".into();
        layout.with_manifest()
    }),
    ("some programs take for", |mut layout| {
        layout.manifest["mediaType"] = format!("{MANIFEST}; charset=utf-8").into();
        layout.with_manifest()
    }),
    ("indexes in indexes", |mut layout| {
        for _ in 0..6 {
            let index = layout.index.to_string();
            layout.index["manifests"] = json!([layout.blob(INDEX, index.as_bytes())]);
        }
        layout.with_index()
    }),
    ("linux/riscv64", |mut layout| {
        let mut other = layout.index["manifests"][0].clone();
        layout.index["manifests"][0]["platform"] = json!({ "os": "linux", "architecture": "riscv64" });
        other["digest"] = layout.layer["digest"].clone();
        other["platform"] = json!({ "os": "windows", "architecture": "amd64" });
        layout.index["manifests"].as_array_mut().unwrap().push(other);
        layout.with_index()
    }),
];

#[test]
fn refused() {
    for (words, change) in REFUSED {
        let layout = change(Layout::new());
        for arguments in [
            &["inspect", "oci:layout"][..],
            &["verify", "oci:layout"],
            &["copy", "oci:layout", "oci:new"],
            &["merge", "oci:layout", "-o", "new"],
            &["export", "oci:layout", "-o", "new"],
        ] {
            strake(layout.place(), arguments).failed(&["oci:layout", words]);
        }
        assert!(!layout.place().join("new").exists(), "{words}");
    }
}

/// Images that can be inspected but not copied, and the message of `strake verify`.
const WRONG: &[(&[&str], Change)] = &[
    (&["the image has a blob", "of 3584 bytes, not 3585"], |mut layout| {
        layout.manifest["layers"][0]["size"] = 3585.into();
        layout.with_manifest()
    }),
    (&["of 4000 bytes, not 3584"], |layout| {
        fs::write(layout.blob_path(&layout.layer), b"lay2".repeat(1000)).unwrap();
        layout
    }),
    (&["layer 1: ", "has the digest sha256:"], |layout| {
        fs::write(layout.blob_path(&layout.layer), b"other by".repeat(448)).unwrap();
        layout
    }),
    (&["layer 1: ", "has the diff id sha256:"], |mut layout| {
        layout.config["rootfs"]["diff_ids"] = json!([Digest::of(b"other").to_string()]);
        layout.with_config()
    }),
    (&["layer 1: the blob sha256:", "missing"], |layout| {
        fs::remove_file(layout.blob_path(&layout.layer)).unwrap();
        layout
    }),
    (&["leads out of it"], |layout| {
        let path = layout.blob_path(&layout.layer);
        fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", path).unwrap();
        layout
    }),
    (&["not a file"], |layout| {
        let path = layout.blob_path(&layout.layer);
        fs::remove_file(&path).unwrap();
        stdout_of(command("mkfifo", [path]));
        layout
    }),
    (&["is listed as \"text/plain\""], |mut layout| {
        layout.index["manifests"][0]["mediaType"] = "text/plain".into();
        layout.with_index()
    }),
    (&["of the type \"text/plain\""], |mut layout| {
        layout.manifest["layers"][0]["mediaType"] = "text/plain".into();
        layout.with_manifest()
    }),
    (&["is listed for \"arm64\", and its config is for \"amd64\""], |mut layout| {
        layout.index["manifests"][0]["platform"] = json!({ "os": "linux", "architecture": "arm64" });
        layout.with_index()
    }),
];

#[test]
fn looked_at_but_not_copied() {
    for (words, change) in WRONG {
        let layout = change(Layout::new());
        let place = layout.place();
        strake_ok(place, &["inspect", "oci:layout"]);
        strake(place, &["copy", "oci:layout", "docker-archive:new"]).failed(&["hint:"]);
        assert!(!place.join("new").exists());
        let verified = strake(place, &["verify", "oci:layout"]);
        verified.failed(&["oci:layout has a problem"]);
        let said = text(&verified.stdout);
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in *words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
    }
}

#[test]
fn what_only_verify_minds() {
    let mut layout = Layout::new();
    let compressed = stdout_of(command("gzip", ["-c".as_ref(), layout.blob_path(&layout.layer).as_os_str()]));
    layout.manifest["layers"] = json!([layout.blob(LAYER, &compressed), layout.layer]);
    let diff_id = layout.layer["digest"].clone();
    layout.config["rootfs"]["diff_ids"] = json!([diff_id, diff_id]);
    layout.config["history"] = json!([{ "created_by": "\u{1b}[31mone" }]);
    let mut layout = layout.with_config();
    layout.index["manifests"][0]["annotations"] = json!({ "org.opencontainers.image.ref.name": "a b" });
    let layout = layout.with_index();
    let place = layout.place();
    strake_ok(place, &["copy", "oci:layout", "docker-archive:new.tar"]);
    assert!(!strake_ok(place, &["inspect", "oci:layout"]).contains('\u{1b}'));
    let verified = strake(place, &["verify", "oci:layout"]);
    verified.failed(&["has 3 problems"]);
    let said = text(&verified.stdout);
    for words in ["speaks of 1 layers, and the image has 2", "\"a b\" is not a name", "layer 1: is gzip"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
}

#[test]
fn names_do_nothing_to_a_terminal() {
    let mut layout = Layout::new();
    let mut other = layout.index["manifests"][0].clone();
    other["digest"] = layout.layer["digest"].clone();
    for (descriptor, name) in [(&mut layout.index["manifests"][0], "\u{1b}[2J1"), (&mut other, "\u{1b}[2J2")]
    {
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    }
    layout.index["manifests"].as_array_mut().unwrap().push(other);
    let mut layout = layout.with_index();
    for source in ["oci:layout", "oci:layout:gone"] {
        let ran = strake(layout.place(), &["inspect", source]);
        ran.failed(&["\\u{1b}[2J1, \\u{1b}[2J2"]);
        assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    }
    layout.index["manifests"].as_array_mut().unwrap().pop();
    let layout = layout.with_index();
    let said = strake(layout.place(), &["copy", "oci:layout", "oci:new"]).stderr;
    assert!(said.contains("\\u{1b}[2J1") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn many() {
    let mut layout = Layout::new();
    let count = 40_000;
    layout.config["rootfs"]["diff_ids"] = json!(vec![layout.layer["digest"].clone(); count]);
    let mut wrong = layout.layer.clone();
    wrong["size"] = 7.into();
    layout.manifest["layers"] = json!(vec![wrong; count]);
    let layout = layout.with_config();
    let begun = std::time::Instant::now();
    let verified = strake(layout.place(), &["verify", "oci:layout"]);
    verified.failed(&["has 40000 problems"]);
    let mut layout = layout;
    let entry =
        |number| json!({ "mediaType": MANIFEST, "digest": format!("sha256:{number:064x}"), "size": 1 });
    layout.index["manifests"] = (0..50_000).map(entry).collect();
    let layout = layout.with_index();
    strake(layout.place(), &["verify", "oci:layout"]).failed(&["several images", "49992 more"]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn platforms() {
    let mut layout = Layout::new();
    let amd64 = layout.index["manifests"][0].clone();
    layout.config["architecture"] = "arm64".into();
    let mut layout = layout.with_config();
    let arm64 = layout.index["manifests"][0].clone();
    let platform = |mut descriptor: Value, architecture: &str| {
        descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
        descriptor
    };
    let mut remark = platform(layout.layer.clone(), "unknown");
    remark["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    layout.index["manifests"] = json!([platform(amd64, "amd64"), platform(arm64, "arm64"), remark]);
    for nested in [false, true] {
        if nested {
            let index = layout.index.to_string();
            layout.index["manifests"] = json!([layout.blob(INDEX, index.as_bytes())]);
        }
        layout = layout.with_index();
        for arch in ["amd64", "arm64"] {
            let shown = strake_ok(layout.place(), &["inspect", "--arch", arch, "oci:layout"]);
            assert!(shown.contains(&format!("linux/{arch}\n")), "{shown}");
            strake_ok(layout.place(), &["verify", "--arch", arch, "oci:layout"]);
            strake_ok(
                layout.place(),
                &["copy", "--arch", arch, "oci:layout", &format!("oci:new:{arch}-{nested}")],
            );
        }
        strake(layout.place(), &["inspect", "--arch", "s390x", "oci:layout"])
            .failed(&["linux/s390x", "linux/amd64"]);
    }
}

#[test]
fn archives_of_layouts() {
    let layout = Layout::new();
    let place = layout.place();
    let pack = |options: &[&str]| {
        let mut tar = command("tar", ["-cf", "layout.tar"]);
        tar.args(options).args(["-C", "layout", "."]).current_dir(place);
        stdout_of(tar);
    };
    pack(&[]);
    strake_ok(place, &["verify", "oci-archive:layout.tar"]);
    // A link inside is followed, one to the outside is not.
    let blob = layout.blob_path(&layout.layer);
    fs::rename(&blob, layout.path("moved")).unwrap();
    symlink("../../moved", &blob).unwrap();
    pack(&[]);
    strake_ok(place, &["verify", "oci-archive:layout.tar"]);
    strake_ok(place, &["verify", "oci:layout"]);
    fs::remove_file(&blob).unwrap();
    symlink("../../../../../../etc/passwd", &blob).unwrap();
    pack(&[]);
    strake(place, &["copy", "oci-archive:layout.tar", "oci:new"]).failed(&["not a plain relative path"]);
    fs::remove_file(&blob).unwrap();
    pack(&[]);
    strake_ok(place, &["inspect", "oci-archive:layout.tar"]);
    strake(place, &["copy", "oci-archive:layout.tar", "oci:new"]).failed(&["is not there", "hint:"]);
    strake(place, &["verify", "oci-archive:layout.tar"]).failed(&["has a problem"]);
}

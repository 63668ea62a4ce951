use std::fs;
use std::path::Path;

use strake_testkit::command::{command, stdout_of};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::strake::{Ran, stream};

/// Where the golden store's base image is, as its conf names it.
fn base(store: &TestStore) -> std::path::PathBuf {
    let conf = fs::read(store.conf("base")).unwrap();
    let conf: serde_json::Value = serde_json::from_slice(&conf).unwrap();
    store.real(conf["from_image"].as_str().unwrap())
}

#[test]
fn compressed_in_any_way() {
    let store = TestStore::golden(1);
    let base = base(&store);
    let plain = stream(&store, &store.conf("base")).archive();
    let tar = fs::read(&base).unwrap();
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        require(program);
        fs::write(&base, &tar).unwrap();
        let compressed = stdout_of(command(program, ["-c".as_ref(), base.as_os_str()]));
        for text in [compressed.clone(), with_second_stream(program, &tar)] {
            fs::write(&base, text).unwrap();
            assert!(stream(&store, &store.conf("base")).archive() == plain, "{program}");
        }
        fs::write(&base, &compressed[..compressed.len() / 2]).unwrap();
        stream(&store, &store.conf("base")).run().failed(&["the base image"]);
    }
}

/// The archive in two compressed streams, one behind the other, as parallel compressors write it.
fn with_second_stream(program: &str, tar: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = tar.split_at(tar.len() / 3);
    let mut text = Vec::new();
    for part in [first, second] {
        fs::write(directory.path().join("part"), part).unwrap();
        text.extend(stdout_of(command(program, ["-c".as_ref(), directory.path().join("part").as_os_str()])));
    }
    text
}

/// Makes a base image with a Python script, which finds `add(name, data, **fields)` and `layer(data)` there, and sees
/// what strake says to it.
fn run(script: &str) -> Ran {
    let store = TestStore::empty();
    let path = store.root().join("base.tar");
    make(&path, script);
    let conf = store.write_conf("base", &[], |conf| conf["from_image"] = path.to_str().unwrap().into());
    stream(&store, &conf).run()
}

fn make(path: &Path, script: &str) {
    let frame = r#"
import gzip, hashlib, io, json, struct, sys, tarfile
out = open(sys.argv[1], "wb")
tar = tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
def add(name, data, **fields):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for field, value in fields.items():
        setattr(entry, field, value)
    tar.addfile(entry, io.BytesIO(data))
def image(layers, diff_ids, config_name="config.json", **more):
    add(config_name, json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}, **more}).encode())
    add("manifest.json", json.dumps([{"Config": config_name, "RepoTags": [], "Layers": layers}]).encode())
blob = b"layer" * 1000
diff_id = "sha256:" + hashlib.sha256(blob).hexdigest()
"#;
    let script = format!("{frame}\n{script}\ntar.close()\n");
    stdout_of(command("python3", ["-c".as_ref(), script.as_ref(), path.as_os_str()]));
}

#[test]
fn as_other_tools_write_them() {
    for script in [
        "add('a/layer.tar', blob); image(['a/layer.tar'], [diff_id])",
        "add('a/layer.tar', blob); image(['a/layer.tar'], [diff_id], config=None)",
        "add('a/layer.tar', blob); image(['a/layer.tar'], [diff_id], config={'Env': None})",
        "add('blobs/sha256/x', gzip.compress(blob)); image(['blobs/sha256/x'], [diff_id], 'blobs/sha256/y')",
        "add('./a.tar', blob); image(['a.tar'], [diff_id])",
        "add('a.tar', b'old'); add('a.tar', blob); image(['a.tar'], [diff_id])",
        "add('a/layer.tar', blob); add('b/layer.tar', b'', type=tarfile.SYMTYPE, linkname='../a/layer.tar'); \
         image(['a/layer.tar', 'b/layer.tar'], [diff_id, diff_id])",
        "add('a/layer.tar', blob); add('b/layer.tar', b'', type=tarfile.SYMTYPE, linkname='../a/layer.tar'); \
         image(['b/layer.tar'], [diff_id])",
        "add('a.tar', blob, mtime=12.5, uname='ü'); image(['a.tar'], [diff_id])",
    ] {
        let ran = run(script);
        assert_eq!(ran.code, Some(0), "{script}: {}", ran.stderr);
    }
}

#[test]
fn broken_or_hostile() {
    for (script, words) in [
        ("", &["manifest.json"][..]),
        ("out.write(b'not a tar archive' * 1000); out.close(); sys.exit()", &["not a tar archive"]),
        ("add('manifest.json', b'{')", &["manifest.json", "damaged"]),
        ("add('manifest.json', b'[]')", &["holds no image"]),
        ("add('manifest.json', b'[' * 100000)", &["manifest.json", "damaged"]),
        ("add('manifest.json', b' ' * 9000000)", &["manifest.json", "larger"]),
        ("add('manifest.json', json.dumps([{'Config': 'x', 'Layers': []}]).encode())", &["no member \"x\""]),
        ("image(['gone.tar'], [diff_id])", &["no member \"gone.tar\""]),
        ("image([], [diff_id])", &["0 layers but 1 diff ids"]),
        ("add('a.tar', blob); image(['a.tar'], [])", &["1 layers but 0 diff ids"]),
        ("add('a.tar', blob); image(['a.tar'], ['sha256:12'])", &["diff id"]),
        ("add('a.tar', b'other'); image(['a.tar'], [diff_id])", &["has the diff id"]),
        ("add('a.tar', gzip.compress(blob)[:-9]); image(['a.tar'], [diff_id])", &["cannot decompress"]),
        ("add('../a.tar', blob); image(['../a.tar'], [diff_id])", &["not a plain relative path"]),
        ("add('/etc/passwd', blob); image(['/etc/passwd'], [diff_id])", &["not a plain relative path"]),
        ("add('a', b'', type=tarfile.DIRTYPE); image(['a'], [diff_id])", &["not a file"]),
        ("add('a', b'', type=tarfile.SYMTYPE, linkname='a'); image(['a'], [diff_id])", &["not a file"]),
        (
            "add('a', b'', type=tarfile.SYMTYPE, linkname='../../etc/passwd'); image(['a'], [diff_id])",
            &["not a plain relative path"],
        ),
        // A member that claims to be larger than the file: in the field, and in an extended header.
        (
            "h = tarfile.TarInfo('a'); h.size = 8 ** 11 - 1; out.write(h.tobuf()); out.close(); sys.exit()",
            &["is cut short"],
        ),
        (
            "h = tarfile.TarInfo('a'); h.size = 2 ** 62; out.write(h.tobuf()); out.close(); sys.exit()",
            &["is cut short"],
        ),
        // Headers that would fill the memory.
        ("add('a', b'', pax_headers={'comment': 'x' * 40000000})", &["headers are larger"]),
        ("add('a.tar', blob); image(['a.tar'], [diff_id], config={'Env': [1]})", &["Env"]),
        ("add('a.tar', blob); image(['a.tar'], [diff_id], config=[])", &["damaged"]),
    ] {
        run(script).failed(words);
    }
}

#[test]
fn compressed_and_hostile() {
    // The same through a decompressor, where nothing can be skipped.
    for (script, words) in [
        ("add('a', b'', pax_headers={'comment': 'x' * 40000000})", "headers are larger"),
        ("add('a.tar', b'other'); image(['a.tar'], [diff_id])", "has the diff id"),
        (
            "h = tarfile.TarInfo('a'); h.size = 2 ** 40; out.write(h.tobuf()); out.close(); sys.exit()",
            "base image",
        ),
    ] {
        let store = TestStore::empty();
        let path = store.root().join("base.tar");
        make(&path, script);
        let compressed = stdout_of(command("gzip", ["-c".as_ref(), path.as_os_str()]));
        fs::write(&path, compressed).unwrap();
        let conf = store.write_conf("base", &[], |conf| conf["from_image"] = path.to_str().unwrap().into());
        stream(&store, &conf).run().failed(&[words]);
    }
}

#[test]
fn cut_anywhere() {
    let store = TestStore::golden(1);
    let base = base(&store);
    let whole = fs::read(&base).unwrap();
    for part in 1..20 {
        fs::write(&base, &whole[..whole.len() * part / 25]).unwrap();
        stream(&store, &store.conf("base")).run().failed(&["the base image"]);
    }
}

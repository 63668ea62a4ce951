use serde_json::{Value, json};
use strake_testkit::store::TestStore;

use crate::strake::{program, ran, stream};

/// Sees that a conf with this change is refused, with words that say why.
fn check(change: impl FnOnce(&mut Value), words: &[&str]) {
    let store = TestStore::empty();
    let conf = store.write_conf("wrong", &[], change);
    let target = store.root().join("image.tar");
    let ran = stream(&store, &conf).args(["-o", target.to_str().unwrap()]).run();
    ran.failed(words);
    assert!(ran.stdout.is_empty() && !target.exists());
}

#[test]
fn a_key_is_missing() {
    for key in [
        "architecture",
        "config",
        "store_dir",
        "from_image",
        "store_layers",
        "customisation_layer",
        "repo_tag",
        "created",
        "mtime",
        "uid",
        "gid",
        "uname",
        "gname",
    ] {
        check(|conf| drop(conf.as_object_mut().unwrap().remove(key)), &["has no key", key]);
    }
}

#[test]
fn a_value_is_of_the_wrong_type() {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!("\u{0}"),
        json!([7]),
        json!({"a": 1}),
        json!([["a", 1]]),
    ];
    for (key, right) in [
        ("architecture", &[][..]),
        ("config", &[6]),
        ("store_dir", &[]),
        ("from_image", &[0]),
        ("store_layers", &[]),
        ("customisation_layer", &[]),
        ("repo_tag", &[]),
        ("created", &[]),
        ("mtime", &[]),
        ("uid", &[]),
        ("gid", &[]),
        ("uname", &[]),
        ("gname", &[]),
        ("os", &[]),
        ("inherit", &[0]),
        ("skip_base_paths", &[1]),
    ] {
        for (_, value) in values.iter().enumerate().filter(|(index, _)| !right.contains(index)) {
            check(|conf| conf[key] = value.clone(), &[key]);
        }
    }
}

#[test]
fn a_value_is_wrong() {
    for (key, value, words) in [
        ("uid", json!("4294967296"), &["uid", "0 to 4294967295"][..]),
        ("gid", json!("root"), &["gid"]),
        ("created", json!("yesterday"), &["created", "ISO 8601"]),
        ("mtime", json!("2024-02-30"), &["mtime"]),
        ("os", json!("windows"), &["os", "linux"]),
        ("inherit", json!("none"), &["inherit", "\"env\" or \"all\""]),
        ("store_dir", json!("nix/store"), &["nix/store"]),
        ("store_layers", json!([["/etc/passwd"]]), &["/etc/passwd", "not in the store"]),
        ("store_layers", json!([["/nix/store/../../etc"]]), &["not the name of a store path"]),
        ("store_layers", json!([["/nix/store/aaa-gone"]]), &["aaa-gone", "No such file"]),
        ("store_layers", json!([["/nix/store/a-b"], ["/nix/store/a-b"]]), &["/nix/store/a-b twice"]),
        ("customisation_layer", json!("/nix/store/aaa-gone"), &["checksum", "No such file"]),
        ("described", json!([{ "diff_id": "sha256:0", "size": 1 }]), &["key \"described\" must be a list"]),
        (
            "described",
            json!([{ "diff_id": format!("sha256:{}", "0".repeat(64)), "size": -1 }]),
            &["described"],
        ),
        ("described", json!([{ "diff_id": format!("sha256:{}", "0".repeat(64)) }]), &["described"]),
        ("described_base", json!({ "config": "", "layers": 7 }), &["described_base"]),
        ("history", json!([{}, {}]), &["key \"history\" speaks of 2 layers, and the image has 1"]),
        ("history", json!(["text"]), &["key \"history\" must be a list of objects"]),
        ("from_image", json!("/nix/store/aaa-gone"), &["the base image", "No such file"]),
    ] {
        check(|conf| conf[key] = value, words);
    }
}

#[test]
fn not_a_conf_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("conf.json");
    for text in
        [&b""[..], b"{", b"[]", b"\"text\"", b"\xff\xfe", b"{\"a\": 1e999999, }", &b"[".repeat(100_000)]
    {
        std::fs::write(&file, text).unwrap();
        let mut command = program();
        command.arg("stream").arg(&file);
        ran(strake_testkit::command::output_of(&mut command)).failed(&["conf.json"]);
    }
    let mut command = program();
    command.args(["stream", "/nonexistent"]);
    ran(strake_testkit::command::output_of(&mut command)).failed(&["/nonexistent", "No such file"]);
}

#[test]
fn a_number_that_json_cannot_say() {
    let store = TestStore::empty();
    let conf = store.write_conf("wrong", &[], |_| ());
    let text = std::fs::read_to_string(&conf).unwrap().replace("\"config\":{}", "\"config\":{\"n\":1e400}");
    std::fs::write(&conf, text).unwrap();
    stream(&store, &conf).run().failed(&["config"]);
}

#[test]
fn on_stdin() {
    let store = TestStore::golden(1);
    let mut strake = stream(&store, std::path::Path::new("-"));
    strake.command.stdin(std::fs::File::open(store.conf("plain")).unwrap());
    assert!(strake.archive() == store.oracle(&store.conf("plain")));
}

#[test]
fn the_customisation_layer_is_another() {
    let store = TestStore::golden(1);
    let text = std::fs::read(store.conf("no-store")).unwrap();
    let conf: Value = serde_json::from_slice(&text).unwrap();
    let directory = store.real(conf["customisation_layer"].as_str().unwrap());
    let right = std::fs::read(directory.join("checksum")).unwrap();
    for (checksum, words) in [
        ("0".repeat(64), "has the diff id"),
        ("0".repeat(63), "does not hold a SHA-256 checksum"),
        (String::new(), "does not hold a SHA-256 checksum"),
    ] {
        std::fs::write(directory.join("checksum"), checksum).unwrap();
        stream(&store, &store.conf("no-store")).run().failed(&[words]);
    }
    std::fs::write(directory.join("checksum"), right).unwrap();
    std::fs::remove_file(directory.join("layer.tar")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.join("layer.tar")).unwrap();
    stream(&store, &store.conf("no-store")).run().failed(&["not a regular file"]);
}

#[test]
fn made_now() {
    let store = TestStore::empty();
    let conf = store.write_conf("now", &[], |conf| {
        conf["created"] = "now".into();
        conf["mtime"] = "now".into();
    });
    let archive = stream(&store, &conf).archive();
    let seconds = |text: &[u8]| u64::from_str_radix(std::str::from_utf8(text).unwrap(), 8).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // The modification time of the archive's first member.
    assert!((now - 60..=now).contains(&seconds(&archive[136..147])));
    let text = strake_testkit::command::text(&archive);
    let created = text.split("\"created\": \"").nth(1).unwrap().split('"').next().unwrap();
    let python = "import sys, datetime as d; print(int(d.datetime.fromisoformat(sys.argv[1]).timestamp()))";
    let printed = strake_testkit::command::stdout_of(strake_testkit::command::command(
        "python3",
        ["-c", python, created],
    ));
    let created = strake_testkit::command::text(&printed).trim().parse().unwrap();
    assert!((now - 60..=now).contains(&created));
}

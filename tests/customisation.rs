use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::command::{command, stdout_of};
use strake_testkit::layer::{extract, listing};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::strake::{Ran, stream};

/// A time that is not the default.
const MTIME: &str = "981173106";

/// Streams an image of the store with this description, and no store paths.
fn run(store: &TestStore, customisation: &Value) -> Ran {
    let conf = store.write_conf("described", &[], |conf| {
        conf.as_object_mut().unwrap().remove("customisation_layer");
        conf["customisation"] = customisation.clone();
        conf["mtime"] = "2001-02-03T04:05:06+00:00".into();
    });
    stream(store, &conf).args(["--verify"]).run()
}

/// The contents of its customisation layer.
fn customised(store: &TestStore, customisation: &Value) -> Vec<String> {
    let ran = run(store, customisation);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    listing(&extract(&ran.stdout, -1))
}

/// The archive that GNU tar makes of a directory.
fn packed(directory: &Path) -> Vec<String> {
    let options = [
        "--create",
        "--sort=name",
        "--numeric-owner",
        "--owner=0",
        "--group=0",
        "--hard-dereference",
        "--format=pax",
        "--pax-option=delete=atime,delete=ctime",
        &format!("--mtime=@{MTIME}"),
    ];
    let mut tar = command("tar", options);
    tar.arg("--directory").arg(directory).arg(".");
    listing(&stdout_of(tar))
}

/// A tree with what is hard to get right.
fn awkward(directory: &Path) {
    let write = |name: &str, text: &str, mode: u32| {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("bin/su", "setuid", 0o4755);
    write("bin/empty", "", 0o600);
    write("a/b", "order", 0o644);
    write("a-b", "order", 0o644);
    write("a.b/c", "order", 0o644);
    write("etc/grüße", "not ASCII", 0o640);
    write(&format!("share/{}/{}", "long".repeat(40), "name".repeat(40)), "long", 0o644);
    fs::create_dir_all(directory.join("tmp")).unwrap();
    fs::set_permissions(directory.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    symlink("su", directory.join("bin/sh")).unwrap();
    symlink(format!("/{}", "target".repeat(30)), directory.join("bin/far")).unwrap();
    fs::hard_link(directory.join("a-b"), directory.join("z")).unwrap();
}

#[test]
fn a_directory_as_gnu_tar_packs_it() {
    let store = TestStore::empty();
    let tree = store.root().join("tree");
    awkward(&tree);
    assert_eq!(fs::metadata(tree.join("z")).unwrap().nlink(), 2);
    assert_eq!(customised(&store, &json!({ "root": tree })), packed(&tree));
}

#[test]
#[ignore = "needs lndir"]
fn contents_as_lndir_links_them() {
    let store = TestStore::empty();
    let paths = ["/nix/store/aaa-one", "/nix/store/bbb-two"];
    awkward(&store.real(paths[0]));
    for (name, text) in [("bin/other", "other"), ("etc/conf", "conf"), ("share/x", "x")] {
        let path = store.real(paths[1]).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let joined = store.root().join("joined");
    fs::create_dir(&joined).unwrap();
    for path in paths {
        let mut lndir = command(require("lndir"), ["-silent"]);
        lndir.arg(store.real(path)).arg(&joined);
        stdout_of(lndir);
    }
    // The links lead to where the store is in this test; in the image it is at its place.
    let root = store.root().to_str().unwrap();
    let expected: Vec<String> = packed(&joined).iter().map(|line| line.replace(root, "")).collect();
    let found = customised(&store, &json!({ "contents": paths }));
    assert_eq!(found, expected);
    assert!(found.iter().any(|line| line.contains("'/nix/store/bbb-two/bin/other'")), "{found:#?}");
}

#[test]
fn a_link_to_contents() {
    let store = TestStore::empty();
    fs::create_dir_all(store.real("/nix/store/aaa-one/bin")).unwrap();
    fs::write(store.real("/nix/store/aaa-one/bin/x"), "x").unwrap();
    symlink("/nix/store/aaa-one", store.real("/nix/store/bbb-link")).unwrap();
    let found = customised(&store, &json!({ "contents": ["/nix/store/bbb-link"] }));
    assert!(found[2].contains("'/nix/store/bbb-link/bin/x'"), "{found:#?}");
}

#[test]
fn rules_by_regular_expressions() {
    let store = TestStore::empty();
    let found = customised(
        &store,
        &json!({
            "entries": [
                { "path": "/home/app/a.conf", "text": "" },
                { "path": "/home/app/b.txt", "text": "" },
                { "path": "/grüße", "text": "" },
            ],
            "rules": [
                { "regex": "/app", "uid": 7 },
                { "regex": r"^/home/.*\.conf$", "mode": "600" },
                { "regex": "gr.ße$", "gid": 8 },
            ],
        }),
    );
    let of = |name: &str| {
        let line = found.iter().find(|line| line.starts_with(&format!("'./{name}'"))).unwrap();
        line.split_whitespace().skip(2).take(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("home"), "0o755 0 0");
    assert_eq!(of("home/app"), "0o755 7 0");
    assert_eq!(of("home/app/a.conf"), "0o600 7 0");
    assert_eq!(of("home/app/b.txt"), "0o644 7 0");
    assert_eq!(of("grüße"), "0o644 0 8");
}

#[test]
fn several_layers() {
    let store = TestStore::empty();
    let list = json!([
        { "entries": [{ "path": "/same", "text": "below" }] },
        {},
        { "entries": [{ "path": "/same", "text": "above" }] },
    ]);
    let ran = run(&store, &list);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for (place, text) in [(0, "below"), (1, "above"), (-1, "above")] {
        let digest = strake_image::Digest::of(text.as_bytes()).hex()[..16].to_owned();
        let layer = listing(&extract(&ran.stdout, place));
        assert!(layer.iter().any(|line| line.starts_with("'./same'") && line.contains(&digest)), "{layer:?}");
    }
}

#[test]
fn entries_and_rules() {
    let store = TestStore::empty();
    let file = store.root().join("ping");
    fs::write(&file, "ping").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let found = customised(
        &store,
        &json!({
            "entries": [
                { "path": "/etc/passwd", "text": "root:x:0:0::/root:/bin/sh\n" },
                { "path": "/tmp", "directory": true },
                { "path": "/home/app", "directory": true },
                { "path": "/home/app/.profile", "text": "" },
                { "path": "/home/app/bin", "symlink": "/bin" },
                { "path": "/bin/ping", "file": file },
                { "path": "/bin/su", "text": "su" },
            ],
            "rules": [
                { "path": "/tmp", "mode": "1777" },
                { "path": "/home/app{,/**}", "uid": 1000, "gid": 100 },
                { "path": "/home/**", "type": "file", "mode": "600", "mtime": 5_000_000_000_i64 },
                { "path": "/bin/*", "mode": "755" },
                { "path": "/bin/su", "mode": "4711", "gid": 5_000_000 },
                { "path": "/bin/ping", "capabilities": "cap_net_raw=ep" },
            ],
        }),
    );
    let digest = |text: &str| strake_image::Digest::of(text.as_bytes()).hex()[..16].to_owned();
    let none = digest("");
    let line = |name: &str,
                kind: char,
                mode: &str,
                owner: &str,
                mtime: &str,
                link: &str,
                content: &str,
                xattrs: &str| {
        format!("'{name}' {kind} 0o{mode} {owner} '' '' {mtime} '{link}' {content} {{{xattrs}}}")
    };
    // 0x02000001, then CAP_NET_RAW, which is bit 13, among the permitted.
    let raw = "'SCHILY.xattr.security.capability': '0100000200200000000000000000000000000000'";
    let expected = [
        line(".", '5', "755", "0 0", MTIME, "", &none, ""),
        line("./bin", '5', "755", "0 0", MTIME, "", &none, ""),
        line("./bin/ping", '0', "755", "0 0", MTIME, "", &digest("ping"), raw),
        line("./bin/su", '0', "4711", "0 5000000", MTIME, "", &digest("su"), ""),
        line("./etc", '5', "755", "0 0", MTIME, "", &none, ""),
        line("./etc/passwd", '0', "644", "0 0", MTIME, "", &digest("root:x:0:0::/root:/bin/sh\n"), ""),
        line("./home", '5', "755", "0 0", MTIME, "", &none, ""),
        line("./home/app", '5', "755", "1000 100", MTIME, "", &none, ""),
        line("./home/app/.profile", '0', "600", "1000 100", "5000000000", "", &none, ""),
        line("./home/app/bin", '2', "777", "1000 100", MTIME, "/bin", &none, ""),
        line("./tmp", '5', "1777", "0 0", MTIME, "", &none, ""),
    ];
    assert_eq!(found, expected);
}

#[test]
fn nothing_is_no_layer() {
    let store = TestStore::empty();
    let ran = run(&store, &json!({}));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(strake_testkit::command::text(&ran.stdout).contains("\"Layers\": []"));
}

#[test]
fn the_same_file_twice_is_no_conflict() {
    let store = TestStore::empty();
    for path in ["/nix/store/aaa-one", "/nix/store/bbb-two"] {
        fs::create_dir_all(store.real(path).join("share")).unwrap();
        fs::write(store.real(path).join("share/licence"), "the same").unwrap();
    }
    let found = customised(&store, &json!({ "contents": ["/nix/store/bbb-two", "/nix/store/aaa-one"] }));
    assert!(found.last().unwrap().contains("'/nix/store/bbb-two/share/licence'"), "{found:#?}");
}

/// A description that must be refused, in a store with two paths that both have `bin/x`.
fn refused(customisation: &Value, words: &[&str]) {
    let store = TestStore::empty();
    for (path, text) in [("/nix/store/aaa-one", "one"), ("/nix/store/bbb-two", "two")] {
        fs::create_dir_all(store.real(path).join("bin")).unwrap();
        fs::write(store.real(path).join("bin/x"), text).unwrap();
    }
    fs::write(store.real("/nix/store/ccc-file"), "file").unwrap();
    let ran = run(&store, customisation);
    ran.failed(words);
    assert!(ran.stdout.is_empty());
}

#[test]
fn descriptions_that_are_wrong() {
    let contents = json!(["/nix/store/aaa-one", "/nix/store/bbb-two"]);
    refused(
        &json!({ "contents": contents }),
        &["/bin/x is a symbolic link in /nix/store/aaa-one, and another in /nix/store/bbb-two"],
    );
    let one = json!(["/nix/store/aaa-one"]);
    for (entry, words) in [
        (
            json!({ "path": "/bin", "text": "" }),
            &["/bin is a directory in /nix/store/aaa-one, and a file"][..],
        ),
        (
            json!({ "path": "/bin/x/y", "text": "" }),
            &["/bin/x is a symbolic link", "and a directory in an entry"],
        ),
        (json!({ "path": "bin", "text": "" }), &["\"bin\" is not an absolute path"]),
        (json!({ "path": "/a/../b", "text": "" }), &["/a/../b"]),
        (json!({ "path": "/a" }), &["\"/a\" must have just one of"]),
        (json!({ "path": "/a", "text": "", "symlink": "b" }), &["\"/a\" must have just one of"]),
        (json!({ "path": "/a", "symlink": "" }), &["\"/a\""]),
        (json!({ "path": "/a", "file": "/nonexistent" }), &["/nonexistent", "No such file"]),
        (json!({ "path": "/a", "file": "/etc" }), &["/etc is not a regular file"]),
        (json!({ "path": "/a", "text": 7 }), &["key \"customisation\"", "string"]),
        (json!({ "path": "/a", "mode": "644" }), &["unknown field `mode`"]),
    ] {
        refused(&json!({ "contents": one, "entries": [entry] }), words);
    }
    for (rule, words) in [
        (json!({ "path": "/nothing", "uid": 1 }), &["the rule for \"/nothing\" matches nothing"][..]),
        (json!({ "path": "bin/x", "uid": 1 }), &["\"bin/x\" is wrong", "slash"]),
        (json!({ "path": "/[", "uid": 1 }), &["\"/[\" is wrong"]),
        (json!({ "regex": "bin/(x", "uid": 1 }), &["\"bin/(x\" is wrong", "unclosed group"]),
        (json!({ "regex": "^bin", "uid": 1 }), &["the rule for \"^bin\" matches nothing"]),
        (json!({ "regex": "bin", "path": "/bin" }), &["a rule has either path or regex"]),
        (json!({ "uid": 1 }), &["a rule has either path or regex"]),
        (json!({ "path": "/bin", "mode": "0o755" }), &["0o755", "octal"]),
        (json!({ "path": "/bin", "mode": "77777" }), &["77777"]),
        (json!({ "path": "/bin", "mode": 755 }), &["string"]),
        (json!({ "path": "/bin", "uid": -1 }), &["customisation"]),
        (json!({ "path": "/bin", "capabilities": "cap_kill=p" }), &["/bin is not a regular file"]),
        (json!({ "path": "/bin/x", "capabilities": "cap_kil=p" }), &["there is no capability \"cap_kil\""]),
        (json!({ "path": "/bin/x", "type": "socket" }), &["socket"]),
    ] {
        refused(&json!({ "contents": one, "rules": [rule] }), words);
    }
    refused(&json!({ "contents": ["/nix/store/ccc-file"] }), &["ccc-file is not a directory"]);
    refused(&json!({ "contents": ["/nix/store/ddd-gone"] }), &["ddd-gone", "No such file"]);
    refused(&json!({ "root": "/dev" }), &["/dev/"]);
    refused(&json!({ "nix_database": { "roots": [] } }), &["needs the key \"closure\""]);
    refused(&json!({ "nonsense": 1 }), &["nonsense"]);
}

#[test]
fn a_copied_file_that_changes_is_noticed() {
    let store = TestStore::empty();
    let tree = store.root().join("tree");
    awkward(&tree);
    let conf = store.write_conf("described", &[], |conf| {
        conf.as_object_mut().unwrap().remove("customisation_layer");
        conf["customisation"] = json!({ "root": tree });
    });
    let cache = tempfile::tempdir().unwrap();
    let archive = || crate::strake::stream_with_cache(&store, &conf, cache.path()).archive();
    let before = archive();
    assert!(archive() == before);
    fs::write(tree.join("bin/su"), "SETUID").unwrap();
    fs::set_permissions(tree.join("bin/su"), fs::Permissions::from_mode(0o4755)).unwrap();
    assert!(archive() != before);
    assert_eq!(listing(&extract(&archive(), -1)), {
        let conf: Value = serde_json::from_slice(&fs::read(&conf).unwrap()).unwrap();
        assert_eq!(conf["mtime"], "1970-01-01T00:00:01+00:00");
        packed(&tree).iter().map(|line| line.replace(MTIME, "1")).collect::<Vec<_>>()
    });
}

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::registry::{Personality, Registry};
use strake_testkit::store::TestStore;

use crate::copy::{strake, strake_ok};

const HASH: &str = "00000000000000000000000000000000";
const WARNING: &str = "with which containerd 2.2 starts no container; --materialize-etc of strake plan, or materializeEtc of the Nix library, writes";

/// A store with what dockerTools' `fakeNss` has, and with environments that have it by way of a link to each file, and to all of
/// `/etc`. Returns the names of these three store paths.
fn store(root: &Path) -> [String; 3] {
    let names = ["nss", "files", "directory"].map(|name| format!("/nix/store/{HASH}-{name}"));
    let real = |path: &str| root.join(&path[1..]);
    let [nss, files, directory] = &names;
    fs::create_dir_all(real(nss).join("etc")).unwrap();
    for (name, content) in
        [("passwd", "root:x:0:0::/:/bin/sh\n"), ("group", "root:x:0:\n"), ("nsswitch.conf", "hosts: files\n")]
    {
        let file = real(nss).join("etc").join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::create_dir_all(real(files).join("etc")).unwrap();
    fs::create_dir_all(real(directory)).unwrap();
    for name in ["passwd", "group"] {
        symlink(format!("{nss}/etc/{name}"), real(files).join("etc").join(name)).unwrap();
    }
    symlink(format!("{nss}/etc"), real(directory).join("etc")).unwrap();
    let graph = json!([
        { "path": nss, "references": [], "narSize": 1 },
        { "path": files, "references": [nss], "narSize": 1 },
        { "path": directory, "references": [nss], "narSize": 1 },
    ]);
    fs::write(root.join("graph.json"), graph.to_string()).unwrap();
    names
}

/// The entries of an image's `/etc`: names, with ` -> ` and the target of links, and the content of files behind a colon.
fn listed(root: &Path, source: &[&str]) -> Vec<String> {
    strake_ok(root, &[&["export", "-o", "flat.tar"], source].concat());
    let script = "import sys, tarfile\nfor m in tarfile.open('flat.tar'):\n  if m.name.lstrip('./').startswith('etc') and not m.isdir():\n    print(m.name.lstrip('./'), '->', m.linkname) if m.issym() else print(m.name.lstrip('./'), oct(m.mode), repr(tarfile.open('flat.tar').extractfile(m).read()))";
    let mut python = command("python3", ["-c", script]);
    python.current_dir(root);
    text(&stdout_of(python)).lines().map(str::to_owned).collect()
}

#[test]
fn links_become_files() {
    let store_of = TestStore::empty();
    let root = store_of.root();
    let [nss, files, directory] = store(root);
    let registry = Registry::start(Personality::default());
    let graph = ["--store-root", ".", "--graph", "graph.json", "--name", "x", "--tag", "1"];
    let as_files = [
        "etc/group 0o644 b'root:x:0:\\n'".to_owned(),
        "etc/passwd 0o644 b'root:x:0:0::/:/bin/sh\\n'".to_owned(),
    ];
    let as_links = |of: &str| ["group", "passwd"].map(|name| format!("etc/{name} -> {of}/etc/{name}"));
    let nsswitch = format!("etc/nsswitch.conf -> {nss}/etc/nsswitch.conf");
    let both =
        format!("/etc/passwd and /etc/group are absolute symbolic links, {WARNING} files in their place");
    let etc = format!("/etc is an absolute symbolic link, {WARNING} a file in its place");
    for (option, contents, files_expected, links_expected, warning) in [
        (
            "--contents",
            &nss,
            vec![nsswitch.clone()],
            [&as_links(&nss)[..], std::slice::from_ref(&nsswitch)].concat(),
            &both,
        ),
        ("--contents", &files, vec![], as_links(&nss).to_vec(), &both),
        ("--contents", &directory, vec![nsswitch.clone()], vec![format!("etc -> {nss}/etc")], &etc),
        ("--root", &files, vec![], as_links(&nss).to_vec(), &both),
        ("--root", &directory, vec![nsswitch.clone()], vec![format!("etc -> {nss}/etc")], &etc),
    ] {
        let real = if option == "--root" { format!(".{contents}") } else { contents.clone() };
        let what = [&[contents.as_str(), option, &real], &graph[..]].concat();
        let mut expected = [&as_files[..], &files_expected].concat();
        expected.sort();
        assert_eq!(listed(root, &what), expected, "{what:?}");
        assert_eq!(listed(root, &[&what[..], &["--materialize-etc"]].concat()), expected, "{what:?}");
        let mut expected = links_expected;
        expected.sort();
        let linked = [&what[..], &["--materialize-etc=false"]].concat();
        assert_eq!(listed(root, &linked), expected, "{what:?}");

        // The commands that warn: plan, stream and verify, in every format.
        let said = |arguments: &[&str], warning: Option<&String>| {
            let ran = strake(root, arguments);
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let found = ran.stderr.lines().find(|line| line.contains("warning: "));
            let expected = warning.map(|warning| format!("strake: warning: {warning}"));
            assert_eq!(found, expected.as_deref(), "{arguments:?}");
        };
        for (what, warning) in [(&what, None), (&linked, Some(warning))] {
            said(&[&["plan", "-o", "plan.json"], &what[..]].concat(), warning);
            said(&[&["stream", "-o", "image.tar"], &what[..]].concat(), warning);
            said(&["stream", "plan.json", "--store-root", ".", "-o", "again.tar"], warning);
            assert!(fs::read(root.join("image.tar")).unwrap() == fs::read(root.join("again.tar")).unwrap());
            said(&["verify", "plan.json", "--store-root", "."], warning);
            stdout_of(command("gzip", ["-kf".as_ref(), root.join("image.tar").as_os_str()]));
            strake_ok(
                root,
                &["copy", "-q", "--compress", "gzip", "image.tar", "oci:layout", "oci-archive:layout.tar"],
            );
            let pushed = format!("docker://{}/x:1", registry.address());
            strake_ok(root, &["copy", "-q", "image.tar", &pushed]);
            for image in ["image.tar", "image.tar.gz", "layout", "layout.tar", &pushed] {
                said(&["verify", image], warning);
            }
            // On a base image the topmost layer counts.
            for base in ["image.tar", "oci:layout"] {
                let above = ["stream", "--from", base, "--contents", &files, &nss, "-o", "above.tar"];
                said(&[&above[..], &graph].concat(), None);
            }
            fs::remove_dir_all(root.join("layout")).unwrap();
        }
        let plan: Value = serde_json::from_slice(&fs::read(root.join("plan.json")).unwrap()).unwrap();
        assert_eq!(plan["customisation"]["materialize_etc"], false);
    }
}

/// A customisation's own word counts unless an option says otherwise, and a conf that says nothing has links.
#[test]
fn who_decides() {
    let store_of = TestStore::empty();
    let root = store_of.root();
    let [nss, ..] = store(root);
    let graph = ["--store-root", ".", "--graph", "graph.json", "--name", "x"];
    let planned = |customisation: &Value, more: &[&str]| {
        fs::write(root.join("customisation.json"), customisation.to_string()).unwrap();
        let plan = [&["plan", "--customisation", "customisation.json"], &graph[..], more].concat();
        let plan: Value = serde_json::from_str(&strake_ok(root, &plan)).unwrap();
        plan["customisation"]["materialize_etc"].clone()
    };
    let linked = json!({ "contents": [nss], "materialize_etc": false });
    let entry = json!({ "entries": [{ "path": "/etc/passwd", "symlink": format!("{nss}/etc/passwd") }] });
    let text = json!({ "entries": [{ "path": "/x", "text": "" }] });
    assert_eq!(planned(&linked, &[]), false);
    assert_eq!(planned(&linked, &["--materialize-etc"]), true);
    assert_eq!(planned(&linked, &["--materialize-etc=false"]), false);
    assert_eq!(planned(&entry, &[]), true);
    // Nothing in it could be a link.
    assert_eq!(planned(&text, &[]), Value::Null);
    let conf = store_of.write_conf("x", &[vec![nss.clone()]], |conf| {
        conf.as_object_mut().unwrap().shift_remove("customisation_layer");
        conf["customisation"] = json!({ "contents": [nss] });
    });
    let streamed = strake(root, &["stream", "--store-root", ".", conf.to_str().unwrap(), "-o", "x.tar"]);
    assert!(streamed.stderr.contains("/etc/passwd and /etc/group are absolute"), "{}", streamed.stderr);
    // A link out of the store does not lead to this machine's file.
    let out = json!({ "entries": [{ "path": "/etc/passwd", "symlink": "/etc/passwd" }, { "path": "/etc/group", "symlink": "/nix/store/../../etc/group" }] });
    fs::write(root.join("customisation.json"), out.to_string()).unwrap();
    let plan = [&[&*nss, "--customisation", "customisation.json", "--no-store-paths"], &graph[..]].concat();
    assert_eq!(listed(root, &plan), ["etc/group -> /nix/store/../../etc/group", "etc/passwd -> /etc/passwd"]);
}

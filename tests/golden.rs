use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use serde_json::Value;
use strake_testkit::store::{GOLDEN, TestStore, oracle};
use strake_testkit::wait::until_settled;
use strake_testkit::workspace;

use crate::strake::{Strake, stream, stream_with_cache};

/// Sees that each conf of the store gives the known archive, when strake is started as `prepare` wants it. Root must have
/// made the store: the owner of the customisation layer's file is part of the archive.
fn check(store: &TestStore, prepare: impl Fn(Strake) -> Strake) {
    let text = fs::read(workspace().join("tests/golden/expected-1.json")).unwrap();
    let expected: Value = serde_json::from_slice(&text).unwrap();
    for name in GOLDEN {
        let archive = prepare(stream(store, &store.conf(name))).archive();
        assert_eq!(archive.len() as u64, expected[name]["archive_size"].as_u64().unwrap(), "{name}");
        assert_eq!(sha256(&archive), expected[name]["archive_sha256"].as_str().unwrap(), "{name}");
    }
}

fn sha256(data: &[u8]) -> String {
    strake_image::Digest::of(data).hex()
}

#[test]
#[ignore = "needs root"]
fn whatever_the_threads() {
    let store = TestStore::golden(1);
    for jobs in ["1", "2", "3", "16"] {
        check(&store, |strake| strake.args(["--jobs", jobs]));
    }
}

#[test]
#[ignore = "needs root"]
fn whatever_the_locale() {
    let store = TestStore::golden(1);
    for locale in ["C", "POSIX", "C.UTF-8", "de_DE.ISO-8859-1"] {
        check(&store, |mut strake| {
            strake.command.env("LC_ALL", locale).env("LANG", locale).env("TZ", "Asia/Tokyo");
            strake
        });
    }
}

#[test]
#[ignore = "needs root"]
fn with_or_without_the_cache() {
    let store = TestStore::golden(1);
    // Digests of files that are a moment old are not remembered.
    until_settled(store.root());
    let cache = tempfile::tempdir().unwrap();
    for (arguments, remembered) in
        [(&["--verify"][..], false), (&[], true), (&["--verify"], true), (&["--no-cache"], false)]
    {
        for name in GOLDEN {
            let ran =
                stream_with_cache(&store, &store.conf(name), cache.path()).args(arguments.to_vec()).run();
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
            let stored =
                ran.stderr.lines().filter(|line| line.contains("sizes-1.0") && line.contains("cached"));
            assert_eq!(
                stored.count() > 0,
                remembered && ["plain", "base"].contains(&name),
                "{name}: {}",
                ran.stderr
            );
        }
        check(&store, |strake| strake.args(arguments.to_vec()));
    }
}

#[test]
#[ignore = "needs root"]
fn in_an_optimised_store() {
    let store = TestStore::golden(1);
    // Every file with the same content becomes the same inode, as nix-store --optimise has it.
    let script = r#"
import hashlib, os, sys
seen = {}
for directory, _, names in os.walk(os.fsencode(sys.argv[1])):
    for name in names:
        path = os.path.join(directory, name)
        if os.path.islink(path) or b"customisation" in path:
            continue
        key = (hashlib.sha256(open(path, "rb").read()).digest(), os.stat(path).st_mode)
        if key in seen:
            os.unlink(path)
            os.link(seen[key], path)
        seen.setdefault(key, path)
"#;
    let real = store.real("/nix/store");
    let python =
        strake_testkit::command::command("python3", ["-c".as_ref(), script.as_ref(), real.as_os_str()]);
    strake_testkit::command::stdout_of(python);
    check(&store, |strake| strake);
}

#[test]
#[ignore = "needs root, setpriv"]
fn as_another_user() {
    let store = TestStore::golden(1);
    own(store.root(), 65534);
    check(&store, |strake| {
        let mut other =
            strake_testkit::command::command("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups"]);
        // The program may lie where only root can look.
        let program = store.root().join("strake");
        if !program.exists() {
            fs::copy(strake.command.get_program(), &program).unwrap();
        }
        other.arg(program).args(strake.command.get_args()).arg("--no-cache");
        Strake { command: other, ..strake }
    });
}

/// Gives everything away but the customisation layer's archive, whose owner is part of the image.
fn own(path: &Path, uid: u32) {
    if path.file_name().is_some_and(|name| name == "layer.tar") {
        return;
    }
    let metadata = fs::symlink_metadata(path).unwrap();
    if metadata.is_symlink() {
        return;
    }
    let mode = metadata.permissions();
    chown(path, Some(uid), Some(uid)).unwrap();
    // Giving a file away takes its set-user-ID bit.
    fs::set_permissions(path, mode).unwrap();
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path(), uid);
        }
    }
}

#[test]
fn other_seeds() {
    for seed in [2, 3] {
        let store = TestStore::golden(seed);
        for name in GOLDEN {
            let archive = stream(&store, &store.conf(name)).archive();
            assert!(archive == store.oracle(&store.conf(name)), "seed {seed}, {name}");
        }
    }
}

#[test]
fn under_the_scripts_name() {
    let store = TestStore::golden(1);
    // The script knows no other root than the machine's, so the store's names are made to lie there.
    let root = store.root().to_str().unwrap();
    let conf = fs::read_to_string(store.conf("no-store"))
        .unwrap()
        .replace("/nix/store", &format!("{root}/nix/store"));
    fs::write(store.conf("moved"), conf).unwrap();
    let script = store.root().join("stream_layered_image");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_strake"), &script).unwrap();
    let expected = oracle(Path::new("/"), &store.conf("moved"));
    for tag in [None, Some("--repo_tag"), Some("-t"), Some("--repo")] {
        let mut command = strake_testkit::command::command(&script, [store.conf("moved")]);
        command
            .args(tag.into_iter().flat_map(|tag| [tag, "golden:latest"]))
            .env("STRAKE_CACHE_DIR", store.root());
        let output = strake_testkit::command::output_of(&mut command);
        assert!(output.stdout == expected, "{tag:?}");
        let said = strake_testkit::command::text(&output.stderr);
        assert_eq!(
            said,
            "No 'fromImage' provided\nCreating layer 1 with customisation...\nAdding manifests...\nDone.\n"
        );
    }
}

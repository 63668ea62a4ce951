use std::fs;
use std::path::Path;

use strake_testkit::command::output_of;
use strake_testkit::store::TestStore;
use strake_testkit::wait::until_settled;

use crate::strake::{Ran, program, ran, stream_with_cache};

/// A golden store whose files are old enough for their digests to be cached.
pub(crate) fn settled() -> TestStore {
    let store = TestStore::golden(1);
    until_settled(store.root());
    store
}

fn cache(directory: &Path, arguments: &[&str]) -> Ran {
    let mut command = program();
    command.arg("cache").args(arguments).env("STRAKE_CACHE_DIR", directory);
    ran(output_of(&mut command))
}

/// The number of layers that were cached when the archive, which must be right, was written.
fn remembered(store: &TestStore, directory: &Path) -> usize {
    let run = stream_with_cache(store, &store.conf("plain"), directory).run();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout == store.oracle(&store.conf("plain")));
    run.stderr.lines().filter(|line| line.contains("  cached  ")).count()
}

#[test]
fn show_prune_clear() {
    let (store, directory) = (settled(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    assert!(String::from_utf8(cache(directory, &["show"]).stdout).unwrap().starts_with("0 layers of 0 B"));
    assert_eq!(remembered(&store, directory), 0);
    assert_eq!(remembered(&store, directory), 8);
    let shown = String::from_utf8(cache(directory, &["show"]).stdout).unwrap();
    assert!(shown.contains("sizes-1.0") && shown.contains("8 layers of 1.6"), "{shown}");
    let lines = String::from_utf8(cache(directory, &["show", "--json"]).stdout).unwrap();
    let entries: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(entries.iter().any(|entry| entry["title"] == "names-4" && entry["size"] == 40960), "{lines}");
    let kept = cache(directory, &["prune"]);
    assert_eq!((kept.code, kept.stdout), (Some(0), b"removed 0 entries, 0 B\n".to_vec()));
    let pruned = String::from_utf8(cache(directory, &["prune", "--older-than", "0"]).stdout).unwrap();
    assert!(pruned.starts_with("removed 8 entries"), "{pruned}");
    assert_eq!(remembered(&store, directory), 0);
    let cleared = String::from_utf8(cache(directory, &["clear"]).stdout).unwrap();
    assert!(cleared.starts_with("removed 8 entries"), "{cleared}");
}

#[test]
fn a_file_has_changed_since() {
    let (store, directory) = (settled(), tempfile::tempdir().unwrap());
    assert_eq!(remembered(&store, directory.path()), 0);
    let mut sizes = fs::read_dir(store.real("/nix/store")).unwrap().map(|entry| entry.unwrap().path());
    let sizes = sizes.find(|path| path.to_str().unwrap().ends_with("-sizes-1.0")).unwrap();
    // The same size and the same modification time: only the change time tells.
    let file = sizes.join("share/1024.bin");
    let before = fs::metadata(&file).unwrap();
    let writable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&file, writable).unwrap();
    fs::write(&file, vec![b'x'; 1024]).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(before.modified().unwrap()).unwrap();
    fs::set_permissions(&file, before.permissions()).unwrap();
    assert_eq!(remembered(&store, directory.path()), 7);
}

#[test]
fn damaged_entries_are_none() {
    let (store, directory) = (settled(), tempfile::tempdir().unwrap());
    assert_eq!(remembered(&store, directory.path()), 0);
    let entries = directory.path().join("layers-v1");
    for (index, entry) in fs::read_dir(&entries).unwrap().enumerate() {
        let path = entry.unwrap().path();
        let mut text = fs::read(&path).unwrap();
        let middle = text.len() / 2;
        match index % 4 {
            0 => text.truncate(middle),
            1 => text[middle] ^= 1,
            2 => text.clear(),
            _ => text.extend_from_slice(b"more"),
        }
        fs::write(&path, text).unwrap();
    }
    assert_eq!(remembered(&store, directory.path()), 0);
    assert_eq!(remembered(&store, directory.path()), 8);
}

#[test]
fn shared_by_many_processes() {
    let (store, directory) = (settled(), tempfile::tempdir().unwrap());
    let expected = store.oracle(&store.conf("plain"));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, directory, expected) = (&store, directory.path(), &expected);
            scope.spawn(move || {
                for _ in 0..10 {
                    let strake = stream_with_cache(store, &store.conf("plain"), directory);
                    assert!(strake.archive() == *expected);
                    if thread == 0 {
                        assert_eq!(cache(directory, &["clear"]).code, Some(0));
                    }
                }
            });
        }
    });
}

#[test]
fn a_directory_that_cannot_be_used() {
    let store = settled();
    let file = store.root().join("file");
    fs::write(&file, "").unwrap();
    for directory in [file.as_path(), Path::new("/proc/cache")] {
        let run = stream_with_cache(&store, &store.conf("plain"), directory).run();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(run.stderr.matches("strake: warning: ").count(), 1, "{}", run.stderr);
        assert!(run.stdout == store.oracle(&store.conf("plain")));
        cache(directory, &["show"]).failed(&["cache directory", "hint:"]);
    }
}

#[test]
fn an_entry_that_lies_is_found_out() {
    let (store, directory) = (settled(), tempfile::tempdir().unwrap());
    assert_eq!(remembered(&store, directory.path()), 0);
    let entries = directory.path().join("layers-v1");
    for entry in fs::read_dir(&entries).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read(&path).unwrap();
        let (body, _) = text.split_at(text.len() - 32);
        if String::from_utf8_lossy(body).contains("many-9") {
            let mut forged = body.to_vec();
            let digest = forged.windows(7).position(|window| window == b"sha256:").unwrap() + 7;
            forged[digest..digest + 4].copy_from_slice(b"0123");
            let check = strake_image::Digest::of(&forged);
            forged.extend_from_slice(check.as_bytes());
            fs::write(&path, forged).unwrap();
        }
    }
    let verify =
        || stream_with_cache(&store, &store.conf("plain"), directory.path()).args(["--verify"]).run();
    verify().failed(&["hard-7", "has the digest", "not sha256:0123"]);
    // The entry is gone, so the next run is right.
    assert_eq!(verify().code, Some(0));
    assert_eq!(remembered(&store, directory.path()), 8);
}

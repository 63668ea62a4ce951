use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::cache::settled;
use crate::copy::{images, strake, strake_ok};
use crate::strake::{program, ran, stream_with_cache};

/// the user nobody, where the tests run as root.
const NOBODY: Option<u32> = Some(65534);

/// `strake stream` with this cache: the number of cached layers, and the output. The archive must be right.
fn streamed(store: &TestStore, cache: &Path) -> (usize, String) {
    let run = stream_with_cache(store, &store.conf("plain"), cache).run();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout == store.oracle(&store.conf("plain")));
    (run.stderr.lines().filter(|line| line.contains("  cached  ")).count(), run.stderr)
}

#[test]
fn destinations_lead_nowhere_else() {
    let (_store, place) = images("plain");
    let place = place.path();
    let outside = place.join("outside");
    fs::write(&outside, "kept").unwrap();
    let blobs: Vec<_> = fs::read_dir(place.join("layout/blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    for prepare in [
        // Each blob is a link already, and so are the files that are replaced.
        (|hostile: &Path, outside: &Path, blobs: &[std::ffi::OsString]| {
            fs::create_dir_all(hostile.join("blobs/sha256")).unwrap();
            for blob in blobs {
                symlink(outside, hostile.join("blobs/sha256").join(blob)).unwrap();
            }
        }) as fn(&Path, &Path, &[std::ffi::OsString]),
        |hostile, outside, _| {
            fs::create_dir_all(hostile.join("blobs/sha256")).unwrap();
            symlink(outside, hostile.join("index.json")).unwrap();
        },
        |hostile, _, _| symlink(hostile.with_file_name("elsewhere"), hostile.join("blobs")).unwrap(),
        |hostile, _, _| {
            fs::create_dir(hostile.join("blobs")).unwrap();
            symlink(hostile.with_file_name("elsewhere"), hostile.join("blobs/sha256")).unwrap();
        },
    ] {
        let (hostile, elsewhere) = (place.join("hostile"), place.join("elsewhere"));
        for directory in [&hostile, &elsewhere] {
            let _ = fs::remove_dir_all(directory);
            fs::create_dir(directory).unwrap();
        }
        fs::write(hostile.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        prepare(&hostile, &outside, &blobs);
        let ran = strake(place, &["copy", "oci:layout", "oci:hostile"]);
        assert_eq!(fs::read(&outside).unwrap(), b"kept");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        match ran.code {
            Some(0) => drop(strake_ok(place, &["verify", "oci:hostile"])),
            _ => ran.failed(&["hostile"]),
        }
    }
}

#[test]
fn damaged_blobs_of_a_destination() {
    let (_store, place) = images("plain");
    let place = place.path();
    let copy = |options: &[&str]| {
        strake_ok(place, &[&["copy", "-q", "docker-archive:image.tar", "oci:fresh"], options].concat());
    };
    copy(&[]);
    for blob in fs::read_dir(place.join("fresh/blobs/sha256")).unwrap() {
        let blob = blob.unwrap().path();
        let whole = fs::read(&blob).unwrap();
        fs::write(&blob, vec![b'x'; whole.len()]).unwrap();
        // Sizes tell a blob that is cut, and nothing more.
        copy(&[]);
        assert!(fs::read(&blob).unwrap() != whole);
        copy(&["--verify"]);
        assert!(fs::read(&blob).unwrap() == whole, "{}", blob.display());
    }
    strake_ok(place, &["verify", "oci:fresh"]);
}

#[test]
fn outputs_and_links() {
    let (_store, place) = images("plain");
    let place = place.path();
    let target = place.join("target");
    let export = |output: &str| strake(place, &["export", "oci:layout", "-o", output]);
    // A link of one's own is followed, and what it leads to keeps its permissions.
    fs::write(&target, "old").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("target", place.join("link")).unwrap();
    assert_eq!(export("link").code, Some(0));
    assert!(place.join("link").is_symlink() && fs::metadata(&target).unwrap().len() > 512);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
#[ignore = "needs root"]
fn links_of_others() {
    let (_store, place) = images("plain");
    let place = place.path();
    let target = place.join("target");
    let shared = place.join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(&target, "kept").unwrap();
    symlink(&target, shared.join("theirs")).unwrap();
    lchown(shared.join("theirs"), NOBODY, None).unwrap();
    strake(place, &["export", "oci:layout", "-o", "shared/theirs"])
        .failed(&["shared/theirs", "another user"]);
    assert_eq!(fs::read(&target).unwrap(), b"kept");
}

#[test]
#[ignore = "needs root"]
fn caches_of_others() {
    let store = settled();
    for (spoil, words) in [
        ((|cache: &Path| chown(cache, NOBODY, None).unwrap()) as fn(&Path), "belongs to another user"),
        (|cache| chown(cache.join("layers-v1"), NOBODY, None).unwrap(), "belongs to another user"),
        (|cache| fs::set_permissions(cache, fs::Permissions::from_mode(0o1777)).unwrap(), "can write to it"),
        (
            |cache| fs::set_permissions(cache.join("blobs-v1"), fs::Permissions::from_mode(0o770)).unwrap(),
            "can write to it",
        ),
        (
            |cache| {
                fs::rename(cache.join("layers-v1"), cache.join("real")).unwrap();
                symlink("real", cache.join("layers-v1")).unwrap();
            },
            "symbolic link",
        ),
    ] {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(streamed(&store, cache.path()).0, 0);
        assert_eq!(streamed(&store, cache.path()).0, 8);
        spoil(cache.path());
        let (remembered, said) = streamed(&store, cache.path());
        assert_eq!(remembered, 0, "{words}");
        assert_eq!(said.matches("strake: warning: ").count(), 1, "{said}");
        assert!(said.contains(words), "{said}");
        let mut show = program();
        show.args(["cache", "show"]).env("STRAKE_CACHE_DIR", cache.path());
        ran(output_of(&mut show)).failed(&[words, "hint:"]);
    }
}

#[test]
fn what_is_no_file_in_a_cache() {
    let store = settled();
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path();
    assert_eq!(streamed(&store, cache).0, 0);
    assert_eq!(fs::metadata(cache.join("layers-v1")).unwrap().permissions().mode() & 0o777, 0o700);
    let entries: Vec<_> =
        fs::read_dir(cache.join("layers-v1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let outside = cache.join("outside");
    for (number, entry) in entries.iter().enumerate() {
        match number % 3 {
            // A pipe would be waited for.
            0 => {
                fs::remove_file(entry).unwrap();
                stdout_of(command("mkfifo", [entry]));
            }
            1 => {
                fs::rename(entry, &outside).unwrap();
                symlink(&outside, entry).unwrap();
            }
            _ => {
                fs::remove_file(entry).unwrap();
                symlink("/dev/zero", entry).unwrap();
            }
        }
    }
    let whole = fs::read(&outside).unwrap();
    assert_eq!(streamed(&store, cache).0, 0);
    assert!(entries.iter().all(|entry| entry.symlink_metadata().unwrap().is_file()));
    assert!(fs::read(&outside).unwrap() == whole);
    assert_eq!(streamed(&store, cache).0, 8);
    let mut show = program();
    show.args(["cache", "show"]).env("STRAKE_CACHE_DIR", cache);
    assert!(text(&stdout_of(show)).contains("8 layers"));
}

/// A file system that is mounted until this is dropped.
struct Mounted<'p>(&'p Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = command("umount", [self.0]).status();
    }
}

fn mounted<'p>(options: &[&str], what: &Path, place: &'p Path) -> Mounted<'p> {
    let mut mount = command("mount", options);
    mount.args([what, place]);
    stdout_of(mount);
    Mounted(place)
}

/// Two images of file systems with one file of another content and the same of everything that a fingerprint looks at.
#[test]
#[ignore = "needs root, mksquashfs"]
fn file_systems_without_change_times() {
    let store = settled();
    let place = tempfile::tempdir().unwrap();
    let (place, cache) = (place.path(), tempfile::tempdir().unwrap());
    let image = |name: &str| {
        let mut make = command(require("mksquashfs"), ["nix"]);
        make.arg(place.join(name)).args([
            "-all-time",
            "1000000000",
            "-mkfs-time",
            "1",
            "-noappend",
            "-quiet",
        ]);
        stdout_of({
            make.current_dir(store.root());
            make
        });
        place.join(name)
    };
    let file = fs::read_dir(store.real("/nix/store")).unwrap().map(|entry| entry.unwrap().path());
    let file = file.map(|path| path.join("share/1024.bin")).find(|path| path.exists()).unwrap();
    let first = image("first");
    fs::write(&file, vec![b'x'; 1024]).unwrap();
    let second = image("second");
    let nix = store.root().join("nix");
    let mut archives = Vec::new();
    for image in [&first, &second] {
        let _mounted = mounted(&["-o", "loop,ro"], image, &nix);
        assert_eq!((streamed(&store, cache.path()).0, streamed(&store, cache.path()).0), (0, 0));
        archives.push(store.oracle(&store.conf("plain")));
    }
    assert!(archives[0] != archives[1]);
    // The same below an overlay, as a live system has it.
    for (number, image) in [&first, &second].into_iter().enumerate() {
        let [lower, upper, work] =
            ["lower", "upper", "work"].map(|name| place.join(format!("{name}{number}")));
        for directory in [&lower, &upper, &work] {
            fs::create_dir(directory).unwrap();
        }
        let _lower = mounted(&["-o", "loop,ro"], image, &lower);
        let options =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        let _mounted = mounted(&["-t", "overlay", "-o", &options], Path::new("overlay"), &nix);
        // One layer is nothing but a directory, of which a fingerprint says everything.
        assert_eq!((streamed(&store, cache.path()).0, streamed(&store, cache.path()).0), (number, 1));
    }
    // On a file system that keeps them it is cached.
    streamed(&store, cache.path());
    assert_eq!(streamed(&store, cache.path()).0, 8);
}

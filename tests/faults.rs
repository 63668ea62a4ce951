use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use strake_testkit::command::{command, output_of, stdout_of};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;
use strake_testkit::tree::Node;
use strake_testkit::wait::until_settled;

use crate::strake::{Ran, stream, stream_with_cache};

/// A store with one layer: a file larger than any pipe, then small ones, and a directory.
pub(crate) fn store() -> (TestStore, PathBuf) {
    let store = TestStore::empty();
    let file = |name: &str, length| (name.as_bytes().to_vec(), Node::File(length, 0o644));
    let directory = (b"5-directory".to_vec(), Node::Directory(0o755, vec![file("in-it", 8)]));
    let entries = vec![
        file("1-large", 5_000_000),
        file("2-small", 3000),
        file("3-large", 200_000),
        file("4-last", 7),
        directory,
    ];
    Node::Directory(0o755, entries).make(&store.real(PATH));
    let conf = store.write_conf("faults", &[vec![PATH.to_owned()]], |_| ());
    (store, conf)
}

const PATH: &str = "/nix/store/00000000000000000000000000000001-faults";

/// Starts strake and reads a little of what it writes: it is then in the middle of the large file.
fn begin(store: &TestStore, conf: &Path) -> (Child, Vec<u8>) {
    let mut strake = stream(store, conf);
    strake.command.arg("--no-cache").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = strake.command.spawn().unwrap();
    let mut start = vec![0; 512];
    child.stdout.as_mut().unwrap().read_exact(&mut start).unwrap();
    (child, start)
}

/// The result when the rest is read.
fn end((mut child, mut archive): (Child, Vec<u8>)) -> Ran {
    child.stdout.as_mut().unwrap().read_to_end(&mut archive).unwrap();
    let mut stderr = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
    Ran { code: child.wait().unwrap().code(), stdout: archive, stderr }
}

#[test]
fn a_file_changes_behind_the_reader() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 10] = [
        ("2-small", |file| fs::write(file, "shorter").unwrap()),
        ("2-small", |file| fs::write(file, vec![1; 3001]).unwrap()),
        ("2-small", |file| fs::write(file, vec![1; 3000]).unwrap()),
        ("2-small", |file| fs::remove_file(file).unwrap()),
        ("3-large", |file| fs::File::options().write(true).open(file).unwrap().set_len(1).unwrap()),
        ("3-large", |file| {
            fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", file).unwrap();
        }),
        ("1-large", |file| fs::File::options().write(true).open(file).unwrap().set_len(2_000_000).unwrap()),
        ("5-directory", |directory| fs::write(directory.join("new"), "").unwrap()),
        ("5-directory", |directory| fs::remove_file(directory.join("in-it")).unwrap()),
        ("5-directory", |directory| fs::rename(directory.join("in-it"), directory.join("other")).unwrap()),
    ];
    for (name, change) in changes {
        let (store, conf) = store();
        // A change in the tick of the clock in which the files were made would not show.
        until_settled(store.root());
        let begun = begin(&store, &conf);
        change(&store.real(PATH).join(name));
        end(begun).failed(&[name]);
    }
}

#[test]
#[ignore = "needs root, setpriv"]
fn a_file_cannot_be_read() {
    let (store, conf) = store();
    let mut other = command("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let program = store.root().join("strake");
    fs::copy(env!("CARGO_BIN_EXE_strake"), &program).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode;
    fs::set_permissions(store.root(), mode(0o755)).unwrap();
    fs::set_permissions(store.real(PATH).join("2-small"), mode(0o600)).unwrap();
    other.arg(program).args(["stream", "--no-cache", "--store-root"]).arg(store.root()).arg(conf);
    crate::strake::ran(output_of(&mut other)).failed(&["2-small", "Permission denied"]);
}

#[test]
fn something_that_no_layer_holds() {
    let (store, conf) = store();
    stdout_of(command("mkfifo", [store.real(PATH).join("pipe")]));
    stream(&store, &conf).run().failed(&["pipe", "named pipe"]);
}

#[test]
fn the_reader_goes_away() {
    let (store, conf) = store();
    let (mut child, _) = begin(&store, &conf);
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(141), "{stderr}");
    assert!(stderr.ends_with("the reader of the image went away before it was whole\n"), "{stderr}");
}

#[test]
#[ignore = "needs root"]
fn the_disk_is_full() {
    let (store, conf) = store();
    let disk = tempfile::tempdir().unwrap();
    let place = disk.path().to_str().unwrap();
    stdout_of(command("mount", ["-t", "tmpfs", "-o", "size=2m", "none", place]));
    let target = disk.path().join("image.tar");
    fs::write(&target, "old").unwrap();
    let ran = stream(&store, &conf).args(["-o", target.to_str().unwrap()]).run();
    let left: Vec<_> = fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let old = fs::read(&target).unwrap();
    stdout_of(command("umount", [place]));
    ran.failed(&["No space left on device", "hint:"]);
    assert_eq!((left, old), (vec!["image.tar".into()], b"old".to_vec()));
}

#[test]
fn the_file_cannot_be_made() {
    let (store, conf) = store();
    for target in ["/nonexistent/image.tar", "/", "/proc/image.tar"] {
        stream(&store, &conf).args(["-o", target]).run().failed(&[target]);
    }
}

/// Whatever is written: `-o /dev/null` must leave `/dev/null` in its place.
#[test]
#[ignore = "needs root"]
fn devices_stay_what_they_are() {
    let place = tempfile::tempdir().unwrap();
    let null = place.path().join("null");
    stdout_of(command("mknod", [null.as_os_str(), "c".as_ref(), "1".as_ref(), "3".as_ref()]));
    let (device, layout) = (null.to_str().unwrap(), place.path().join("layout"));
    let example = strake_testkit::workspace().join("examples/hello");
    let (root, conf, graph) =
        (example.to_str().unwrap(), example.join("conf.json"), example.join("graph.json"));
    let (conf, graph) = (conf.to_str().unwrap(), graph.to_str().unwrap());
    let (archive, layout) = (format!("docker-archive:{device}"), format!("oci:{}", layout.display()));
    let commands: [&[&str]; 7] = [
        &["stream", "--store-root", root, conf, "-o", device],
        &["export", "--store-root", root, conf, "-o", device],
        &["merge", "--store-root", root, conf, "-o", device],
        &["describe", "--store-root", root, conf, "-o", device],
        &["plan", "--name", "x", "--graph", graph, "-o", device],
        &["copy", "--store-root", root, conf, &archive],
        &["copy", "--store-root", root, conf, &layout, "--digest-file", device],
    ];
    for arguments in commands {
        let mut strake = crate::strake::program();
        strake.args(arguments).env("STRAKE_CACHE_DIR", place.path().join("cache"));
        let ran = crate::strake::ran(output_of(&mut strake));
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        let kind = fs::symlink_metadata(&null).unwrap().file_type();
        assert!(std::os::unix::fs::FileTypeExt::is_char_device(&kind), "{arguments:?}");
    }
}

/// The calls of the kernel that a command makes for files, each with how often its busiest thread makes it.
fn calls(of: &Command) -> BTreeMap<String, usize> {
    let log = tempfile::NamedTempFile::new().unwrap();
    stdout_of(strace(of, &["-e", "trace=%file,%desc", "-o", log.path().to_str().unwrap()]));
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for line in fs::read_to_string(log.path()).unwrap().lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        if let Some((name, _)) = call.trim_start().split_once('(') {
            *counts.entry(name.to_owned()).or_default().entry(thread.to_owned()).or_default() += 1;
        }
    }
    counts.into_iter().map(|(name, threads)| (name, threads.into_values().max().unwrap())).collect()
}

/// The same command under strace.
fn strace(of: &Command, options: &[&str]) -> Command {
    let mut strace = command(require("strace"), ["-f", "-qq"]);
    strace.args(options).arg(of.get_program()).args(of.get_args());
    strace.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace
}

#[test]
#[ignore = "needs strace"]
fn killed_at_any_moment() {
    let (store, conf) = store();
    until_settled(store.root());
    let expected = stream(&store, &conf).archive();
    let place = tempfile::tempdir().unwrap();
    let (target, cache) = (place.path().join("image.tar"), place.path().join("cache"));
    let strake = || {
        let mut strake = stream_with_cache(&store, &conf, &cache);
        strake.command.arg("-o").arg(&target);
        strake.command
    };
    let calls = calls(&strake());
    // The ones that give files their names, and those that write them.
    for call in ["linkat", "write", "mkdir"] {
        assert!(calls.contains_key(call), "{call} is not in {calls:?}");
    }
    let mut killed = 0;
    for (call, count) in &calls {
        for moment in (1..=*count).step_by(count.div_ceil(6)) {
            let _ = fs::remove_file(&target);
            if moment % 3 == 1 {
                let _ = fs::remove_dir_all(&cache);
            }
            // In place of the call, on any thread, comes the signal.
            let inject = format!("inject={call}:signal=KILL:when={moment}");
            let output = output_of(&mut strace(&strake(), &["-e", &inject, "-o", "/dev/null"]));
            killed += usize::from(!output.status.success());
            if let Ok(found) = fs::read(&target) {
                assert!(found == expected, "a wrong file after {call} {moment}");
            }
            // Entries that the killed process cached, if any, are right.
            let again = stream_with_cache(&store, &conf, &cache).archive();
            assert!(again == expected, "a wrong entry after {call} {moment}");
        }
    }
    assert!(killed >= 30, "killed {killed} times only: {calls:?}");
}

#[test]
#[ignore = "needs time"]
fn memory_stays_small() {
    let store = TestStore::empty();
    let large = Node::Directory(0o755, vec![(b"large".to_vec(), Node::File(300_000_000, 0o644))]);
    let many =
        (0..60_000).map(|index| (format!("file-{index}").into_bytes(), Node::File(1, 0o644))).collect();
    let paths = [PATH.to_owned(), PATH.replace("faults", "many")];
    large.make(&store.real(&paths[0]));
    Node::Directory(0o755, many).make(&store.real(&paths[1]));
    let conf = store.write_conf("large", &paths.map(|path| vec![path]), |_| ());
    for arguments in [&["--no-cache"][..], &["--verify"], &[]] {
        let strake = stream(&store, &conf);
        let mut timed = command("/usr/bin/time", ["-f", "%M"]);
        timed
            .arg(strake.command.get_program())
            .args(strake.command.get_args())
            .args(arguments)
            .arg("--quiet");
        timed.stdout(Stdio::null()).env("STRAKE_CACHE_DIR", store.root());
        let output = output_of(&mut timed);
        let kilobytes: u64 = String::from_utf8(output.stderr).unwrap().trim().parse().unwrap();
        assert!(output.status.success() && kilobytes <= 64 * 1024, "{arguments:?}: {kilobytes} KiB");
    }
}

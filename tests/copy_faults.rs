use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use strake_image::Digest;
use strake_testkit::command::{command, output_of, stdout_of};
use strake_testkit::store::TestStore;
use strake_testkit::tree::Node;
use strake_testkit::wait::until;

use crate::copy::{identity, strake_ok};
use crate::faults::store;
use crate::strake::{program, ran};

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Up to where a copy gets before it is killed.
#[derive(Debug)]
enum Moment {
    /// So many bytes of its standard output have been read.
    Read(u64),
    /// This file has appeared.
    There(&'static str),
    /// It has ended by itself.
    End,
}

impl Moment {
    fn wait_for(&self, child: &mut Child, place: &Path) {
        let mut stdout = child.stdout.take().unwrap();
        match *self {
            Self::Read(bytes) => {
                let read = io::copy(&mut stdout.by_ref().take(bytes), &mut io::sink()).unwrap();
                assert_eq!(read, bytes);
                child.stdout = Some(stdout);
            }
            Self::There(name) => {
                io::copy(&mut stdout, &mut io::sink()).unwrap();
                until(|| place.join(name).exists().then_some(()), || format!("for {name}"));
            }
            Self::End => {
                io::copy(&mut stdout, &mut io::sink()).unwrap();
                assert!(child.wait().unwrap().success());
            }
        }
    }
}

/// So many moments are spread over what goes to standard output.
const MOMENTS: u64 = 26;

#[test]
fn killed_at_any_moment() {
    killed(&[]);
}

#[test]
fn killed_while_compressing() {
    killed(&["--compress", "zstd"]);
}

fn killed(options: &[&str]) {
    let (store, conf) = store();
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let start = ["copy", "--no-cache", "--store-root", store.root().to_str().unwrap()];
    let arguments = &[&start[..], options, &[conf.to_str().unwrap()]].concat()[..];
    let whole = [arguments, &["oci:whole:a:1", "oci-archive:whole.tar", "-"]].concat();
    let mut strake = program();
    let length = stdout_of({
        strake.args(whole).current_dir(place);
        strake
    });
    let length = length.len() as u64;
    let expected = identity(place, "oci:whole:a:1");
    let archive = fs::read(place.join("whole.tar")).unwrap();
    let mut begun = 0;
    let moments = (0..=MOMENTS).map(|moment| Moment::Read(length * moment / MOMENTS));
    let last = [Moment::There("new/index.json"), Moment::There("new.tar"), Moment::End];
    for (number, moment) in moments.chain(last).enumerate() {
        let mut strake = program();
        // Data on standard output was written to the other targets, too, except for a pipe's buffer.
        strake.args(arguments).args(["oci:new:a:1", "oci-archive:new.tar", "-"]).current_dir(place);
        let mut child = strake.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        moment.wait_for(&mut child, place);
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever has a name is whole: a blob is what its name says, and what is listed is there.
        for path in files(&place.join("new/blobs")) {
            begun += 1;
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(Digest::of(&fs::read(&path).unwrap()).hex(), name, "after {moment:?}");
        }
        if place.join("new/index.json").exists() {
            assert_eq!(identity(place, "oci:new:a:1"), expected, "after {moment:?}");
        }
        if let Ok(found) = fs::read(place.join("new.tar")) {
            assert!(found == archive, "a wrong file after {moment:?}");
            fs::remove_file(place.join("new.tar")).unwrap();
        }
        // The remains are no hindrance, and every second time they are built upon.
        if number % 2 == 0 {
            strake_ok(place, &[arguments, &["oci:new:a:1"]].concat());
            assert_eq!(identity(place, "oci:new:a:1"), expected, "after {moment:?}");
            assert_eq!(
                files(&place.join("new")).len(),
                files(&place.join("whole")).len(),
                "after {moment:?}"
            );
            fs::remove_dir_all(place.join("new")).unwrap();
        }
    }
    assert!(begun > 0);
}

#[test]
#[ignore = "needs root"]
fn the_disk_is_full() {
    let (store, conf) = store();
    // Compressed it is as large.
    let noise =
        std::iter::successors(Some(1u64), |number| Some(number.wrapping_mul(0x5851_f42d_4c95_7f2d) + 1));
    let noise: Vec<u8> = noise.map(|number| (number >> 50) as u8).take(5_000_000).collect();
    let file = store.real("/nix/store/00000000000000000000000000000001-faults/1-large");
    fs::write(file, noise).unwrap();
    let disk = tempfile::tempdir().unwrap();
    let mounted = disk.path().to_str().unwrap();
    let root = store.root().to_str().unwrap();
    let aside = format!("oci-archive:{root}/aside.tar");
    for (compression, target) in [
        ("none", format!("oci:{mounted}/new")),
        ("none", format!("oci-archive:{mounted}/new.tar")),
        ("gzip", format!("oci:{mounted}/new")),
        ("zstd", format!("oci-archive:{mounted}/new.tar")),
        ("gzip", aside),
    ] {
        let run = |program, arguments: &[&str]| drop(stdout_of(command(program, arguments)));
        run("mount", &["-t", "tmpfs", "-o", "size=2m", "none", mounted]);
        let mut strake = program();
        strake.args(["copy", "--no-cache", "--compress", compression, "--store-root", root]);
        // Temporary files meet the full disk, too.
        strake.arg(&conf).arg(&target).env("TMPDIR", mounted);
        let ran = ran(output_of(&mut strake));
        assert!(!store.root().join("aside.tar").exists());
        let left = files(disk.path());
        run("umount", &[mounted]);
        ran.failed(&["No space left on device", "hint:"]);
        let left: Vec<_> = left.iter().filter(|path| !path.ends_with("oci-layout")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn two_at_once_into_one_layout() {
    let (store, conf) = store();
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let children: Vec<_> = (0..6)
        .map(|number| {
            let mut strake = program();
            strake.args(["copy", "-q", "--no-cache", "--store-root"]).arg(store.root()).arg(&conf);
            strake.arg(format!("oci:layout:a:{number}")).current_dir(place).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for number in 0..6 {
        identity(place, &format!("oci:layout:a:{number}"));
    }
}

#[test]
#[ignore = "needs time"]
fn memory_stays_small() {
    let store = TestStore::empty();
    let path = "/nix/store/00000000000000000000000000000001-large";
    Node::Directory(0o755, vec![(b"large".to_vec(), Node::File(100_000_000, 0o644))]).make(&store.real(path));
    let conf = store.write_conf("large", &[vec![path.to_owned()]], |_| ());
    let place = tempfile::tempdir().unwrap();
    let (root, conf) = (store.root().to_str().unwrap(), conf.to_str().unwrap());
    let from_conf =
        ["copy", "--store-root", root, conf, "oci:layout", "oci-archive:a.tar", "docker-archive:b.tar"];
    let compressed = |compression| {
        let start = ["copy", "-j", "12", "--no-cache", "--compress", compression, "--store-root", root, conf];
        [&start[..], &["oci:layout", "oci-archive:a.tar"]].concat()
    };
    let gzip = ["-c", "gzip -1 -k b.tar && exec \"$0\" copy docker-archive:b.tar.gz oci:c oci-archive:c.tar"];
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_strake"), &from_conf[..]),
        (env!("CARGO_BIN_EXE_strake"), &compressed("gzip")),
        (env!("CARGO_BIN_EXE_strake"), &compressed("zstd")),
        (env!("CARGO_BIN_EXE_strake"), &compressed("zstd:19")),
        (env!("CARGO_BIN_EXE_strake"), &["copy", "oci:layout:test:1", "oci:other", "-"]),
        ("bash", &[gzip[0], gzip[1], env!("CARGO_BIN_EXE_strake")]),
    ] {
        let mut timed = command("/usr/bin/time", ["-q", "-f", "%M"]);
        timed.arg(program).args(arguments).current_dir(place.path()).env("STRAKE_CACHE_DIR", store.root());
        let output = output_of(timed.stdout(Stdio::null()));
        let said = String::from_utf8(output.stderr).unwrap();
        let kilobytes: u64 = said.lines().last().unwrap().parse().unwrap();
        assert!(output.status.success() && kilobytes <= 64 * 1024, "{arguments:?}: {said}");
    }
}

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use strake_image::Digest;
use strake_testkit::command::{command, output_of};
use strake_testkit::store::TestStore;
use strake_testkit::tar_bytes::{RawMember, archive};

use crate::strake::{Ran, ran};

/// The maximum memory of each command, in KiB.
const PEAK: u64 = 64 * 1024;

/// The maximum address space beyond that, in KiB, with one arena for all threads: the program and its libraries, which are larger
/// here than in a release.
const ADDRESSES: u64 = 64 * 1024;

/// And for the stacks of the threads that there are for each processor, in KiB.
const STACKS: u64 = 2 * 2 * 1024;

/// `strake` with these arguments, which must not take more memory than that, in addresses little more, nor longer than a minute.
fn bounded(place: &Path, arguments: &[&str], peak: u64) -> Ran {
    bounded_in(place, place, arguments, peak)
}

/// The same with this directory for what it puts aside.
fn bounded_in(place: &Path, aside: &Path, arguments: &[&str], peak: u64) -> Ran {
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    let limited = format!("ulimit -v {} && exec \"$@\"", peak + ADDRESSES + STACKS * processors);
    let mut timed =
        command("bash", ["-c", &limited, "-", "timeout", "60", "/usr/bin/time", "-q", "-f", "%M"]);
    timed.arg(env!("CARGO_BIN_EXE_strake")).args(arguments);
    timed.current_dir(place).env("STRAKE_CACHE_DIR", place.join("cache")).env("TMPDIR", aside);
    timed.env("MALLOC_ARENA_MAX", "1");
    let mut ran = ran(output_of(&mut timed));
    let (stderr, taken) = ran.stderr.trim_end().rsplit_once('\n').unwrap_or(("", ran.stderr.trim_end()));
    let taken: u64 = taken.parse().unwrap_or_else(|_| panic!("{:?} {}", ran.code, ran.stderr));
    assert!(taken < peak, "{arguments:?} took {taken} KiB: {stderr}");
    ran.stderr = stderr.to_owned();
    ran
}

/// The members of a docker-archive with these layers.
fn image(layers: &[Vec<u8>]) -> Vec<RawMember> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    image_of(layers, config.to_string().as_bytes())
}

fn image_of(layers: &[Vec<u8>], config: &[u8]) -> Vec<RawMember> {
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}.tar")).collect();
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["x:1"], "Layers": names }]).to_string();
    let mut members: Vec<_> =
        names.iter().zip(layers).map(|(name, layer)| RawMember::new(b'0', name, layer)).collect();
    members.push(RawMember::new(b'0', "config.json", config));
    members.push(RawMember::new(b'0', "manifest.json", manifest.as_bytes()));
    members
}

fn compressed(program: &[&str], data: &[u8]) -> Vec<u8> {
    let mut child =
        command(program[0], &program[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(data));
        child.wait_with_output().unwrap().stdout
    })
}

fn empty() -> RawMember {
    RawMember::new(b'0', "x", b"")
}

/// So many members, each with these records.
fn each_with(records: &[(&str, &str)], count: usize) -> Vec<RawMember> {
    let named = |number| RawMember { name: format!("each-{number}"), ..empty() };
    (0..count).flat_map(|number| [RawMember::extended(b'x', records), named(number)]).collect()
}

/// Layers and archives with headers that cost much more than they are, and what is said of them.
#[test]
#[ignore = "needs time"]
fn headers() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let text = "x".repeat(900_000);
    let keys: Vec<String> = (0..60_000).map(|number| format!("k{number}")).collect();
    let many: Vec<(&str, &str)> = keys.iter().map(|key| (&key[..], "v")).collect();
    let few: Vec<(&str, &str)> = many[..200].to_vec();
    let cases: [(&str, Vec<RawMember>, usize); 6] = [
        ("headers are larger", vec![RawMember::extended(b'g', &[("comment", &text)])], 6000),
        ("more than 256 extended records", vec![RawMember::extended(b'g', &many)], 2),
        ("more than 256 extended records", vec![RawMember::extended(b'x', &many)], 1),
        ("headers are larger", vec![RawMember::extended(b'g', &few)], 20_000),
        ("headers are larger", vec![], 40_000),
        ("headers are larger", each_with(&few, 6000), 0),
    ];
    for (words, before, count) in cases {
        // Members that are kept, each under its name, and members of one name.
        for (path, is_named) in [("plain.tar", true), ("plain.tar", false), ("packed.tar", true)] {
            let name = |number: usize| if is_named { number.to_string() } else { "x".to_owned() };
            let members = (0..count).map(|number| RawMember { name: name(number), ..empty() });
            let image = image(&[archive(&[empty()])]);
            let bytes = archive(&before.iter().cloned().chain(members).chain(image).collect::<Vec<_>>());
            let bytes = if path == "packed.tar" { compressed(&["gzip", "-1"], &bytes) } else { bytes };
            fs::write(place.join(path), bytes).unwrap();
            bounded(place, &["verify", &format!("docker-archive:{path}")], PEAK).failed(&[words]);
        }
        let source = "docker-archive:plain.tar";
        let copies: [&[&str]; 4] = [
            &["inspect", source],
            &["copy", source, "oci:new"],
            &["export", source, "-o", "new.tar"],
            &["merge", source, "-o", "new.tar"],
        ];
        for arguments in copies {
            bounded(place, arguments, PEAK).failed(&[words]);
        }
    }
    // A name of two GiB, of which all is there.
    for kind in [b'L', b'K', b'x', b'g'] {
        let mut header = Vec::new();
        RawMember { size: 2 << 30, ..RawMember::new(kind, "long", b"") }.append(&mut header);
        let file = File::create(place.join("long.tar")).unwrap();
        file.write_all_at(&header, 0).unwrap();
        file.set_len((2 << 30) + 10_240).unwrap();
        bounded(place, &["inspect", "docker-archive:long.tar"], PEAK).failed(&["larger than 1 MiB"]);
    }
}

/// File systems that are much larger than the layers that they come from.
#[test]
#[ignore = "needs time"]
fn file_systems() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let deep = |parts: usize| RawMember::extended(b'x', &[("path", &"a/".repeat(parts))]);
    let below = |number: usize| format!("{number:05}/{}f", "a/".repeat(2000));
    let wide = |count: usize| {
        let paths = (0..count).map(below);
        let members = paths.flat_map(|path| [RawMember::extended(b'x', &[("path", &path)]), empty()]);
        members.collect::<Vec<_>>()
    };
    let attributes = |count: usize| {
        let value = |number: usize| format!("{number:06}{}", "x".repeat(60_000));
        let member = |number| {
            let records = RawMember::extended(b'x', &[("SCHILY.xattr.user.x", &value(number))]);
            [records, RawMember::new(b'5', &format!("{number}"), b"")]
        };
        (0..count).flat_map(member).collect::<Vec<_>>()
    };
    let loops = || {
        let mut members: Vec<_> = (0..39)
            .map(|number| {
                RawMember::link(b'2', &format!("l{number}"), &format!("{}l{}", "./".repeat(30), number + 1))
            })
            .collect();
        members.extend((0..40_000).map(|number| RawMember::new(b'0', &format!("l0/{number}"), b"")));
        members
    };
    let far = vec![deep(200_000), empty()];
    for (words, layer, peak) in [
        ("longer than 4096 bytes", far, PEAK),
        ("more than 1048576 files", wide(600), 2 * PEAK),
        ("take more than 16 MiB", attributes(400), PEAK),
        ("following them takes too long", loops(), PEAK),
    ] {
        let packed = compressed(&["gzip", "-9"], &archive(&layer));
        let diff_id = Digest::of(&archive(&layer)).to_string();
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [diff_id] } });
        let members = image_of(&[packed], config.to_string().as_bytes());
        fs::write(place.join("image.tar"), archive(&members)).unwrap();
        let export = ["export", "docker-archive:image.tar", "-o", "flat.tar"];
        bounded(place, &export, peak).failed(&[words]);
        assert!(!place.join("flat.tar").exists());
    }
}

#[test]
#[ignore = "needs time"]
fn windows_of_decoders() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let plain = archive(&image(&[archive(&[RawMember::new(b'0', "x", &vec![0; 1000])])]));
    let padded = archive(&[RawMember::new(b'0', "padding", &vec![7; 150 << 20])]);
    let all = [&padded[..padded.len() - 1024], &plain].concat();
    for (program, is_read) in [
        (&["zstd", "-1", "--long=27", "-c"][..], false),
        (&["zstd", "-1", "--long=26", "-c"], false),
        (&["zstd", "-1", "--long=25", "-c"], true),
        (&["zstd", "-3", "-c"], true),
        (&["xz", "-0", "-c"], true),
        (&["xz", "-0", "--lzma2=preset=0,dict=256MiB", "-c"], false),
    ] {
        fs::write(place.join("image.tar"), compressed(program, &all)).unwrap();
        let ran = bounded(place, &["verify", "docker-archive:image.tar"], PEAK);
        assert_eq!(ran.code == Some(0), is_read, "{program:?}: {}", ran.stderr);
    }
}

#[test]
#[ignore = "needs time"]
fn layers_in_reverse() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    for (count, size) in [(200, 256 * 1024), (1000, 1)] {
        let content = vec![b'x'; size];
        let layer = |number| archive(&[RawMember::new(b'0', &format!("{number}"), &content)]);
        let mut members = image(&(0..count).map(layer).collect::<Vec<_>>());
        members.reverse();
        fs::write(place.join("image.tar"), compressed(&["gzip", "-1"], &archive(&members))).unwrap();
        for arguments in [
            &["verify", "docker-archive:image.tar"][..],
            &["copy", "docker-archive:image.tar", "oci-archive:new.tar"],
            &["export", "docker-archive:image.tar", "-o", "x"],
        ] {
            // Nothing is left of what was put aside.
            let aside = tempfile::tempdir_in(place).unwrap();
            let ran = bounded_in(place, aside.path(), arguments, PEAK);
            assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
            assert_eq!(fs::read_dir(aside.path()).unwrap().count(), 0);
        }
        let verified = bounded(place, &["verify", "oci-archive:new.tar"], PEAK);
        assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    }
    let ran = bounded_in(place, &place.join("gone"), &["copy", "docker-archive:image.tar", "oci:new"], PEAK);
    ran.failed(&["a layer cannot be put aside in", "gone"]);
}

#[test]
#[ignore = "needs time"]
fn configs() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let layer = archive(&[empty()]);
    let rootfs = format!(r#""rootfs": {{"type": "layers", "diff_ids": ["{}"]}}"#, Digest::of(&layer));
    let config = |history: &str| {
        format!(r#"{{"architecture": "amd64", "os": "linux", {rootfs}, "history": {history}}}"#)
    };
    for (words, history) in [
        ("more than 262144 values", format!("[{}0]", "0,".repeat(1_900_000))),
        ("more than 262144 values", format!("[{}0]", r#"{"":0},"#.repeat(500_000))),
        ("more than 262144 values", format!("{}{}", "[{\"\":".repeat(600_000), "0")),
        ("larger than any", format!("[\"{}\"]", "x".repeat(5_000_000))),
    ] {
        let members = image_of(std::slice::from_ref(&layer), config(&history).as_bytes());
        fs::write(place.join("image.tar"), archive(&members)).unwrap();
        for command in ["inspect", "verify"] {
            bounded(place, &[command, "docker-archive:image.tar"], PEAK).failed(&[words]);
        }
    }
    // As much as is taken.
    let (below, above) = (format!("[\"{}\",", "x".repeat(60_000)).repeat(55), "]".repeat(55));
    for history in [
        format!("[{}{{}}]", r#"{"":0},"#.repeat(100_000)),
        format!("[{{\"x\":\"{}\"}}]", ",[{".repeat(1_300_000)),
        // Each level is gone through once more.
        format!("[{{\"x\":{below}0{above}}}]"),
    ] {
        let members = image_of(std::slice::from_ref(&layer), config(&history).as_bytes());
        fs::write(place.join("image.tar"), archive(&members)).unwrap();
        let ran = bounded(place, &["inspect", "docker-archive:image.tar"], 3 * PEAK);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

/// Makes a database for Nix at its place in a store.
const DATABASE: &str = r"
import os, sqlite3, sys
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
database = sqlite3.connect(sys.argv[1])
valid = 'create table ValidPaths (id integer primary key, path text unique not null, hash text not null, registrationTime integer, narSize integer)'
refs = 'create table Refs (referrer integer, reference integer, primary key (referrer, reference))'
endless = 'with recursive n(x) as (select 1 union all select x + 1 from n) select '
path = '/nix/store/00000000000000000000000000000000-a'
insert = ['insert into ValidPaths values (1, ?, ?, 1, 1)', [path, 'sha256:' + '0' * 64]]
statements = {
    'views': [[valid], insert, ['create view Refs as ' + endless + 'x as referrer, x as reference from n']],
    'other case': [[valid], insert, ['create view refs as ' + endless + 'x as referrer, x as reference from n']],
    'view of paths': [['create view ValidPaths as ' + endless + 'x as id, x as path, 1 as narSize, 1 as hash from n'], [refs]],
    'virtual': [[valid], insert, ['create virtual table Refs using fts5(referrer, reference)']],
    'computed': [[valid], insert, ['create table Refs (referrer integer, reference integer as (length(zeroblob(900000000))))']],
    'long': [[valid], [insert[0], [path, 'x' * 20_000_000]], [refs]],
    'fine': [[valid], insert, [refs]],
}
for statement in statements[sys.argv[2]]:
    database.execute(*statement)
database.commit()
";

#[test]
#[ignore = "needs time"]
fn nix_databases() {
    for (kind, words) in [
        ("views", Some("not plain tables")),
        ("other case", Some("not plain tables")),
        ("view of paths", Some("not plain tables")),
        ("virtual", Some("not plain tables")),
        ("computed", Some("not plain tables")),
        ("long", Some("longer than any store's")),
        ("fine", None),
    ] {
        let store = TestStore::empty();
        let database = store.root().join("nix/var/nix/db/db.sqlite");
        strake_testkit::layer::python(DATABASE, &[database.to_str().unwrap(), kind], b"");
        let path = "/nix/store/00000000000000000000000000000000-a";
        let root = store.root().to_str().unwrap();
        let ran = bounded(store.root(), &["layers", "--store-root", root, path], PEAK);
        match words {
            Some(words) => ran.failed(&["db.sqlite", words]),
            None => assert_eq!(ran.code, Some(0), "{}", ran.stderr),
        }
    }
}

/// Everything that is bounded stands in the documentation.
#[test]
fn documented() {
    let read = |path| fs::read_to_string(strake_testkit::workspace().join(path)).unwrap();
    let documented = read("docs/limits.md");
    let constants = read("crates/strake-image/src/limits.rs");
    let names = constants.lines().filter_map(|line| line.split_once(" const ")?.1.split(':').next());
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "{name}");
    }
}

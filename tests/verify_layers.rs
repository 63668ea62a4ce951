use std::fs;
use std::path::Path;

use serde_json::json;
use strake_image::Digest;
use strake_testkit::command::{command, output_of, text};
use strake_testkit::image::descriptor;
use strake_testkit::peer::require;
use strake_testkit::tar_bytes::{RawMember, archive};

use crate::copy::{strake, strake_ok};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The forms that [`write`] writes.
const FORMS: [&str; 5] = [
    "docker-archive:image.tar",
    "docker-archive:packed.tar",
    "oci:layout",
    "oci-archive:layout.tar",
    "oci-archive:layout.tar.gz",
];

/// Writes an image of one layer in all forms: `stored` is the layer's bytes there, which are said to have this diff id.
pub(crate) fn write(place: &Path, stored: &[u8], diff_id: Digest) {
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] } });
    let config = config.to_string().into_bytes();
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"] }]);
    let file = |name: &str, content: &[u8]| RawMember::new(b'0', name, content);
    let image = archive(&[
        file("layer.tar", stored),
        file("config.json", &config),
        file("manifest.json", manifest.to_string().as_bytes()),
    ]);
    fs::write(place.join("image.tar"), &image).unwrap();
    fs::write(place.join("packed.tar"), gzip(&image)).unwrap();
    let _ = fs::remove_dir_all(place.join("layout"));
    fs::create_dir_all(place.join("layout/blobs/sha256")).unwrap();
    let mut members = Vec::new();
    let mut add = |name: &str, content: &[u8]| {
        fs::write(place.join("layout").join(name), content).unwrap();
        members.push(file(name, content));
    };
    let suffix = if stored.starts_with(&[0x1f, 0x8b, 8]) { "+gzip" } else { "" };
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config),
        "layers": [descriptor(&format!("{LAYER}{suffix}"), stored)] });
    let manifest = manifest.to_string().into_bytes();
    for blob in [stored, &config, &manifest] {
        add(&format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
    }
    add("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#);
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor(MANIFEST, &manifest)] });
    add("index.json", index.to_string().as_bytes());
    fs::write(place.join("layout.tar"), archive(&members)).unwrap();
    fs::write(place.join("layout.tar.gz"), gzip(&archive(&members))).unwrap();
}

/// A member of gzip, in which the bytes stand as they are.
pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for block in data.chunks(0xffff) {
        let length = u16::try_from(block.len()).unwrap();
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend([1, 0, 0, 0xff, 0xff]);
    let step = |crc: u32| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    let crc = data.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)));
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    out
}

/// `strake verify` of an image with this layer says all of these words in a line, or that nothing is wrong, whatever form the image
/// is in.
fn check(name: &str, stored: &[u8], diff_id: Digest, expected: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    write(place, stored, diff_id);
    for form in FORMS {
        let ran = strake(place, &["verify", form]);
        let said = text(&ran.stdout);
        if expected.is_empty() {
            assert_eq!(ran.code, Some(0), "{name}, {form}: {said}");
            continue;
        }
        ran.failed(&[form, "has a problem"]);
        assert_eq!(said.lines().count(), 1, "{name}, {form}: {said}");
        for words in expected {
            assert!(said.contains(words), "{name}, {form}: {words:?} is not in {said}");
        }
    }
}

fn file(name: &str) -> RawMember {
    RawMember::new(b'0', name, b"content")
}

/// An archive without its end.
fn open(members: &[RawMember]) -> Vec<u8> {
    let mut bytes = archive(members);
    bytes.truncate(bytes.len() - 1024);
    bytes
}

fn zeros(blocks: usize) -> Vec<u8> {
    vec![0; 512 * blocks]
}

/// A header of which a field is another, with the checksum that belongs to it.
fn header(member: &RawMember, place: usize, field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    member.append(&mut bytes);
    bytes[place..place + field.len()].copy_from_slice(field);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    [bytes, zeros(2)].concat()
}

/// A sparse file in the format 1.0 of this size, with this map and this number of bytes behind it.
fn sparse(size: &str, map: &str, content: usize) -> Vec<u8> {
    let records = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", size)];
    let mut bytes = map.as_bytes().to_vec();
    bytes.resize(512, 0);
    bytes.resize(512 + content, b'x');
    archive(&[RawMember::extended(b'x', &records), RawMember::new(b'0', "sparse", &bytes)])
}

#[test]
fn archives_that_everybody_unpacks() {
    let good = archive(&[file("file")]);
    let member = |kind: u8| RawMember::new(kind, "x", b"");
    for (name, layer) in [
        ("one", good.clone()),
        // As old images have it: Docker, containerd, podman and umoci take it for a layer without members.
        ("no bytes", Vec::new()),
        ("no members", zeros(2)),
        ("filled up", [good.clone(), zeros(18)].concat()),
        ("filled up to no block", [&good[..], &[0; 7]].concat()),
        (
            "kinds",
            archive(&[
                member(b'3'),
                member(b'4'),
                member(b'5'),
                member(b'6'),
                RawMember::link(b'2', "l", "../../x"),
            ]),
        ),
        ("hard link to an absolute path", archive(&[file("a"), RawMember::link(b'1', "b", "/a")])),
        ("above and down again", archive(&[file("a/../b"), file("./c"), file("/d"), file(".")])),
        (
            "sizes of what has no content",
            archive(&[RawMember { size: 700, ..member(b'5') }, RawMember { size: 9, ..member(b'2') }]),
        ),
        ("global header", archive(&[RawMember::extended(b'g', &[("comment", "x")]), file("a")])),
        (
            "extended header",
            archive(&[RawMember::extended(b'x', &[("mtime", "1.5"), ("path", "p")]), file("a")]),
        ),
        ("long name", archive(&[RawMember::new(b'L', "././@LongLink", b"name\0"), file("a")])),
        ("sparse", sparse("1000", "2\n0\n5\n600\n10\n", 15)),
    ] {
        check(name, &layer, Digest::of(&layer), &[]);
        check(name, &gzip(&layer), Digest::of(&layer), &[]);
    }
}

#[test]
fn no_archives() {
    let good = archive(&[file("file")]);
    let without_end = open(&[file("file")]);
    let more = "a".repeat(600);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("", b"no archive".repeat(200)),
        ("unexpected end", b"no archive".to_vec()),
        ("", vec![0xff; 5000]),
        ("checksum", {
            let mut wrong = good.clone();
            wrong[0] ^= 1;
            wrong
        }),
        ("not the number", header(&file("a"), 100, b"9999999\0")),
        ("not the number", header(&file("a"), 136, b"yesterday\0\0\0")),
        ("not the number", header(&file("a"), 329, b"x")),
        ("negative", header(&file("a"), 124, &[0xff; 12])),
        ("unexpected end", good[..515].to_vec()),
        ("end is missing", without_end.clone()),
        ("end is missing", without_end[..530].to_vec()),
        ("end is missing", [&without_end[..], &zeros(1)].concat()),
        ("unexpected end", [&without_end[..], &zeros(1), b"x"].concat()),
        ("zero block stands in front", [&without_end[..], &zeros(1), &good].concat()),
        ("behind its end", [&good[..], b"more"].concat()),
        ("behind its end", [&good[..], &zeros(20), b"x"].concat()),
        ("behind its end", [&good[..], &good].concat()),
        (
            "behind an extended header",
            [&open(&[RawMember::extended(b'x', &[("a", "b")])])[..], &zeros(2)].concat(),
        ),
        (
            "two extended headers",
            archive(&[RawMember::extended(b'x', &[]), RawMember::extended(b'x', &[]), file("a")]),
        ),
        (
            "behind an extended one",
            archive(&[RawMember::extended(b'x', &[]), RawMember::extended(b'g', &[]), file("a")]),
        ),
        (
            "behind an extended one",
            archive(&[RawMember::new(b'L', "n", b"name"), RawMember::extended(b'g', &[]), file("a")]),
        ),
        ("record is malformed", archive(&[RawMember::new(b'x', "x", b"9 a=b\n"), file("a")])),
        ("record is malformed", archive(&[RawMember::new(b'g', "x", b"more"), file("a")])),
        ("not the time", archive(&[RawMember::extended(b'x', &[("mtime", ".5")]), file("a")])),
        ("not the time", archive(&[RawMember::extended(b'x', &[("atime", "now")]), file("a")])),
        (
            "not the time",
            archive(&[RawMember::extended(b'x', &[("ctime", "99999999999999999999")]), file("a")]),
        ),
        (
            "not the number",
            archive(&[RawMember::extended(b'x', &[("size", "x")]), RawMember::link(b'2', "l", "t")]),
        ),
        ("leads out", archive(&[file("../a")])),
        ("leads out", archive(&[file("a/../../b")])),
        ("leads out", archive(&[RawMember::extended(b'x', &[("path", "/../x")]), file("a")])),
        ("leads out", archive(&[RawMember::link(b'1', "a", "../b")])),
        ("neither file", archive(&[RawMember::new(b'Z', "a", b"")])),
        ("neither file", archive(&[RawMember::new(b'7', "a", b"")])),
        ("neither file", archive(&[RawMember::new(b'S', "a", b"")])),
        ("map of a sparse file", sparse("1000", "2\n0\n5\n600\n10\n", 14)),
        ("map of a sparse file", sparse("1000", "2\n0\n5\n600\n10\n", 16)),
        ("map of a sparse file", sparse("609", "2\n0\n5\n600\n10\n", 15)),
        ("map of a sparse file", sparse("1000", "2\n600\n10\n0\n5\n", 15)),
        ("map of a sparse file", sparse("1000", &more, 15)),
        (
            "format that is not known",
            archive(&[RawMember::extended(b'x', &[("GNU.sparse.major", "2")]), file("a")]),
        ),
        (
            "a sparse file is no file",
            archive(&[
                RawMember::extended(b'x', &[("GNU.sparse.map", "0,0")]),
                RawMember::new(b'5', "d", b""),
            ]),
        ),
        // Docker and containerd take it for zstd, skopeo and podman do not.
        ("as a zstd stream does", archive(&[file("P*M\u{18}")])),
    ];
    for (words, layer) in cases {
        let name = format!("{words} {}", layer[..layer.len().min(20)].escape_ascii());
        check(&name, &layer, Digest::of(&layer), &["layer 1: ", "is not a valid tar archive", words]);
        // Nor packed.
        check(&name, &gzip(&layer), Digest::of(&layer), &["layer 1: ", "is not a valid tar archive", words]);
    }
}

/// The diff id is the digest of the archive, never of what it is compressed to.
#[test]
fn diff_ids_of_compressed_layers() {
    let plain = archive(&[file("file")]);
    let packed = gzip(&plain);
    let twice = gzip(&packed);
    check("packed", &packed, Digest::of(&plain), &[]);
    check("its own", &packed, Digest::of(&packed), &["layer 1: ", "has the diff id"]);
    check("twice", &twice, Digest::of(&packed), &["is not a valid tar archive"]);
    check("twice, its own", &twice, Digest::of(&twice), &["has the diff id"]);
    check("twice, all of it", &twice, Digest::of(&plain), &["has the diff id"]);
    check("another", &packed, Digest::of(b"other"), &["has the diff id"]);
    // A name that begins as bzip2 does makes it bzip2 for everybody.
    let named = archive(&[file("BZhello")]);
    check("named so", &named, Digest::of(&named), &["cannot decompress"]);
}

/// Nor for any other command, of which the cache has no other.
#[test]
fn diff_ids_for_all_commands() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let packed = gzip(&archive(&[file("file")]));
    write(place, &packed, Digest::of(&packed));
    for form in FORMS {
        for arguments in [
            &["copy", form, "oci:new"][..],
            &["copy", form, "docker-archive:new.tar"],
            &["merge", form, "-o", "new.tar"],
            &["export", form, "-o", "new.tar"],
        ] {
            strake(place, arguments).failed(&["has the diff id"]);
            assert!(!place.join("new.tar").exists());
        }
    }
}

/// A blob that is not a layer need not be an archive, and has no diff id.
#[test]
fn what_is_attached_to_images() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let layer = archive(&[file("file")]);
    write(place, &layer, Digest::of(&layer));
    let index = fs::read(place.join("layout/index.json")).unwrap();
    let mut index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    for attached in [&b"text"[..], &gzip(b"text"), &[0x1f, 0x8b, 8]] {
        fs::write(place.join("layout/blobs/sha256").join(Digest::of(attached).hex()), attached).unwrap();
        index["manifests"].as_array_mut().unwrap().push(descriptor("text/plain", attached));
    }
    index["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
    let text = index.to_string().into_bytes();
    fs::write(place.join("layout/blobs/sha256").join(Digest::of(&text).hex()), &text).unwrap();
    let listed = json!({ "schemaVersion": 2, "manifests": [descriptor("application/vnd.oci.image.index.v1+json", &text)] });
    fs::write(place.join("layout/index.json"), listed.to_string()).unwrap();
    strake_ok(place, &["verify", "oci:layout"]);
}

/// Streams that are cut, or have more behind them.
#[test]
fn compressed_badly() {
    let layer = archive(&[file("file")]);
    let packed = gzip(&layer);
    let empty = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 1, 0, b'x', 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    check("an empty member", &[&packed[..], &empty].concat(), Digest::of(&layer), &[]);
    check("two members", &[gzip(&layer[..600]), gzip(&layer[600..])].concat(), Digest::of(&layer), &[]);
    let mut wrong = packed.clone();
    let end = wrong.len() - 1;
    wrong[end] ^= 1;
    for (name, stored) in [
        ("cut", packed[..end].to_vec()),
        ("no trailer", packed[..=end - 8].to_vec()),
        ("wrong length", wrong),
        ("zeros", [&packed[..], &[0; 100]].concat()),
        ("more", [&packed[..], b"more"].concat()),
        ("half a member", [&packed[..], &packed[..15]].concat()),
    ] {
        check(name, &stored, Digest::of(&layer), &["layer 1: cannot decompress"]);
    }
}

/// umoci unpacks what is right, and the layer without any bytes; what it refuses is refused here.
#[test]
#[ignore = "needs root, umoci"]
fn as_umoci_has_it() {
    let good = archive(&[file("file")]);
    let (no_bytes, cut) = (Vec::new(), good[..515].to_vec());
    for (layer, is_unpacked) in
        [(&good, true), (&no_bytes, true), (&cut, false), (&b"no archive".repeat(99), false)]
    {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        write(place, layer, Digest::of(layer));
        let mut index: serde_json::Value =
            serde_json::from_slice(&fs::read(place.join("layout/index.json")).unwrap()).unwrap();
        index["manifests"][0]["annotations"] = json!({ "org.opencontainers.image.ref.name": "x" });
        fs::write(place.join("layout/index.json"), index.to_string()).unwrap();
        let mut umoci = command(require("umoci"), ["unpack", "--image", "layout:x", "bundle"]);
        assert_eq!(output_of(umoci.current_dir(place)).status.success(), is_unpacked);
        assert_eq!(strake(place, &["verify", "oci:layout"]).code == Some(0), is_unpacked);
    }
}

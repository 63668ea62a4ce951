use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strake_image::Digest;
use strake_testkit::command::text;
use strake_testkit::tar_bytes::{RawMember, archive};

use crate::copy::{strake, strake_ok};
use crate::verify_layers::gzip;

fn file(name: &str, content: &[u8]) -> RawMember {
    RawMember::new(b'0', name, content)
}

fn directory(name: &str) -> RawMember {
    RawMember::new(b'5', name, b"")
}

fn layer(content: &str) -> Vec<u8> {
    archive(&[file("file", content.as_bytes())])
}

fn hex(content: &[u8]) -> String {
    Digest::of(content).hex()
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs }).to_string().into_bytes()
}

fn item(config: &str, tags: &[&str], layers: &[&str]) -> Value {
    json!({ "Config": config, "RepoTags": tags, "Layers": layers })
}

fn manifest(items: &[Value]) -> RawMember {
    file("manifest.json", json!(items).to_string().as_bytes())
}

/// The members of an image with a layer of its own, and a config and a layer of these names.
fn named(config_name: &str, layer_name: &str) -> Vec<RawMember> {
    let one = layer("one");
    vec![
        file(layer_name, &one),
        file(config_name, &config(&[&one])),
        manifest(&[item(config_name, &["x:1"], &[layer_name])]),
    ]
}

fn image() -> Vec<RawMember> {
    named("config.json", "layer.tar")
}

/// Another image that would be taken for the one in [`image`].
fn other_manifest() -> RawMember {
    manifest(&[item("other.json", &["x:1"], &["layer.tar"])])
}

fn plain_and_packed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 2] {
    [("plain.tar", bytes.to_vec()), ("packed.tar", gzip(bytes))]
}

/// The output of `strake verify` for an archive, plain and compressed: these words in a line, or success.
fn check(name: &str, bytes: &[u8], expected: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    for (path, bytes) in plain_and_packed(bytes) {
        fs::write(place.join(path), bytes).unwrap();
        let ran = strake(place, &["verify", &format!("docker-archive:{path}")]);
        let said = text(&ran.stdout);
        if expected.is_empty() {
            assert_eq!(ran.code, Some(0), "{name}, {path}: {said}{}", ran.stderr);
            continue;
        }
        ran.failed(&[]);
        let said = said + &ran.stderr;
        let is_said = said.lines().any(|line| expected.iter().all(|words| line.contains(words)));
        assert!(is_said, "{name}, {path}: {expected:?} is not in {said}");
    }
}

/// docker save before version 25: layers by IDs that are no digests, and links where they are equal.
fn as_docker_saved(kind: u8, link: &str) -> Vec<RawMember> {
    let (one, two) = (layer("one"), layer("two"));
    let config = config(&[&one, &two, &one]);
    let name = format!("{}.json", hex(&config));
    let id = |number: u8| hex(&[number]);
    let layers: Vec<String> = (1..=3).map(|number| format!("{}/layer.tar", id(number))).collect();
    let mut members = Vec::new();
    for number in 1..=3 {
        members.push(directory(&format!("{}/", id(number))));
        members.push(file(&format!("{}/VERSION", id(number)), b"1.0"));
        members.push(file(&format!("{}/json", id(number)), b"{}"));
    }
    members.extend([
        file(&layers[0], &one),
        file(&layers[1], &two),
        RawMember::link(kind, &layers[2], &link.replace("ID", &id(1))),
        file(&name, &config),
        manifest(&[item(&name, &["x:1"], &layers.iter().map(String::as_str).collect::<Vec<_>>())]),
        file("repositories", b"{}"),
    ]);
    members
}

/// docker save from version 25 on: a layout as well.
fn as_docker_saves() -> Vec<RawMember> {
    let one = layer("one");
    let config = config(&[&one]);
    let (config_name, layer_name) =
        (format!("blobs/sha256/{}", hex(&config)), format!("blobs/sha256/{}", hex(&one)));
    let oci = "application/vnd.oci.image";
    let described =
        |kind: &str, content: &[u8]| strake_testkit::image::descriptor(&format!("{oci}.{kind}"), content);
    let oci_manifest = json!({ "schemaVersion": 2, "mediaType": format!("{oci}.manifest.v1+json"),
        "config": described("config.v1+json", &config), "layers": [described("layer.v1.tar", &one)] });
    let oci_manifest = oci_manifest.to_string().into_bytes();
    let index = json!({ "schemaVersion": 2, "manifests": [described("manifest.v1+json", &oci_manifest)] });
    vec![
        directory("blobs/"),
        directory("blobs/sha256/"),
        file(&layer_name, &one),
        file(&config_name, &config),
        file(&format!("blobs/sha256/{}", hex(&oci_manifest)), &oci_manifest),
        file("index.json", index.to_string().as_bytes()),
        manifest(&[item(&config_name, &["x:1"], &[&layer_name])]),
        file("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#),
    ]
}

/// skopeo, podman and buildah.
fn as_skopeo_copies() -> Vec<RawMember> {
    let one = layer("one");
    let config = config(&[&one]);
    let (config_name, layer_name) = (format!("{}.json", hex(&config)), format!("{}.tar", hex(&one)));
    vec![
        file(&layer_name, &one),
        RawMember::link(b'2', &format!("{}/layer.tar", hex(b"id")), &format!("../{layer_name}")),
        file(&config_name, &config),
        manifest(&[item(&config_name, &["x:1"], &[&layer_name])]),
    ]
}

/// crane and kaniko; jib calls the config `config.json`.
fn as_crane_pulls() -> Vec<RawMember> {
    let one = layer("one");
    let packed = gzip(&one);
    let config = config(&[&one]);
    let (config_name, layer_name) = (format!("sha256:{}", hex(&config)), format!("{}.tar.gz", hex(&packed)));
    vec![
        file(&config_name, &config),
        file(&layer_name, &packed),
        manifest(&[item(&config_name, &["x:1"], &[&layer_name])]),
    ]
}

#[test]
fn as_others_write_them() {
    let dotted = |members: Vec<RawMember>| -> Vec<RawMember> {
        members.into_iter().map(|member| RawMember { name: format!("./{}", member.name), ..member }).collect()
    };
    for (name, members) in [
        ("docker save with symbolic links", as_docker_saved(b'2', "../ID/layer.tar")),
        ("docker save with hard links", as_docker_saved(b'1', "ID/layer.tar")),
        ("docker save as it is today", as_docker_saves()),
        ("skopeo", as_skopeo_copies()),
        ("crane", as_crane_pulls()),
        ("jib", named("config.json", &format!("{}.tar", hex(&layer("one"))))),
        ("dockerTools", named("config.json", &format!("{}/layer.tar", hex(&layer("one"))))),
        ("tar -C directory .", [vec![directory("./")], dotted(image())].concat()),
        ("tar -C directory ., saved", [vec![directory("./")], dotted(as_docker_saves())].concat()),
        // Twice the same is no question.
        ("a layer twice", [image(), vec![image()[0].clone()]].concat()),
        ("all twice", [image(), image()].concat()),
        ("directories twice", [vec![directory("a/"), directory("a"), directory("./a/")], image()].concat()),
        (
            "a link twice",
            [vec![RawMember::link(b'2', "l", "t"), RawMember::link(b'2', "l", "t")], image()].concat(),
        ),
        ("another case", [vec![file("Manifest.json", b"x"), file("LAYER.tar", b"y")], image()].concat()),
        (
            "no names",
            [
                image()[..2].to_vec(),
                vec![manifest(&[json!({ "Config": "config.json", "Layers": ["layer.tar"] })])],
            ]
            .concat(),
        ),
        ("a global header", [vec![RawMember::extended(b'g', &[("comment", "x")])], image()].concat()),
    ] {
        let bytes = archive(&members);
        check(name, &bytes, &[]);
        check(name, &[bytes, vec![0; 9216]].concat(), &[]);
    }
}

/// Archives in which not everybody finds the same.
#[test]
fn members_that_differ() {
    let with = |more: Vec<RawMember>| [image(), more].concat();
    let before = |more: Vec<RawMember>| [more, image()].concat();
    // A reader that takes the size of a link for that of its content does not see the manifest behind it.
    let hidden = |kind: u8| {
        let mut bytes = Vec::new();
        other_manifest().append(&mut bytes);
        let size = bytes.len() as u64;
        let mut header = Vec::new();
        RawMember { size, linkname: "t".to_owned(), ..RawMember::new(kind, "hiding", b"") }
            .append(&mut header);
        [header, bytes, archive(&image())].concat()
    };
    for kind in b'1'..=b'6' {
        check("hidden", &hidden(kind), &["several members \"manifest.json\" that differ"]);
    }
    let at = |name: &str, member: RawMember| RawMember { name: name.to_owned(), ..member };
    let manifests = [
        "manifest.json",
        "./manifest.json",
        ".//manifest.json",
        "x/../manifest.json",
        "/manifest.json",
        "manifest.json/",
    ];
    for name in manifests {
        let other = || vec![at(name, other_manifest())];
        check(name, &archive(&before(other())), &["several members \"manifest.json\" that differ"]);
    }
    for (name, members) in [
        ("config.json", before(vec![file("config.json", &config(&[]))])),
        (
            "layer.tar",
            with(vec![file("layer.tar", &layer("one"))])
                .into_iter()
                .chain([file("./layer.tar", &layer("on2"))])
                .collect(),
        ),
        ("layer.tar", before(vec![file("layer.tar", &layer("a longer one"))])),
        ("layer.tar", before(vec![RawMember::link(b'2', "layer.tar", "other")])),
        ("layer.tar", before(vec![RawMember::link(b'1', "layer.tar", "config.json")])),
        ("layer.tar", before(vec![directory("layer.tar")])),
        ("layer.tar", before(vec![RawMember::new(b'6', "layer.tar", b"")])),
        ("layer.tar", with(vec![file("layer.tar/inside", b"x")])),
        ("l", with(vec![RawMember::link(b'2', "l", "t"), RawMember::link(b'2', "l", "u")])),
        // Unpacking it puts the layer into another directory.
        (
            "a",
            [
                named("config.json", "a/layer.tar"),
                vec![RawMember::link(b'2', "a", "b"), file("b/layer.tar", b"x")],
            ]
            .concat(),
        ),
        ("a/b", [vec![RawMember::link(b'2', "a/b", "/etc")], named("config.json", "a/b/layer.tar")].concat()),
    ] {
        check(name, &archive(&members), &[&format!("several members {name:?} that differ")]);
    }
    for name in ["../x", "a/../../x", "/../x", ".."] {
        check(name, &archive(&with(vec![file(name, b"x")])), &["a member", "which leads out of it"]);
    }
    // Docker stops at a kind that it does not know, and unpacks nothing.
    for kind in *b"7SVDNX" {
        let mut members = image();
        members[0].kind = kind;
        let refused = ["sparse", "neither file, link, directory, device nor FIFO", "is not a file"];
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("x.tar"), archive(&members)).unwrap();
        let ran = strake(place.path(), &["verify", "docker-archive:x.tar"]);
        let said = text(&ran.stdout) + &ran.stderr;
        assert!(
            ran.code == Some(1) && refused.iter().any(|words| said.contains(words)),
            "{}: {said}",
            char::from(kind)
        );
        let more = RawMember::new(kind, "more", b"");
        let words = if kind == b'S' { "sparse" } else { "neither file, link, directory, device nor FIFO" };
        check("more", &archive(&with(vec![more])), &[words]);
    }
    // Where the names of members come from a global header, Python and tar read other names than Go.
    for record in ["path", "linkpath", "size", "GNU.sparse.map"] {
        let global = RawMember::extended(b'g', &[(record, "7")]);
        check(record, &archive(&before(vec![global])), &["global header has a name"]);
    }
}

/// The images that an archive names twice.
#[test]
fn names() {
    let one = layer("one");
    let twice = |tags: &[&str], others: &[&str]| {
        archive(&[
            file("layer.tar", &one),
            file("config.json", &config(&[&one])),
            file("other.json", &config(&[])),
            manifest(&[item("config.json", tags, &["layer.tar"]), item("other.json", others, &[])]),
        ])
    };
    check("several", &twice(&["x:1", "x:2"], &["y:1"]), &[]);
    check("twice", &twice(&["x:1", "x:2"], &["x:2"]), &["gives the name \"x:2\" to several images"]);
    check("in full", &twice(&["x:1"], &["docker.io/library/x:1"]), &["gives the name \"x:1\""]);
    for name in [
        "x",
        "",
        "X:1",
        "x:1 ",
        "x:",
        ":1",
        "<none>:<none>",
        "a..b:1",
        "x:1/y",
        "x@sha256:00",
        "-x:1",
        "x:\u{e9}",
        "a//b:1",
    ] {
        check(name, &twice(&[name], &[]), &["is not a name that an image can have"]);
    }
}

/// Files that are named by a digest.
#[test]
fn digests_in_names() {
    let one = layer("one");
    let (right, wrong) = (hex(&one), hex(b"other"));
    let config = hex(&config(&[&one]));
    for (config_name, layer_name) in [
        (format!("{config}.json"), format!("{right}.tar")),
        (format!("blobs/sha256/{config}"), format!("blobs/sha256/{right}")),
        (format!("sha256:{config}"), format!("a/{right}.tar")),
        ("config.json".to_owned(), format!("{wrong}/layer.tar")),
    ] {
        check(&layer_name, &archive(&named(&config_name, &layer_name)), &[]);
    }
    for config_name in [format!("{wrong}.json"), format!("blobs/sha256/{wrong}"), format!("sha256:{wrong}")] {
        check(
            &config_name,
            &archive(&named(&config_name, "layer.tar")),
            &[&wrong, "whose digest is", &config],
        );
    }
    for layer_name in [format!("{wrong}.tar"), format!("blobs/sha256/{wrong}"), format!("a/{wrong}.tar.gz")] {
        check(
            &layer_name,
            &archive(&named("config.json", &layer_name)),
            &["layer 1: the member", &wrong, &right],
        );
    }
    // Of a compressed layer a blob's name is that of the blob.
    let packed = gzip(&one);
    for (name, is_right) in [
        (format!("blobs/sha256/{}", hex(&packed)), true),
        (format!("{}.tar.gz", hex(&packed)), true),
        (format!("{right}.tar"), true),
        (format!("blobs/sha256/{right}"), false),
    ] {
        let mut members = named("config.json", &name);
        members[0] = file(&name, &packed);
        let words: &[&str] = if is_right { &[] } else { &["layer 1: the member"] };
        check(&name, &archive(&members), words);
    }
}

/// Special files cannot be read as regular files.
#[test]
fn what_is_no_file() {
    for kind in b'3'..=b'6' {
        for place in [0, 1] {
            let mut members = image();
            members[place] = RawMember::new(kind, &members[place].name, b"");
            check("special", &archive(&members), &["that is not a file"]);
        }
    }
    for target in ["layer.tar", "gone", "../layer.tar", "/etc/passwd", "."] {
        for place in [0, 1] {
            let mut members = image();
            members[place] = RawMember::link(b'2', &members[place].name, target);
            let name = members[place].name.clone();
            let place = tempfile::tempdir().unwrap();
            fs::write(place.path().join("image.tar"), archive(&members)).unwrap();
            strake(place.path(), &["verify", "docker-archive:image.tar"]).failed(&[]);
            assert!(name.starts_with(['l', 'c']));
        }
    }
    // Behind a link there may be a config.
    let mut members = image();
    members[1] = RawMember { name: "real.json".to_owned(), ..members[1].clone() };
    members.push(RawMember::link(b'2', "config.json", "real.json"));
    check("linked", &archive(&members), &[]);
}

/// Archives that are cut, or have more behind them.
#[test]
fn ends() {
    let whole = archive(&image());
    let end = whole.len() - 1024;
    for (words, bytes) in [
        ("end is missing", whole[..end].to_vec()),
        ("end is missing", whole[..end + 512].to_vec()),
        ("bytes stand behind its end", [&whole[..], b"x"].concat()),
        ("bytes stand behind its end", [&whole[..], &vec![0; 5000], b"x"].concat()),
        ("bytes stand behind its end", [&whole[..], &archive(&[other_manifest()])].concat()),
        ("zero block stands in front", [&whole[..end + 512], &whole].concat()),
        ("", whole[..end - 20].to_vec()),
        ("unexpected end", whole[..end + 300].to_vec()),
    ] {
        check(words, &bytes, &[words]);
    }
    // Terabytes of zeros are not read.
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("sparse.tar");
    fs::write(&path, &whole).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let ran = strake(place.path(), &["verify", "docker-archive:sparse.tar"]);
    assert!(text(&ran.stdout).contains("more than 16 MiB stand behind its end"), "{}", ran.stderr);
}

/// Nothing of a compressed archive counts unless all of it decompresses, for any command.
#[test]
fn streams_that_are_cut() {
    let packed = gzip(&archive(&image()));
    let end = packed.len();
    let mut wrong = packed.clone();
    wrong[end - 5] ^= 1;
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    for bytes in [
        &packed[..end - 1],
        &packed[..end - 8],
        &wrong,
        &[&packed[..], b"\0"].concat(),
        &[&packed[..], b"more"].concat(),
    ] {
        fs::write(place.join("image.tar.gz"), bytes).unwrap();
        for arguments in [
            &["verify", "docker-archive:image.tar.gz"][..],
            &["inspect", "docker-archive:image.tar.gz"],
            &["copy", "docker-archive:image.tar.gz", "oci:new"],
        ] {
            strake(place, arguments).failed(&["damaged"]);
        }
    }
}

/// Differences that only affect other programs do not prevent a copy.
#[test]
fn copied_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let members = [vec![other_manifest(), file("layer.tar", b"old"), file("../x", b"y")], image()].concat();
    let bytes = archive(&members);
    fs::write(place.join("image.tar"), &bytes[..bytes.len() - 1024]).unwrap();
    let verified = strake(place, &["verify", "docker-archive:image.tar"]);
    verified.failed(&["has 4 problems"]);
    strake_ok(place, &["copy", "docker-archive:image.tar", "oci:new"]);
    strake_ok(place, &["verify", "oci:new"]);
}

/// The same for a layout in an archive.
#[test]
fn layouts() {
    let saved = as_docker_saves();
    let pack = |place: &Path, members: &[RawMember], more: &[u8]| {
        for (path, bytes) in plain_and_packed(&[&archive(members)[..], more].concat()) {
            fs::write(place.join(path), bytes).unwrap();
        }
    };
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let blob = saved[2].name.clone();
    let cases: Vec<(String, Vec<RawMember>)> = vec![
        ("several members \"index.json\" that differ".to_owned(), vec![file("./index.json", b"{}")]),
        ("several members \"oci-layout\" that differ".to_owned(), vec![file("oci-layout", b"{}")]),
        (format!("several members {blob:?} that differ"), vec![file(&blob, b"other")]),
        (
            format!("several members {blob:?} that differ"),
            vec![RawMember::link(b'2', &format!("./{blob}"), "x")],
        ),
        ("several members \"blobs\" that differ".to_owned(), vec![RawMember::link(b'2', "blobs", "x")]),
        ("which leads out of it".to_owned(), vec![file("../x", b"")]),
        ("neither file, link, directory".to_owned(), vec![RawMember::new(b'7', "x", b"")]),
    ];
    for (words, more) in &cases {
        pack(place, &[&more[..], &saved].concat(), b"");
        for path in ["plain.tar", "packed.tar"] {
            let ran = strake(place, &["verify", &format!("oci-archive:{path}")]);
            ran.failed(&["has a problem"]);
            assert!(text(&ran.stdout).contains(words), "{path}: {words:?} is not in {}", text(&ran.stdout));
        }
    }
    pack(place, &[&saved[..], std::slice::from_ref(&saved[2])].concat(), b"");
    for path in ["plain.tar", "packed.tar"] {
        strake_ok(place, &["verify", &format!("oci-archive:{path}")]);
    }
    pack(place, &saved, b"more");
    for path in ["plain.tar", "packed.tar"] {
        let ran = strake(place, &["verify", &format!("oci-archive:{path}")]);
        assert!(text(&ran.stdout).contains("bytes stand behind its end"), "{}", ran.stderr);
    }
    // A blob under another blob's name.
    let mut wrong = saved.clone();
    wrong[2].content[600] ^= 1;
    pack(place, &wrong, b"");
    for path in ["plain.tar", "packed.tar"] {
        let ran = strake(place, &["verify", &format!("oci-archive:{path}")]);
        assert!(text(&ran.stdout).contains("digest"), "{}", ran.stderr);
    }
}

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::command::{command, output_of, text};
use strake_testkit::image::{INDEX, Image, MANIFEST, descriptor};
use strake_testkit::layer::python;
use strake_testkit::peer::require;
use strake_testkit::registry::{Effect, Fault, Personality, Registry, digest};
use strake_testkit::store::TestStore;
use strake_testkit::tar_bytes::{RawMember, archive};

use crate::registry::User;
use crate::strake::Ran;

/// A text that sets a terminal's title, changes its colour, turns the text's direction, and begins a new line with something untrue.
const EVIL: &str =
    "a\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2028}\u{85}\u{7f}\u{feff}\t\r\nstrake: done b";

/// Whether a character does something else than being shown.
fn is_harmful(character: char) -> bool {
    matches!(character,
        '\0'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// The output has no effect on a terminal, and no third party adds a line. Returns the output.
fn harmless(ran: &Ran) -> String {
    let said = String::from_utf8(ran.stdout.clone()).unwrap() + &ran.stderr;
    assert!(!said.contains(is_harmful), "{said:?}");
    assert!(!said.lines().any(|line| line.starts_with("strake: done")), "{said:?}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn config(diff_ids: &[String]) -> Value {
    json!({
        "architecture": EVIL, "os": EVIL, "author": EVIL, "created": "2020-01-01T00:00:00Z",
        "config": { "Env": [EVIL], "Cmd": [EVIL], "User": EVIL, "WorkingDir": EVIL, "Labels": { EVIL: EVIL }, "Volumes": { EVIL: {} } },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [{ "created_by": EVIL, "comment": EVIL }],
    })
}

/// A layout whose texts are all like this. Its only layer holds what cannot be exported, if that is wanted.
fn layout(place: &Path, layer: &[u8]) {
    let config = config(&[digest(layer)]).to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "annotations": { EVIL: EVIL },
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    let image = Image { manifest: manifest.to_string().into_bytes(), blobs: vec![config, layer.to_vec()] };
    image.write_layout(place, EVIL);
}

/// A docker-archive of that kind.
fn docker_archive(place: &Path) {
    const MAKE: &str = r"
import hashlib, io, json, sys, tarfile
evil = sys.argv[1]
def add(archive, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
layer = io.BytesIO()
tarfile.open(fileobj=layer, mode='w').close()
layer = layer.getvalue()
config = {'architecture': 'amd64', 'os': 'linux', 'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(layer).hexdigest()]},
          'history': [{'created_by': evil}]}
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|') as archive:
    add(archive, evil, layer)
    add(archive, evil + '.json', json.dumps(config).encode())
    add(archive, 'manifest.json', json.dumps([{'Config': evil + '.json', 'RepoTags': [evil], 'Layers': [evil]}]).encode())
";
    fs::write(place, python(MAKE, &[EVIL], b"")).unwrap();
}

/// An index for platforms with such names.
fn index(registry: &Registry) -> String {
    let image = Image::of_sizes(&[100]);
    image.put(registry, "app", "image");
    let entry = |os: &str, architecture: &str| {
        let mut entry = descriptor(MANIFEST, &image.manifest);
        entry["platform"] = json!({ "os": os, "architecture": architecture, "variant": EVIL });
        entry
    };
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [entry("linux", "two words"), entry(EVIL, "x"), entry("linux", "plain\" \\")],
    });
    registry.put_manifest("app", "1", INDEX, index.to_string().as_bytes())
}

fn plain_layer() -> Vec<u8> {
    archive(&[RawMember::new(b'0', "file", b"content")])
}

#[test]
fn of_finished_images() {
    let user = User::new();
    layout(&user.path("evil"), &plain_layer());
    docker_archive(&user.path("evil.tar"));
    for source in ["oci:evil", "docker-archive:evil.tar"] {
        for arguments in [
            &["inspect", source][..],
            &["verify", source],
            &["copy", source, "oci:new"],
            &["copy", "--json", source, "oci:new"],
            &["copy", source, "docker-archive:new.tar"],
            &["copy", source, "docker-archive:new.tar:named:1"],
            &["copy", source, &format!("oci:new:{EVIL}")],
            &["copy", &format!("{source}:{EVIL}x"), "oci:new"],
            &["copy", "--platform", "linux/amd64", source, "oci:new"],
            &["copy", "--index", source, source, "oci:both"],
            &["copy", "--annotation", EVIL, source, "oci:new"],
            &["merge", source, source, "-o", "both.tar"],
            &["export", source, "-o", "flat.tar"],
            &["cache", "show"],
        ] {
            let said = harmless(&user.run(arguments));
            assert!(!said.is_empty() || arguments[0] == "export", "{arguments:?}");
        }
        let shown = user.ok(&["inspect", source]);
        assert!(harmless(&shown).contains("a\\u{1b}]0;t\\u{7}"), "{}", text(&shown.stdout));
    }
    // As JSON it is escaped, and it is all there.
    let shown = user.ok(&["inspect", "--json", "oci:evil"]);
    harmless(&shown);
    let value: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&value["names"][0], &value["layers"][0]["contents"][0]), (&json!(EVIL), &json!(EVIL)));
    assert_eq!(value["config"], config(&[digest(&plain_layer())]));
    for option in ["--config", "--manifest"] {
        let shown = user.ok(&["inspect", option, "oci:evil"]);
        harmless(&shown);
        let raw = user.ok(&["inspect", option, "--raw", "oci:evil"]).stdout;
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        // The bytes as they are, for who asks for them.
        assert_eq!(shown, serde_json::from_slice::<Value>(&raw).unwrap());
        assert!(text(&raw).contains('\u{202e}'));
    }
    let events = user.ok(&["copy", "--json", "oci:evil", "oci:third"]);
    harmless(&events);
    let first: Value = serde_json::from_str(events.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(first["contents"], json!([EVIL]));
}

#[test]
fn of_files_in_layers() {
    let user = User::new();
    for member in [
        RawMember::new(b'3', EVIL, b""),
        RawMember::new(b'Z', EVIL, b""),
        RawMember::new(b'0', &format!("../{EVIL}"), b""),
    ] {
        let place = user.path("evil");
        layout(&place, &archive(&[member]));
        let ran = user.run(&["export", "oci:evil", "-o", "flat.tar"]);
        ran.failed(&["a\\u{1b}]0;t"]);
        harmless(&ran);
        fs::remove_dir_all(place).unwrap();
    }
}

#[test]
fn of_registries() {
    let user = User::new();
    let registry = Registry::start(Personality::default());
    index(&registry);
    let name = format!("docker://{}/app:1", registry.address());
    let pins = user.ok(&["pin", &name]);
    harmless(&pins);
    // Two columns, whatever the platforms are called.
    let platforms =
        [format!("linux/two words/{EVIL}"), format!("{EVIL}/x/{EVIL}"), format!("linux/plain\" \\/{EVIL}")];
    let lines: Vec<Vec<String>> = text(&pins.stdout)
        .lines()
        .map(|line| {
            let words = line.split_whitespace();
            words
                .map(|word| {
                    if word.starts_with('"') { serde_json::from_str(word).unwrap() } else { word.to_owned() }
                })
                .collect()
        })
        .collect();
    assert_eq!(lines.iter().map(|line| &line[0]).collect::<Vec<_>>(), platforms.iter().collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line.len() == 2 && line[1].contains("/app@sha256:")), "{lines:?}");
    let pins = user.ok(&["pin", "--json", &name]);
    harmless(&pins);
    for (line, platform) in text(&pins.stdout).lines().zip(&platforms) {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["platform"], json!(platform));
    }
    for arguments in [
        &["inspect", &name][..],
        &["verify", &name],
        &["inspect", "--platform", "linux/amd64", &name],
        &["copy", "--platform", "linux/amd64", &name, "oci:new"],
        &["copy", &name, "docker-archive:new.tar"],
        &["copy", &name, "oci:new"],
        &["inspect", "--json", &name],
    ] {
        harmless(&user.run(arguments));
    }
}

/// The answers of a registry.
#[test]
fn of_registries_that_refuse() {
    let user = User::new();
    let answered = |status: &str, body: &str, arguments: &[&str]| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let effect = Effect::Raw((head + body).into_bytes());
        let faults = vec![Fault::burst("GET", "/manifests/", 1, u32::MAX, effect)];
        let registry = Registry::start(Personality { faults, ..Personality::default() });
        let name = format!("docker://{}/app:1", registry.address());
        let arguments: Vec<&str> =
            arguments.iter().map(|word| if *word == "NAME" { &name } else { *word }).collect();
        let ran = user.run(&arguments);
        assert_eq!(ran.code, Some(1), "{status}: {}", ran.stderr);
        harmless(&ran);
    };
    let error = json!({ "errors": [{ "code": EVIL, "message": EVIL, "detail": EVIL }] }).to_string();
    for status in ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found"] {
        for body in [&error, EVIL] {
            answered(status, body, &["pin", "NAME"]);
            answered(status, body, &["copy", "--json", "NAME", "oci:new"]);
        }
    }
    // Which is asked again, and so takes its time.
    answered("429 Too Many Requests", &error, &["inspect", "NAME"]);
}

#[test]
fn of_paths_and_arguments() {
    let user = User::new();
    let store = TestStore::empty();
    let evil = EVIL.replace('/', "");
    let in_file = user.write(&format!("{evil}.json"), "{").display().to_string();
    let conf = store.write_conf("evil", &[], |conf| {
        conf["from_image"] = format!("/{evil}").into();
        conf["repo_tag"] = EVIL.into();
    });
    let wrong = store.write_conf("wrong", &[], |conf| conf["store_layers"] = json!([[EVIL]]));
    let (conf, wrong) = (conf.to_str().unwrap(), wrong.to_str().unwrap());
    let graph =
        user.write("graph", json!([{ "path": EVIL, "narSize": 1, "references": [EVIL] }]).to_string());
    let graph = graph.to_str().unwrap();
    let base = format!("docker-archive:{evil}");
    for arguments in [
        &[EVIL][..],
        &["stream", EVIL],
        &["stream", &in_file],
        &["stream", conf],
        &["stream", wrong],
        &["describe", wrong],
        &["describe", &in_file],
        &["layers", EVIL],
        &["layers", graph],
        &["layers", "--strategy", EVIL, graph],
        &["plan", "--graph", graph, "--name", EVIL],
        &["plan", "--env", EVIL],
        &["plan", "--label", EVIL],
        &["plan", "--expose", EVIL],
        &["plan", "--owner", EVIL],
        &["plan", "--from", &base, "--graph", graph],
        &["copy", EVIL, "oci:new"],
        &["copy", conf, EVIL],
        &["copy", &format!("docker://{EVIL}"), "oci:new"],
        &["copy", "--compress", EVIL, "oci:a", "oci:b"],
        &["inspect", &format!("oci:{evil}")],
        &["inspect", "--platform", EVIL, "oci:new"],
        &["verify", &base],
        &["pin", EVIL],
        &["merge", &base, &base],
        &["export", &base, "-o", &format!("/gone/{evil}")],
        &["nix-database", &format!("/dev/null/{evil}"), "--graph", graph],
        &["cache", EVIL],
    ] {
        let ran = user.run(arguments);
        assert!(matches!(ran.code, Some(1 | 2)), "{arguments:?}: {}", ran.stderr);
        harmless(&ran);
    }
    let elsewhere = user.run(&["cache", "show"]);
    assert_eq!(elsewhere.code, Some(0));
    let mut cache = user.command(&["cache", "show"]);
    cache.env("STRAKE_CACHE_DIR", user.path(&evil));
    harmless(&crate::strake::ran(output_of(&mut cache)));
}

/// On a terminal there is a progress bar, and lines above it.
#[test]
fn on_a_terminal() {
    let user = User::new();
    layout(&user.path("evil"), &plain_layer());
    let strake = env!("CARGO_BIN_EXE_strake");
    for line in [
        format!("{strake} copy oci:evil oci:new docker-archive:new.tar"),
        format!("{strake} copy --compress gzip oci:evil oci:other"),
        format!("{strake} inspect oci:evil"),
    ] {
        let mut script = command(require("script"), ["-qec", &line, "/dev/null"]);
        script.env("TERM", "xterm").env("STRAKE_CACHE_DIR", user.path("cache")).current_dir(user.home());
        let said = text(&output_of(&mut script).stdout);
        assert!(
            !said.contains(['\u{7}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{2028}', '\u{feff}']),
            "{said:?}"
        );
        assert!(!said.contains("\u{1b}]0;") && !said.contains("\nstrake: done"), "{said:?}");
    }
}

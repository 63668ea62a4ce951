use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::containerd::Containerd;
use strake_testkit::image::Image;

use crate::copy::{strake, strake_ok};

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME: &str = "io.containerd.image.name";

fn index(layout: &Path) -> Value {
    serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap()
}

/// The names of each entry of a layout's index: the specification's and containerd's.
fn names(layout: &Path) -> Vec<(Option<String>, Option<String>)> {
    let index = index(layout);
    let entries = index["manifests"].as_array().unwrap().iter();
    let name = |entry: &Value, key: &str| entry["annotations"][key].as_str().map(str::to_owned);
    entries.map(|entry| (name(entry, REF_NAME), name(entry, CONTAINERD_NAME))).collect()
}

fn pair(name: &str, full: Option<&str>) -> (Option<String>, Option<String>) {
    (Some(name.to_owned()), full.map(str::to_owned))
}

/// The layout `old` with an image that `BuildKit` and `docker save` name like this.
fn buildkit_layout(place: &Path) {
    Image::of_sizes(&[100]).write_layout(&place.join("old"), "v1");
    let mut index = index(&place.join("old"));
    index["manifests"][0]["annotations"] =
        json!({ REF_NAME: "v1", CONTAINERD_NAME: "docker.io/library/app:v1" });
    fs::write(place.join("old/index.json"), index.to_string()).unwrap();
}

#[test]
fn both_names_are_written() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    buildkit_layout(place);
    for (given, expected) in [
        ("app:v2", pair("app:v2", Some("docker.io/library/app:v2"))),
        ("team/app", pair("team/app", Some("docker.io/team/app:latest"))),
        ("localhost:5000/app:v1", pair("localhost:5000/app:v1", Some("localhost:5000/app:v1"))),
        // A tag alone says not of what, and this is no name that Docker takes.
        ("v2", pair("v2", None)),
        ("app+x:v1", pair("app+x:v1", None)),
        // An image keeps the names that it has.
        ("", pair("v1", Some("docker.io/library/app:v1"))),
    ] {
        let suffix = if given.is_empty() { String::new() } else { format!(":{given}") };
        let targets = [format!("oci:new{suffix}"), format!("oci-archive:new.tar{suffix}")];
        strake_ok(place, &["copy", "-q", "oci:old", &targets[0], &targets[1]]);
        assert_eq!(names(&place.join("new")), std::slice::from_ref(&expected), "{given}");
        let archived = place.join("unpacked");
        fs::create_dir(&archived).unwrap();
        let mut tar = command("tar", ["-C", "unpacked", "-xf", "new.tar"]);
        tar.current_dir(place);
        stdout_of(tar);
        assert_eq!(names(&archived), [expected], "{given}");
        fs::remove_dir_all(place.join("new")).unwrap();
        fs::remove_dir_all(archived).unwrap();
    }
}

#[test]
fn either_name_is_read() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    buildkit_layout(place);
    let shown: Value = serde_json::from_str(&strake_ok(place, &["inspect", "--json", "oci:old"])).unwrap();
    assert_eq!(shown["names"], json!(["v1", "docker.io/library/app:v1"]));
    for name in ["", ":v1", ":app:v1", ":docker.io/library/app:v1", ":docker.io/app:v1"] {
        strake_ok(place, &["verify", &format!("oci:old{name}")]);
    }
    strake(place, &["verify", "oci:old:app:v2"])
        .failed(&["holds no image \"app:v2\", but docker.io/library/app:v1"]);
    // In a docker-archive it has the name that Docker takes.
    strake_ok(place, &["copy", "-q", "oci:old", "docker-archive:new.tar"]);
    strake_ok(place, &["verify", "docker-archive:new.tar:app:v1"]);
    // Two with one tag are distinguished by their full names.
    strake_ok(place, &["copy", "-q", "oci:old", "oci:two:a:1"]);
    Image::of_sizes(&[200]).write_layout(&place.join("other"), "b:1");
    strake_ok(place, &["copy", "-q", "oci:other", "oci:two"]);
    let mut index = index(&place.join("two"));
    for entry in index["manifests"].as_array_mut().unwrap() {
        entry["annotations"][REF_NAME] = json!("1");
    }
    fs::write(place.join("two/index.json"), index.to_string()).unwrap();
    strake_ok(place, &["verify", "oci:two:a:1"]);
    strake_ok(place, &["verify", "oci:two:b:1"]);
    let both = "holds several images: docker.io/library/a:1, docker.io/library/b:1";
    strake(place, &["verify", "oci:two:1"]).failed(&[both, "hint:"]);
}

/// The names that Kubernetes' runtime looks up; k3s and kind import with it.
#[test]
#[ignore = "needs root, containerd"]
fn containerd_lists_what_it_imports() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    Image::of_sizes(&[100]).write_layout(&place.join("image"), "x:1");
    let containerd = Containerd::start();
    let [ctr, options @ ..] = containerd.ctr();
    let ctr = |arguments: &[&str]| {
        let mut ctr = command(&ctr, &options);
        ctr.arg("--namespace=k8s.io").args(arguments).current_dir(place);
        text(&stdout_of(ctr))
    };
    let layout = ["copy", "-q", "oci:image", "oci:layout:team/app:v2"];
    for (number, arguments) in [
        &["copy", "-q", "oci:image", "oci-archive:0.tar:app:v1"][..],
        &layout,
        &["copy", "-q", "oci:layout", "oci-archive:2.tar:registry.example.org/app:v3"],
    ]
    .iter()
    .enumerate()
    {
        strake_ok(place, arguments);
        let archive = format!("{number}.tar");
        if *arguments == layout {
            let mut tar = command("tar", ["-C", "layout", "-cf", &archive, "."]);
            tar.current_dir(place);
            stdout_of(tar);
        }
        ctr(&["images", "import", "--no-unpack", &archive]);
    }
    let listed = ctr(&["images", "ls", "-q"]);
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["docker.io/library/app:v1", "docker.io/team/app:v2", "registry.example.org/app:v3"]);
}

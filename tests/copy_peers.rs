use std::fs;
use std::path::Path;

use serde_json::Value;
use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::peer::{Dockerd, require, with_stdin};
use strake_testkit::workspace;

use crate::copy::{identity, images, strake, strake_ok};

/// skopeo copies an image.
fn skopeo(place: &Path, arguments: &[&str]) {
    let mut skopeo = command(require("skopeo"), ["--insecure-policy", "copy", "-q"]);
    skopeo.args(arguments).current_dir(place);
    stdout_of(skopeo);
}

fn media_types(place: &Path, image: &str) -> Vec<String> {
    let manifest: Value = serde_json::from_str(&strake_ok(place, &["inspect", "--raw", image])).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    layers.iter().map(|layer| layer["mediaType"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs skopeo"]
fn skopeo_reads_what_strake_wrote() {
    let (_store, place) = images("plain");
    let place = place.path();
    let expected = identity(place, "oci:layout");
    strake_ok(place, &["copy", "--format", "docker", "oci:layout", "oci:docker"]);
    for (number, source) in [
        "oci:layout:golden:latest",
        "oci:layout",
        "oci-archive:layout.tar",
        "docker-archive:image.tar",
        "oci:docker",
    ]
    .iter()
    .enumerate()
    {
        skopeo(place, &[source, &format!("dir:dir-{number}")]);
        skopeo(place, &[source, &format!("docker-archive:{number}.tar:a:1")]);
        assert_eq!(identity(place, &format!("docker-archive:{number}.tar")), expected, "{source}");
    }
}

#[test]
#[ignore = "needs skopeo"]
fn skopeo_reads_what_strake_compressed() {
    let (_store, place) = images("base");
    let place = place.path();
    let expected = identity(place, "oci:layout");
    for compression in ["gzip", "zstd", "gzip:1", "zstd:19"] {
        let name = compression.replace(':', "-");
        let (layout, archive) = (format!("oci:{name}:a:1"), format!("oci-archive:{name}.tar:a:1"));
        strake_ok(place, &["copy", "--compress", compression, "oci:layout", &layout, &archive]);
        for (number, source) in [&layout, &archive].into_iter().enumerate() {
            let copied = format!("{name}-{number}");
            // Decompressed on the way into a docker-archive, which this skopeo does for gzip only.
            if compression.starts_with("gzip") {
                let docker = format!("docker-archive:{copied}.docker.tar");
                skopeo(place, &[source, &format!("{docker}:a:1")]);
                assert_eq!(identity(place, &docker), expected, "{source}");
            }
            // As they are into another layout.
            skopeo(place, &[source, &format!("oci:{copied}:a:1")]);
            assert_eq!(identity(place, &format!("oci:{copied}")), expected, "{source}");
            assert_eq!(media_types(place, &format!("oci:{copied}")), media_types(place, &layout));
        }
    }
    // Docker's manifest.
    strake_ok(place, &["copy", "--compress", "gzip", "--format", "docker", "oci:layout", "oci:docker"]);
    skopeo(place, &["oci:docker", "docker-archive:docker.tar:a:1"]);
    assert_eq!(identity(place, "docker-archive:docker.tar"), expected);
}

#[test]
#[ignore = "needs skopeo"]
fn strake_reads_what_skopeo_wrote() {
    let (_store, place) = images("base");
    let place = place.path();
    let (_, _, diff_ids) = identity(place, "oci:layout");
    let preserved: &[&str] = &[];
    for (format, media_type, options) in
        [("gzip", "tar+gzip", preserved), ("zstd", "tar+zstd", &["--dest-compress-format", "zstd"])]
    {
        let (layout, archive) = (format!("oci:{format}:a:1"), format!("oci-archive:{format}.tar:a:1"));
        for target in [&layout, &archive] {
            skopeo(place, &[options, &["docker-archive:image.tar", target.as_str()]].concat());
            let (id, config, found) = identity(place, target);
            assert_eq!(found, diff_ids, "{target}");
            let types = media_types(place, target);
            assert!(types.iter().all(|found| found.ends_with(media_type)), "{types:?}");
            // As they are, also with the manifest made anew, and in a docker-archive.
            for copy in ["oci:copy", "oci-archive:copy.tar", "docker-archive:copy.docker.tar"] {
                strake_ok(place, &["copy", target, copy]);
                assert_eq!(
                    identity(place, copy),
                    (id.clone(), config.clone(), diff_ids.clone()),
                    "{target} {copy}"
                );
                fs::remove_dir_all(place.join("copy")).ok();
            }
            strake_ok(place, &["copy", "docker-archive:copy.docker.tar", "oci:anew"]);
            assert_eq!(media_types(place, "oci:anew"), types);
            skopeo(place, &["docker-archive:copy.docker.tar", &format!("dir:dir-{format}")]);
            skopeo(place, &["oci:anew", "oci-archive:again.tar:b:1"]);
            assert_eq!(identity(place, "oci-archive:again.tar").2, diff_ids);
            for gone in ["again.tar", "anew"] {
                let gone = place.join(gone);
                fs::remove_dir_all(&gone).or_else(|_| fs::remove_file(&gone)).unwrap();
            }
        }
    }
    // Several in one layout.
    skopeo(place, &["docker-archive:image.tar", "oci:gzip:b:2"]);
    strake_ok(place, &["verify", "oci:gzip:b:2"]);
    strake_ok(place, &["copy", "oci:zstd:a:1", "oci:gzip"]);
    strake(place, &["verify", "oci:gzip"]).failed(&["holds several images: a:1, b:2", "hint:"]);
    // An image that strake changed is still valid for skopeo.
    skopeo(place, &["oci:gzip:a:1", "dir:dir-a"]);
    skopeo(place, &["oci:gzip:b:2", "oci:layout:golden:latest"]);
    strake_ok(place, &["verify", "oci:layout:golden:latest"]);
}

#[test]
fn layers_compressed_in_other_ways() {
    let (_store, place) = images("plain");
    let place = place.path();
    let expected = identity(place, "oci:layout");
    let list = command("tar", ["-xf", "image.tar", "--one-top-level=content"]);
    let mut unpack = list;
    unpack.current_dir(place);
    stdout_of(unpack);
    let manifest: Value =
        serde_json::from_slice(&fs::read(place.join("content/manifest.json")).unwrap()).unwrap();
    let layers: Vec<&str> =
        manifest[0]["Layers"].as_array().unwrap().iter().map(|layer| layer.as_str().unwrap()).collect();
    let plain: Vec<Vec<u8>> =
        layers.iter().map(|layer| fs::read(place.join("content").join(layer)).unwrap()).collect();
    for (program, media_type) in [("xz", "+xz"), ("bzip2", "+bzip2"), ("gzip", "+gzip"), ("zstd", "+zstd")] {
        for (layer, plain) in layers.iter().zip(&plain) {
            let path = place.join("content").join(layer);
            // It may be read-only.
            fs::remove_file(&path).unwrap();
            fs::write(&path, plain).unwrap();
            let compressed = stdout_of(command(require(program), ["-c".as_ref(), path.as_os_str()]));
            fs::write(&path, compressed).unwrap();
        }
        let mut pack = command("tar", ["-cf", "packed.tar", "-C", "content", "."]);
        pack.current_dir(place);
        stdout_of(pack);
        strake_ok(place, &["copy", "docker-archive:packed.tar", "oci:packed", "docker-archive:copied.tar"]);
        for image in ["docker-archive:packed.tar", "oci:packed", "docker-archive:copied.tar"] {
            assert_eq!(identity(place, image), expected, "{program} {image}");
        }
        let types = media_types(place, "oci:packed");
        assert!(types.iter().all(|found| found.ends_with(media_type)), "{types:?}");
        fs::remove_dir_all(place.join("packed")).unwrap();
        // And the archive as a whole.
        let mut whole = command(require(program), ["-c", "packed.tar"]);
        whole.current_dir(place);
        fs::write(place.join("whole.tar"), stdout_of(whole)).unwrap();
        strake_ok(place, &["copy", "docker-archive:whole.tar", "oci-archive:whole.oci.tar"]);
        assert_eq!(identity(place, "oci-archive:whole.oci.tar"), expected, "{program}");
        let mut whole = command(require(program), ["-c", "whole.oci.tar"]);
        whole.current_dir(place);
        fs::write(place.join("twice.oci.tar"), stdout_of(whole)).unwrap();
        strake_ok(place, &["copy", "oci-archive:twice.oci.tar", "oci:twice"]);
        assert_eq!(identity(place, "oci:twice"), expected, "{program}");
        fs::remove_dir_all(place.join("twice")).unwrap();
    }
}

#[test]
#[ignore = "needs root, umoci"]
fn umoci_unpacks() {
    let place = hello();
    let place = place.path();
    for (number, image) in ["layout:hello:1.0", "other:hello"].into_iter().enumerate() {
        strake_ok(place, &["copy", "oci:layout", "oci:other:hello"]);
        let mut umoci = command(require("umoci"), ["unpack", "--image", image]);
        umoci.arg(format!("bundle-{number}")).current_dir(place);
        stdout_of(umoci);
        assert!(
            place.join(format!("bundle-{number}/rootfs/bin/hello")).symlink_metadata().is_ok(),
            "{image}"
        );
    }
    strake_ok(place, &["copy", "--compress", "gzip", "oci:layout", "oci:gzip:hello"]);
    let mut umoci = command(require("umoci"), ["unpack", "--image", "gzip:hello", "bundle-gzip"]);
    umoci.current_dir(place);
    stdout_of(umoci);
    assert!(place.join("bundle-gzip/rootfs/bin/hello").symlink_metadata().is_ok());
    // Changes by umoci.
    let mut umoci = command(require("umoci"), ["config", "--image", "layout:hello:1.0", "--tag", "changed"]);
    umoci.args(["--config.env", "A=b", "--history.created", "2020-01-01T00:00:00Z"]).current_dir(place);
    stdout_of(umoci);
    assert!(identity(place, "oci:layout:changed").1.contains("\"A=b\""));
}

/// The example as `image.tar`, `layout` and `layout.tar`.
fn hello() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let example = workspace().join("examples/hello");
    let conf = example.join("conf.json");
    let source = ["copy", "--store-root", example.to_str().unwrap(), conf.to_str().unwrap()];
    let targets = ["docker-archive:image.tar", "oci:layout", "oci-archive:layout.tar"];
    strake_ok(place.path(), &[&source[..], &targets].concat());
    place
}

#[test]
#[ignore = "needs root, podman"]
fn podman_loads_an_oci_archive() {
    let place = hello();
    let place = place.path();
    let podman = |arguments: &[&str]| {
        let mut podman = command(require("podman"), ["--storage-driver=vfs", "--root"]);
        podman
            .arg(place.join("root"))
            .arg("--runroot")
            .arg(place.join("run"))
            .args(arguments)
            .current_dir(place);
        text(&stdout_of(podman))
    };
    let said = podman(&["load", "-q", "-i", "layout.tar"]);
    assert!(said.contains("hello:1.0"), "{said}");
    let id = podman(&["image", "inspect", "--format", "{{.Id}}", "hello:1.0"]);
    let expected = identity(place, "oci:layout");
    assert_eq!(format!("sha256:{}", id.trim()), expected.0);
    for compression in ["gzip", "zstd"] {
        let target = format!("oci-archive:{compression}.tar:localhost/{compression}:1");
        strake_ok(place, &["copy", "--compress", compression, "oci:layout", &target]);
        podman(&["load", "-q", "-i", &format!("{compression}.tar")]);
        let name = format!("localhost/{compression}:1");
        let id = podman(&["image", "inspect", "--format", "{{.Id}}", &name]);
        assert_eq!(format!("sha256:{}", id.trim()), expected.0);
        // It was decompressed to what it was.
        podman(&["save", "-q", "--format", "oci-archive", "-o", "compressed", &name]);
        assert_eq!(identity(place, "oci-archive:compressed").2, expected.2, "{compression}");
        fs::remove_file(place.join("compressed")).unwrap();
        podman(&["rmi", "-f", &name]);
    }
    podman(&["load", "-q", "-i", "layout.tar"]);
    for (format, target) in
        [("docker-archive", "docker-archive:saved"), ("oci-archive", "oci-archive:saved.oci")]
    {
        let file = target.split_once(':').unwrap().1;
        podman(&["save", "-q", "--format", format, "-o", file, "hello:1.0"]);
        assert_eq!(identity(place, target).2, expected.2, "{format}");
        strake_ok(place, &["copy", target, "oci:saved.layout"]);
        assert_eq!(identity(place, "oci:saved.layout").2, expected.2, "{format}");
        fs::remove_dir_all(place.join("saved.layout")).unwrap();
    }
}

#[test]
#[ignore = "needs root, dockerd, skopeo"]
fn docker_loads_and_saves() {
    let place = hello();
    let place = place.path();
    let docker = Dockerd::start();
    let expected = identity(place, "oci:layout");
    // From a layout, under another name, with its layers compressed.
    skopeo(place, &["oci:layout:hello:1.0", "oci:compressed:hello:1.0"]);
    for (source, name) in [("oci:layout", "plain:1"), ("oci:compressed", "compressed:1")] {
        strake_ok(place, &["copy", source, &format!("docker-archive:new.tar:{name}")]);
        let said = text(&with_stdin(docker.docker(["load"]), &place.join("new.tar")));
        assert_eq!(said, format!("Loaded image: {name}\n"));
        let said = text(&stdout_of(docker.docker(["run", "--rm", "--network=none", name])));
        assert_eq!(said, "Hello from an image that strake made.\n");
    }
    let id = text(&stdout_of(docker.docker(["image", "inspect", "--format", "{{.Id}}", "plain:1"])));
    assert_eq!(id.trim(), expected.0);
    fs::write(place.join("saved.tar"), stdout_of(docker.docker(["save", "plain:1", "compressed:1"])))
        .unwrap();
    assert_eq!(identity(place, "docker-archive:saved.tar:plain:1"), expected);
    strake_ok(place, &["copy", "docker-archive:saved.tar:plain:1", "oci:saved", "docker-archive:twice.tar"]);
    assert_eq!(identity(place, "oci:saved"), expected);
    assert_eq!(identity(place, "docker-archive:twice.tar"), expected);
}

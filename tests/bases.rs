use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::layer::python;
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::copy::{images, strake, strake_ok};
use crate::copy_hostile::{LAYER, Layout, REFUSED};
use crate::strake::stream;

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A conf with this base image, and the golden store's time.
fn conf_on(store: &TestStore, base: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mtime = json_file(&store.conf("plain"))["mtime"].clone();
    store.write_conf("on", &[], |conf| {
        conf["from_image"] = base.into();
        conf["mtime"] = mtime;
        change(conf);
    })
}

/// The config of the image in a docker-archive, which must be what it says that it is.
fn config(archive: &[u8]) -> Value {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("image.tar"), archive).unwrap();
    strake_ok(place.path(), &["verify", "docker-archive:image.tar"]);
    let text = strake_ok(place.path(), &["inspect", "--config", "docker-archive:image.tar"]);
    serde_json::from_str(&text).unwrap()
}

fn compress(program: &str, path: &Path) -> Vec<u8> {
    stdout_of(command(require(program), ["-c".as_ref(), path.as_os_str()]))
}

/// An image on one that has the same layers: the script writes these twice under one name, which does no harm.
#[test]
fn layers_that_the_base_has_too_are_written_as_the_script_does() {
    let (store, place) = images("plain");
    let plain = json_file(&store.conf("plain"));
    let base = "/nix/store/33333333333333333333333333333333-base.tar";
    fs::rename(place.path().join("image.tar"), store.real(base)).unwrap();
    let conf = conf_on(&store, base, |conf| {
        conf["store_layers"] = plain["store_layers"].clone();
        conf["customisation_layer"] = plain["customisation_layer"].clone();
    });
    let archive = stream(&store, &conf).archive();
    assert!(archive == store.oracle(&conf));
    config(&archive);
}

#[test]
fn the_same_image_on_a_base_in_any_form() {
    let (store, place) = images("plain");
    let at = |name: &str| place.path().join(name).display().to_string();
    fs::write(at("image.tar.gz"), compress("gzip", at("image.tar").as_ref())).unwrap();
    // In the store at another root, and behind a link there.
    let stored = "/nix/store/11111111111111111111111111111111-layout";
    let link = "/nix/store/22222222222222222222222222222222-link";
    fs::rename(at("layout"), store.real(stored)).unwrap();
    symlink(stored, store.real(link)).unwrap();
    for inherit in ["env", "all"] {
        let image = |base: &str| {
            let conf = conf_on(&store, base, |conf| conf["inherit"] = inherit.into());
            stream(&store, &conf).archive()
        };
        let expected = image(&at("image.tar"));
        let expected_config = config(&expected);
        assert!(expected_config["rootfs"]["diff_ids"].as_array().unwrap().len() > 2);
        // In a docker-archive a base's layers have owners and modes, which stay.
        let on_layout = image(&format!("oci:{stored}"));
        assert_eq!(config(&on_layout), expected_config);
        for base in [
            at("image.tar.gz"),
            format!("docker-archive:{}", at("image.tar")),
            format!("docker-archive:{}:golden:latest", at("image.tar")),
            format!("docker-archive:{}:@0", at("image.tar")),
            format!("oci:{stored}"),
            format!("oci:{link}:golden:latest"),
            format!("oci-archive:{}", at("layout.tar")),
            format!("oci-archive:{}:golden:latest", at("layout.tar")),
        ] {
            let expected = if base.contains("oci") { &on_layout } else { &expected };
            assert!(image(&base) == *expected, "{inherit} {base}");
        }
    }
    for (base, words) in [
        (format!("oci:{stored}:other"), "holds no image \"other\", but golden:latest"),
        (format!("docker-archive:{}:@1", at("image.tar")), "holds no image \"@1\""),
        (format!("docker-archive:{}:@x", at("image.tar")), "\"@x\" is not a place in the archive"),
        (format!("oci:{}", at("gone")), "cannot be read"),
        (format!("oci:{}", at("image.tar")), "oci:"),
        (format!("oci-archive:{}", at("image.tar")), "has no member \"oci-layout\""),
        ("oci:".to_owned(), "is not complete"),
    ] {
        stream(&store, &conf_on(&store, &base, |_| {})).run().failed(&[words]);
    }
}

#[test]
fn a_base_for_several_platforms() {
    let store = TestStore::golden(1);
    let place = tempfile::tempdir().unwrap();
    let layout = format!("oci:{}", place.path().join("layout").display());
    let root = store.root().to_str().unwrap();
    for arch in ["amd64", "arm64"] {
        let conf = store.write_conf("base", &[], |conf| {
            conf["architecture"] = arch.into();
            conf["config"]["Env"] = json!([format!("FROM={arch}")]);
            conf["repo_tag"] = format!("base:{arch}").into();
        });
        strake_ok(place.path(), &["copy", "--store-root", root, conf.to_str().unwrap(), &layout]);
    }
    let path = place.path().join("layout/index.json");
    let index = json_file(&path);
    let stream_for = |base: &str, arch: &str| {
        let conf = conf_on(&store, base, |conf| conf["architecture"] = arch.into());
        stream(&store, &conf).run()
    };
    let env = |archive: &[u8]| config(archive)["config"]["Env"].clone();
    // By a name only one is meant, whatever it is for.
    for (arch, warned) in [("amd64", false), ("arm64", true)] {
        let ran = stream_for(&format!("{layout}:base:amd64"), arch);
        assert_eq!(env(&ran.stdout), json!(["FROM=amd64"]), "{}", ran.stderr);
        let warning = "strake: warning: the base image is for linux/amd64, and the image for linux/arm64";
        assert_eq!(ran.stderr.contains(warning), warned, "{}", ran.stderr);
    }
    let mut listed = index.clone();
    for (entry, arch) in listed["manifests"].as_array_mut().unwrap().iter_mut().zip(["amd64", "arm64"]) {
        entry["platform"] = json!({ "os": "linux", "architecture": arch });
        entry.as_object_mut().unwrap().remove("annotations");
    }
    fs::write(&path, listed.to_string()).unwrap();
    for arch in ["amd64", "arm64"] {
        let ran = stream_for(&layout, arch);
        assert_eq!(env(&ran.stdout), json!([format!("FROM={arch}")]), "{}", ran.stderr);
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    }
    stream_for(&layout, "riscv64").failed(&["no image for linux/riscv64", "linux/amd64, linux/arm64"]);
}

#[test]
fn all_of_a_config_goes_on() {
    let store = TestStore::golden(1);
    let entry =
        |text: &str| json!({ "created": "2020-01-01T00:00:00Z", "created_by": text, "unknown": text });
    let empty = json!({ "created_by": "ENV", "empty_layer": true });
    let image = |layout: &Layout, inherit: &str| {
        let base = format!("oci:{}", layout.place().join("layout").display());
        let layers = json!([[json_file(&store.conf("plain"))["store_layers"][0][0]]]);
        let conf = conf_on(&store, &base, |conf| {
            conf["inherit"] = inherit.into();
            conf["store_layers"] = layers;
            conf["config"] = json!({ "Cmd": ["x"] });
        });
        config(&stream(&store, &conf).archive())
    };
    let mut layout = Layout::new();
    let unknown = json!({ "kept": [1.5, 12_345_678_901_234_567_890_u64, null] });
    for (key, value) in [
        ("author", json!("somebody")),
        ("variant", json!("v8")),
        ("os.version", json!("1.2")),
        ("created", json!("2001-02-03T00:00:00Z")),
        ("config", json!({ "Unknown": unknown, "User": "7" })),
        ("unknown", unknown.clone()),
    ] {
        layout.config[key] = value;
    }
    layout.config["rootfs"]["unknown"] = unknown.clone();
    // However the history is, it speaks of as many layers as there are in the end.
    for (history, kept) in [
        (json!([empty, entry("a"), empty]), 3),
        (json!([entry("a"), { "unknown": "only" , "empty_layer": true }]), 2),
        (json!([]), 0),
        (json!([entry("a"), entry("b")]), 0),
        (json!([empty]), 0),
        (json!(null), 0),
    ] {
        layout.config["history"] = history.clone();
        layout = layout.with_config();
        let found = image(&layout, "all");
        let entries = found["history"].as_array().unwrap();
        let of_layers = entries.iter().filter(|entry| entry["empty_layer"] != json!(true)).count();
        assert_eq!(of_layers, found["rootfs"]["diff_ids"].as_array().unwrap().len(), "{history}");
        assert_eq!(entries[..kept], history.as_array().cloned().unwrap_or_default()[..kept]);
        assert!(entries[kept..].iter().all(|entry| entry["created"] == "1970-01-01T00:00:01+00:00"));
    }
    let found = image(&layout, "all");
    for (key, value) in [
        ("author", json!("somebody")),
        ("variant", json!("v8")),
        ("os.version", json!("1.2")),
        ("created", json!("1970-01-01T00:00:01+00:00")),
        ("config", json!({ "Unknown": unknown, "User": "7", "Cmd": ["x"] })),
        ("unknown", unknown.clone()),
    ] {
        assert_eq!(found[key], value, "{key}");
    }
    assert_eq!(found["rootfs"]["unknown"], unknown);
    // As dockerTools has it, there is nothing of that.
    let found = image(&layout, "env");
    assert_eq!(found["config"], json!({ "Cmd": ["x"] }));
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["created", "architecture", "os", "config", "rootfs", "history"]);
}

/// Prints the names in each layer of an image's archive, a list for each.
const NAMES: &str = r"
import io, json, sys, tarfile
with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())) as archive:
    layers = json.load(archive.extractfile('manifest.json'))[0]['Layers']
    layers = [tarfile.open(fileobj=archive.extractfile(layer)) for layer in layers]
    print(json.dumps([[repr(member.name) for member in layer] for layer in layers]))
";

/// The names of the store paths in each layer of an image.
fn paths(archive: &[u8]) -> Vec<Vec<String>> {
    let count = config(archive)["rootfs"]["diff_ids"].as_array().unwrap().len();
    let layers: Vec<Vec<String>> = serde_json::from_slice(&python(NAMES, &[], archive)).unwrap();
    assert_eq!(layers.len(), count);
    let name = |line: &String| {
        let (_, rest) = line.split_once("nix/store/")?;
        let name: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "+-._?=".contains(*c)).collect();
        (!name.is_empty()).then_some(name)
    };
    let of_layer = |layer: &Vec<String>| {
        let mut names: Vec<String> = layer.iter().filter_map(name).collect();
        names.sort();
        names.dedup();
        names
    };
    layers.iter().map(of_layer).collect()
}

#[test]
fn paths_of_the_base_are_left_out() {
    left_out_of(false);
}

/// Of layers that are compressed, in a layout and in archives that are compressed as well.
#[test]
#[ignore = "needs skopeo"]
fn paths_of_a_base_by_skopeo_are_left_out() {
    left_out_of(true);
}

fn left_out_of(by_skopeo: bool) {
    let store = TestStore::golden(1);
    let layers = json_file(&store.conf("plain"))["store_layers"].clone();
    let all: Vec<Value> =
        layers.as_array().unwrap().iter().flat_map(|layer| layer.as_array().unwrap()).cloned().collect();
    let (below, above) = all.split_at(all.len() / 2);
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).display().to_string();
    // The base has half of them in one layer.
    let base = store.write_conf("base", &[], |conf| conf["store_layers"] = json!([below]));
    let root = store.root().to_str().unwrap();
    let targets = ["docker-archive:base.tar", "oci:base", "oci-archive:base.oci.tar"];
    strake_ok(
        place.path(),
        &[&["copy", "--store-root", root, base.to_str().unwrap()], &targets[..]].concat(),
    );
    for (program, end) in [("gzip", "gz"), ("zstd", "zst")] {
        fs::write(at(&format!("base.tar.{end}")), compress(program, at("base.tar").as_ref())).unwrap();
    }
    let mut bases = vec![at("base.tar"), at("base.tar.gz"), at("base.tar.zst")];
    bases.extend([format!("oci:{}", at("base")), format!("oci-archive:{}", at("base.oci.tar"))]);
    if by_skopeo {
        for target in ["oci:gzip:a", "oci-archive:gzip.tar:a"] {
            let mut skopeo = command(require("skopeo"), ["--insecure-policy", "copy", "-q"]);
            stdout_of({
                skopeo.args(["docker-archive:base.tar", target]).current_dir(place.path());
                skopeo
            });
        }
        fs::write(at("gzip.tar.xz"), compress("xz", at("gzip.tar").as_ref())).unwrap();
        bases.extend([format!("oci:{}", at("gzip")), format!("oci-archive:{}", at("gzip.tar"))]);
        bases.push(format!("oci-archive:{}", at("gzip.tar.xz")));
    }
    // Store paths of the base may be absent from the store.
    let gone = below[0].as_str().unwrap();
    fs::rename(store.real(gone), store.root().join("gone")).unwrap();
    let names = |paths: &[Value]| {
        let mut names: Vec<String> =
            paths.iter().map(|path| path.as_str().unwrap()[11..].to_owned()).collect();
        names.sort();
        names
    };
    let image = |base: &str, groups: &[&[Value]], skip: bool| {
        let conf = conf_on(&store, base, |conf| {
            conf["store_layers"] = json!(groups);
            conf["skip_base_paths"] = skip.into();
        });
        stream(&store, &conf)
    };
    // The customisation layer is the last.
    for base in &bases {
        let groups = [&below[..1], &[&below[1..2], above].concat(), &below[2..]];
        let found = paths(&image(base, &groups, true).archive());
        assert_eq!(found, [names(below), vec![], names(above), vec![]], "{base}");
    }
    let found = paths(&image(&bases[0], &[below], true).archive());
    assert_eq!(found, [names(below), vec![], vec![]]);
    let found = paths(&image(&bases[0], &[&below[1..]], false).archive());
    assert_eq!(found, [names(below), vec![], names(&below[1..]), vec![]]);
    image(&bases[0], &[below], false).run().failed(&[gone]);
}

#[test]
fn a_plan_knows_what_the_base_holds() {
    let store = TestStore::golden(1);
    let all: Vec<String> = serde_json::from_value(json_file(&store.conf("plain"))["store_layers"].clone())
        .map(|layers: Vec<Vec<String>>| layers.concat())
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let graph: Value = all
        .iter()
        .map(|path| json!({ "path": path, "references": [], "narSize": 100, "narHash": format!("sha256:{}", "0".repeat(64)) }))
        .collect();
    fs::write(place.path().join("graph.json"), graph.to_string()).unwrap();
    let root = store.root().to_str().unwrap();
    for (name, layers) in [("all", vec![all[..3].to_vec()]), ("less", vec![all[..2].to_vec()])] {
        let conf = store.write_conf("base", &layers, |_| {});
        strake_ok(
            place.path(),
            &["copy", "--store-root", root, conf.to_str().unwrap(), &format!("oci:{name}")],
        );
    }
    let plan = |arguments: &[&str]| -> Value {
        let plan =
            ["plan", "--graph", "graph.json", "--name", "x", "--strategy", "each", "--from", "oci:all"];
        serde_json::from_str(&strake_ok(place.path(), &[&plan[..], arguments].concat())).unwrap()
    };
    let excluded = ["--skip-base-paths", "--exclude", &all[0]];
    let planned = plan(&excluded);
    let sorted = |paths: &[String]| {
        let mut paths = paths.to_vec();
        paths.sort();
        paths
    };
    assert_eq!(planned["store_layers"][0], json!(sorted(&all[1..3])));
    assert_eq!(planned["store_layers"].as_array().unwrap().len(), 1 + all.len() - 3);
    assert_eq!(planned["from_image"], format!("oci:{}", place.path().join("all").display()));
    assert_eq!((&planned["skip_base_paths"], planned.get("inherit")), (&json!(true), None));
    let without = plan(&[]);
    assert_eq!(without.get("skip_base_paths"), None);
    assert_eq!(without["store_layers"].as_array().unwrap().len(), all.len());
    assert_eq!(plan(&["--inherit", "all"])["inherit"], "all");

    // Should the base be another by then, nothing is missing.
    let path = place.path().join("plan.json");
    let image = |plan: &Value| {
        fs::write(&path, plan.to_string()).unwrap();
        paths(&stream(&store, &path).archive())
            .into_iter()
            .filter(|paths| !paths.is_empty())
            .collect::<Vec<_>>()
    };
    let planned = plan(&["--skip-base-paths"]);
    assert_eq!(image(&planned).concat().len(), all.len());
    assert_eq!(image(&planned).len(), 1 + all.len() - 3);
    let mut other = planned.clone();
    other["from_image"] = format!("oci:{}", place.path().join("less").display()).into();
    assert_eq!(image(&other).concat().len(), all.len());
    assert_eq!(image(&other)[1], [all[2][11..].to_owned()]);
}

/// Any layout that no command takes is not taken as a base either, nor one of which the layer is no archive.
/// A copy passes the container's configuration on as it is. A base image's is read.
#[test]
fn container_configs_that_programs_read_differently() {
    let store = TestStore::golden(1);
    for (words, config) in [
        ("which some programs take for \"Env\"", json!({ "env": ["A=b"] })),
        ("config.Entrypoint is not a list", json!({ "Entrypoint": "/bin/sh" })),
        ("config.Healthcheck has the key \"test\"", json!({ "Healthcheck": { "test": ["CMD"] } })),
    ] {
        let mut layout = Layout::new();
        layout.config["config"] = config;
        let layout = layout.with_config();
        let base = format!("oci:{}", layout.place().join("layout").display());
        for inherit in ["env", "all"] {
            let conf = conf_on(&store, &base, |conf| conf["inherit"] = inherit.into());
            stream(&store, &conf).run().failed(&["the base image", words]);
        }
        strake_ok(layout.place(), &["copy", "oci:layout", "oci:new"]);
        let raw = |image| strake_ok(layout.place(), &["inspect", "--config", "--raw", image]);
        assert_eq!(raw("oci:new"), raw("oci:layout"));
        let verified = strake(layout.place(), &["verify", "oci:layout"]);
        verified.failed(&["oci:layout has"]);
        assert!(text(&verified.stdout).contains(words), "{}", text(&verified.stdout));
    }
}

#[test]
fn broken_and_hostile_layouts() {
    let store = TestStore::golden(1);
    let run = |layout: &Layout, skip: bool| {
        let base = format!("oci:{}", layout.place().join("layout").display());
        let layers = json_file(&store.conf("plain"))["store_layers"].clone();
        let conf = conf_on(&store, &base, |conf| {
            conf["inherit"] = "all".into();
            conf["skip_base_paths"] = skip.into();
            conf["store_layers"] = layers;
        });
        stream(&store, &conf).run()
    };
    for (words, change) in REFUSED {
        run(&change(Layout::new()), true).failed(&["the base image oci:", words]);
    }
    assert_eq!(run(&Layout::new(), false).code, Some(0));
    let layout = Layout::new().with_layer(LAYER, b"no archive");
    run(&layout, true).failed(&["cannot read", layout.place().to_str().unwrap()]);
}

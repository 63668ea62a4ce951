use std::fs;
use std::path::Path;

use serde_json::Value;
use strake_testkit::command::{command, output_of, text};
use strake_testkit::peer::require;

use crate::copy::{images, strake_ok};

/// The errors of the specification's schemas for a layout: none, if it is right.
fn objections(layout: &Path) -> String {
    let output = output_of(&mut command(require("oci-schema"), [layout]));
    assert_eq!(output.status.success(), output.stderr.is_empty(), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
#[ignore = "needs oci-schema"]
fn the_schemas_of_the_image_specification() {
    let (store, directory) = images("plain");
    let place = directory.path();
    let (root, plain) = (store.root().to_str().unwrap(), store.conf("plain"));
    let arm = store.write_conf("arm64", &[], |conf| {
        conf["architecture"] = "arm64".into();
        conf.as_object_mut().unwrap().remove("customisation_layer");
        conf["history"] = serde_json::json!([{ "created_by": "somebody", "empty_layer": true }]);
        conf["customisation"] = serde_json::json!({ "entries": [{ "path": "/data", "directory": true }] });
    });
    let (plain, arm) = (plain.to_str().unwrap(), arm.to_str().unwrap());
    let from_store = ["--store-root", root];
    let layouts: [&[&str]; 6] = [
        &["oci:layout"],
        &["--compress", "gzip", "docker-archive:image.tar"],
        &["--compress", "zstd", "--annotation", "org.opencontainers.image.licenses=MIT", "oci:layout"],
        &[&from_store[..], &[plain]].concat(),
        &[&from_store[..], &[arm]].concat(),
        &[&from_store[..], &["--compress", "zstd", "--index", plain, arm]].concat(),
    ];
    for (number, arguments) in layouts.iter().enumerate() {
        let copied = format!("oci:{number}:name:1");
        strake_ok(place, &[&["copy", "-q"], *arguments, &[&copied]].concat());
        assert_eq!(objections(&place.join(number.to_string())), "", "{arguments:?}");
    }
    // They do look.
    let index = place.join("0/index.json");
    let mut wrong: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    wrong["manifests"][0]["size"] = "12".into();
    fs::write(&index, wrong.to_string()).unwrap();
    assert!(objections(&place.join("0")).contains("index.json"));
}

use serde_json::Value;
use strake_testkit::registry::{Personality, Registry};

use crate::copy::strake_ok;
use crate::platforms::Several;
use crate::registry::{User, copy, events, store};

const SIZES: [usize; 3] = [3000, 400_000, 3_000_000];

fn name(registry: &Registry, tag: &str) -> String {
    format!("docker://{}/app:{tag}", registry.address())
}

/// Has the tag list other bytes for the second layer than its config says, as only somebody who means harm would.
fn lie(registry: &Registry, tag: &str, with: &[u8]) {
    let (media_type, text) = registry.manifest("app", tag).unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    manifest["layers"][1]["digest"] = registry.put_blob("app", with).into();
    manifest["layers"][1]["size"] = with.len().into();
    registry.put_manifest("app", tag, &media_type, manifest.to_string().as_bytes());
}

#[test]
fn a_tag_that_lies_is_found_out_with_verify() {
    let store = store(&SIZES);
    let registry = Registry::start(Personality::default());
    let honest = User::new();
    honest.ok(&copy(&store, &["--compress=gzip", &name(&registry, "1")]));
    // gzip of nothing, as gzip writes it.
    lie(&registry, "1", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    honest.run(&["verify", &name(&registry, "1")]).failed(&["problem"]);

    let user = User::new();
    let arguments = ["--verify", "--compress=gzip", "--previous=1", &name(&registry, "2")];
    user.ok(&copy(&store, &arguments));
    user.ok(&["verify", &name(&registry, "2")]);
    // Nothing of the wrong answer is cached, and a client that trusts a tag caches nothing of it.
    User::new().ok(&copy(&store, &["--compress=gzip", "--previous=1", &name(&registry, "3")]));
    user.ok(&copy(&store, &["--compress=gzip", &name(&registry, "4")]));
    user.ok(&["verify", &name(&registry, "4")]);
}

#[test]
fn a_tag_of_which_a_layer_is_gone_is_repaired() {
    let store = store(&SIZES);
    let registry = Registry::start(Personality::default());
    User::new().ok(&copy(&store, &["--compress=gzip", &name(&registry, "1")]));
    let manifest: Value = serde_json::from_slice(&registry.manifest("app", "1").unwrap().1).unwrap();
    registry.remove_blob("app", manifest["layers"][2]["digest"].as_str().unwrap());
    registry.complete("app", "1").unwrap_err();
    // Its manifest is there, but is not requested where another could be made: this machine has no cache.
    User::new().ok(&copy(&store, &["--no-cache", "--compress=gzip", &name(&registry, "2")]));
    User::new().ok(&copy(&store, &["--no-cache", "--compress=gzip", "--previous=1", &name(&registry, "3")]));
    for tag in ["1", "2", "3"] {
        registry.complete("app", tag).unwrap();
    }
}

#[test]
fn chunks_for_two_do_not_wait_for_one_another() {
    let store = store(&SIZES);
    let registry = Registry::start(Personality { chunk_min_length: Some(65_536), ..Personality::default() });
    let user = User::new();
    let two = [
        &*format!("docker://{}/one:1", registry.address()),
        &format!("docker://{}/two:1", registry.address()),
    ];
    user.ok(&copy(&store, &["--compress=zstd", "--chunk-size=1", two[0], two[1]]));
    for repository in ["one", "two"] {
        registry.complete(repository, "1").unwrap();
    }
    // Where each chunk must be larger than memory is to be, it is said.
    let registry = Registry::start(Personality { chunk_min_length: Some(1 << 40), ..Personality::default() });
    let ran = user.run(&copy(&store, &["--compress=gzip", &name(&registry, "1")]));
    ran.failed(&["chunks that are too large to be put together in memory"]);
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    let (user, store) = (User::new(), store(&SIZES));
    let registry = Registry::start(Personality::default());
    let digest = |digit: &str| format!("docker://{}/app@sha256:{}", registry.address(), digit.repeat(64));
    user.run(&copy(&store, &[&digest("0"), &digest("1")])).failed(&["an image cannot be both"]);
    user.run(&copy(&store, &[&digest("0")])).failed(&["the image's manifest is"]);
    for arguments in [&["--previous=a/b"][..], &["--dry-run", "--digest-file=digest"]] {
        let ran = user.run(&copy(&store, &[arguments, &[&*name(&registry, "1")]].concat()));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    }
    assert!(registry.tags("app").is_empty());
    let ran = user.ok(&copy(&store, &["--json", &name(&registry, "1")]));
    assert_eq!(events(&ran, "done").len(), 1);
}

#[test]
fn what_goes_along_with_an_index_is_sent_whatever_else_is_there() {
    let several = Several::new();
    let registry = Registry::start(Personality::default());
    strake_ok(several.place(), &["copy", "oci:several", &name(&registry, "1")]);
    // A build's attestation and its list stay.
    let index: Value = serde_json::from_str(&several.index).unwrap();
    let attestation = index["manifests"][2]["digest"].as_str().unwrap();
    let attestation: Value =
        serde_json::from_slice(&registry.manifest("app", attestation).unwrap().1).unwrap();
    registry.remove_blob("app", attestation["layers"][0]["digest"].as_str().unwrap());
    registry.complete("app", "1").unwrap_err();
    strake_ok(several.place(), &["copy", "oci:several", &name(&registry, "2")]);
    registry.complete("app", "2").unwrap();
}

/// Where strake has computed a layer's diff id itself, a tag that says another is not believed.
#[test]
fn a_tag_that_lies_about_a_known_layer_is_not_believed() {
    let store = store(&SIZES);
    let registry = Registry::start(Personality::default());
    User::new().ok(&copy(&store, &["--compress=gzip", &name(&registry, "1")]));
    lie(&registry, "1", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let user = User::new();
    user.run(&["copy", &name(&registry, "1"), "oci:lie"]).failed(&["has the diff id"]);
    user.ok(&copy(&store, &["--compress=gzip", "--previous=1", &name(&registry, "2")]));
    user.ok(&["verify", &name(&registry, "2")]);
}

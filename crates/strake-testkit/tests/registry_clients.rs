//! Other people's clients push to the scripted registry and pull from it: it behaves as a registry does.

use std::path::Path;

use strake_testkit::command::{command, stdout_of};
use strake_testkit::image::{Image, MANIFEST};
use strake_testkit::peer::{left_out, require};
use strake_testkit::registry::{Blobs, Locations, Personality, Registry};

const SIZES: [usize; 3] = [1000, 300_000, 5_000_000];

fn skopeo(place: &Path, arguments: &[&str]) {
    let mut skopeo = command(require("skopeo"), ["--insecure-policy", "copy", "-q", "--preserve-digests"]);
    skopeo.args(arguments).current_dir(place);
    stdout_of(skopeo);
}

/// Pushes with skopeo, looks, and pulls again.
fn there_and_back(registry: &Registry, options: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let image = Image::of_sizes(&SIZES);
    image.write_layout(&place.join("image"), "it");
    let remote = format!("docker://{}/some/app:1", registry.address());
    let with = |prefix: &str| options.iter().map(|option| format!("--{prefix}-{option}")).collect::<Vec<_>>();
    let (to, from) = (with("dest"), with("src"));
    let (to, from): (Vec<&str>, Vec<&str>) =
        (to.iter().map(String::as_str).collect(), from.iter().map(String::as_str).collect());
    skopeo(place, &[&to[..], &["oci:image:it", &remote]].concat());
    assert_eq!(registry.complete("some/app", "1"), Ok(()));
    assert_eq!(registry.manifest("some/app", "1"), Some((MANIFEST.to_owned(), image.manifest.clone())));
    assert_eq!(registry.blobs("some/app").len(), SIZES.len() + 1);
    assert_eq!(registry.open_uploads(), 0);
    skopeo(place, &[&from[..], &[&remote, "oci:back:it"]].concat());
    for blob in image.blobs.iter().chain([&image.manifest]) {
        let digest = strake_testkit::registry::digest(blob);
        assert_eq!(std::fs::read(place.join("back/blobs/sha256").join(&digest[7..])).unwrap(), *blob);
    }
}

#[test]
fn skopeo_over_plain_http() {
    if left_out(&["skopeo"]) {
        return;
    }
    for personality in [
        Personality::default(),
        Personality { locations: Locations::Relative, ..Personality::default() },
        Personality { locations: Locations::OtherHost, blobs: Blobs::Redirected, ..Personality::default() },
    ] {
        there_and_back(&Registry::start(personality), &["tls-verify=false"]);
    }
}

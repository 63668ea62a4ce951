use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;
use strake_testkit::image::{INDEX, Image, MANIFEST, descriptor};
use strake_testkit::registry::{Blobs, DigestHeader, Personality, Port, Referrers, Registry, digest};

use crate::client::{ask, ask_at, get, put_manifest};

fn default() -> Registry {
    Registry::start(Personality::default())
}

#[test]
fn blobs_and_their_parts() {
    let registry = default();
    let blob = registry.put_blob("a", b"0123456789");
    let path = format!("/v2/a/blobs/{blob}");
    for (range, status, body, content_range) in [
        ("", 200, &b"0123456789"[..], None),
        ("Range: bytes=3-\r\n", 206, b"3456789", Some("bytes 3-9/10")),
        ("Range: bytes=3-4\r\n", 206, b"34", Some("bytes 3-4/10")),
        ("Range: bytes=-2\r\n", 206, b"89", Some("bytes 8-9/10")),
        ("Range: bytes=10-\r\n", 416, b"", Some("bytes */10")),
    ] {
        let answer = ask(&registry, &format!("GET {path}"), range, b"");
        assert_eq!((answer.status, &*answer.body), (Some(status), body), "{range}");
        assert_eq!(answer.header("content-range"), content_range);
    }
    let head = ask(&registry, &format!("HEAD {path}"), "", b"");
    assert_eq!((head.status, head.header("content-length"), &*head.body), (Some(200), Some("10"), &b""[..]));
    assert_eq!(head.header("docker-content-digest"), Some(&*blob));
    assert_eq!(get(&registry, &path.replace("/a/", "/b/")).code(), "BLOB_UNKNOWN");
    assert_eq!(ask(&registry, &format!("DELETE {path}"), "", b"").status, Some(202));
    assert_eq!(get(&registry, &path).code(), "BLOB_UNKNOWN");
    let sent: Vec<u64> = registry.requests().iter().map(|request| request.sent).collect();
    assert_eq!(sent[..6], [10, 7, 2, 2, 0, 0]);
}

#[test]
fn blobs_by_personality() {
    let registry = default();
    let blob = registry.put_blob("a", b"0123456789");
    let path = format!("/v2/a/blobs/{blob}");
    registry.set_personality(Personality { blobs: Blobs::Redirected, ..Personality::default() });
    let redirect = get(&registry, &path);
    assert_eq!(redirect.status, Some(307));
    assert!(redirect.header("location").unwrap().contains(&registry.address_of(Port::Storage)));
    let there = format!("GET {}", redirect.location());
    assert_eq!(ask_at(&registry, Port::Storage, &there, "", b"").body, b"0123456789");
    assert_eq!(ask_at(&registry, Port::Storage, &format!("GET {path}"), "", b"").status, Some(403));

    let absent = digest(b"not there");
    registry
        .set_personality(Personality { lying_heads: vec![(absent.clone(), 9)], ..Personality::default() });
    let head = ask(&registry, &format!("HEAD /v2/a/blobs/{absent}"), "", b"");
    assert_eq!((head.status, head.header("content-length")), (Some(200), Some("9")));
    assert_eq!(get(&registry, &format!("/v2/a/blobs/{absent}")).status, Some(404));

    for (digest_header, expected) in [
        (DigestHeader::Right, Some(blob.clone())),
        (DigestHeader::Wrong, Some(digest(b"something else"))),
        (DigestHeader::Missing, None),
    ] {
        registry.set_personality(Personality { digest_header, ..Personality::default() });
        assert_eq!(get(&registry, &path).header("docker-content-digest"), expected.as_deref());
    }
}

#[test]
fn credentials_on_the_other_host_fail_the_test() {
    let registry = Registry::start(Personality { blobs: Blobs::Redirected, ..Personality::default() });
    let blob = registry.put_blob("a", b"x");
    let there = format!("GET {}", get(&registry, &format!("/v2/a/blobs/{blob}")).location());
    let answer = ask_at(&registry, Port::Storage, &there, "Authorization: Basic eDp5\r\n", b"");
    assert_eq!(answer.status, Some(400));
    assert_eq!(registry.violations().len(), 1);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(registry))).is_err());
}

#[test]
fn a_manifest_needs_all_that_is_in_it() {
    let registry = default();
    let image = Image::of(&[b"one", b"two"]);
    let path = "/v2/a/manifests/latest";
    assert!(registry.complete("a", "latest").is_err());
    for blob in &image.blobs {
        assert_eq!(put_manifest(&registry, path, &image.manifest).code(), "MANIFEST_BLOB_UNKNOWN");
        registry.put_blob("a", blob);
    }
    let elsewhere = put_manifest(&registry, "/v2/b/manifests/latest", &image.manifest);
    assert_eq!(elsewhere.code(), "MANIFEST_BLOB_UNKNOWN");
    let answer = put_manifest(&registry, path, &image.manifest);
    assert_eq!(answer.status, Some(201));
    assert_eq!(answer.header("docker-content-digest"), Some(&*digest(&image.manifest)));
    assert_eq!(registry.tags("a"), [("latest".to_owned(), digest(&image.manifest))]);
    assert_eq!(registry.complete("a", "latest"), Ok(()));

    registry.put_false_blob("a", &digest(b"one"), b"eno");
    assert!(registry.complete("a", "latest").is_err_and(|lack| lack.contains(&digest(b"eno"))));
    registry.remove_blob("a", &digest(b"one"));
    assert!(registry.complete("a", "latest").is_err_and(|lack| lack.contains("is not there")));
}

#[test]
fn manifests_that_are_wrong() {
    let registry = default();
    let image = Image::of(&[b"one"]);
    image.put(&registry, "a", "1");
    let text = String::from_utf8(image.manifest.clone()).unwrap();
    for (reference, manifest, code) in [
        ("1", "{".to_owned(), "MANIFEST_INVALID"),
        ("1", text.replace(MANIFEST, INDEX), "MANIFEST_INVALID"),
        ("1", text.replace("\"schemaVersion\":2", "\"schemaVersion\":1"), "MANIFEST_INVALID"),
        ("1", text.replace("\"size\":3", "\"size\":4"), "MANIFEST_BLOB_UNKNOWN"),
        (&*digest(b"x"), text.clone(), "DIGEST_INVALID"),
        (".x", text.clone(), "TAG_INVALID"),
        ("1", " ".repeat(5 << 20), "SIZE_INVALID"),
    ] {
        let answer = put_manifest(&registry, &format!("/v2/a/manifests/{reference}"), manifest.as_bytes());
        assert_eq!(answer.code(), code);
    }
    assert_eq!(registry.manifest("a", "1"), Some((MANIFEST.to_owned(), image.manifest)));
    // As with distribution, whose `*/*` does not accept an OCI manifest.
    let unaccepted = ask(&registry, "GET /v2/a/manifests/1", "Accept: */*\r\n", b"");
    assert_eq!(unaccepted.code(), "MANIFEST_UNKNOWN");
}

#[test]
fn tags_and_deletion() {
    let registry = default();
    let image = Image::of(&[b"one"]);
    let digest = image.put(&registry, "a", "1");
    let path = format!("/v2/a/manifests/{digest}");
    let with_tags = format!("{path}?tag=2&tag=x%2D3");
    assert_eq!(put_manifest(&registry, &with_tags, &image.manifest).header("oci-tag"), None);
    assert_eq!(registry.tags("a").len(), 1);
    registry.set_personality(Personality { tag_parameters: true, ..Personality::default() });
    assert_eq!(put_manifest(&registry, &with_tags, &image.manifest).header("oci-tag"), Some("2"));

    let list = |query: &str| {
        let answer = get(&registry, &format!("/v2/a/tags/list{query}"));
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        (value["tags"].to_string(), answer.header("link").map(str::to_owned))
    };
    assert_eq!(list(""), (r#"["1","2","x-3"]"#.to_owned(), None));
    let next = "</v2/a/tags/list?n=2&last=2>; rel=\"next\"".to_owned();
    assert_eq!(list("?n=2"), (r#"["1","2"]"#.to_owned(), Some(next)));
    assert_eq!(list("?n=2&last=2"), (r#"["x-3"]"#.to_owned(), None));

    assert_eq!(ask(&registry, "DELETE /v2/a/manifests/1", "", b"").status, Some(202));
    assert_eq!(get(&registry, &path).body, image.manifest);
    assert_eq!(ask(&registry, &format!("DELETE {path}"), "", b"").status, Some(202));
    assert_eq!((get(&registry, &path).status, registry.tags("a")), (Some(404), Vec::new()));
}

#[test]
fn referrers() {
    let registry = default();
    let image = Image::of(&[b"one"]);
    let subject = image.put(&registry, "a", "1");
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["subject"] = descriptor(MANIFEST, &image.manifest);
    manifest["artifactType"] = json!("text/x");
    let manifest = manifest.to_string();
    let path = format!("/v2/a/manifests/{}", digest(manifest.as_bytes()));
    let put = put_manifest(&registry, &path, manifest.as_bytes());
    assert_eq!(put.header("oci-subject"), Some(&*subject));
    for (query, expected) in [("", 1), ("?artifactType=text/x", 1), ("?artifactType=text/y", 0)] {
        let answer = get(&registry, &format!("/v2/a/referrers/{subject}{query}"));
        let index: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), expected, "{query}");
        assert_eq!(answer.header("oci-filters-applied").is_some(), !query.is_empty());
    }
    registry.set_personality(Personality { referrers: Referrers::Absent, ..Personality::default() });
    assert_eq!(put_manifest(&registry, &path, manifest.as_bytes()).header("oci-subject"), None);
    assert_eq!(get(&registry, &format!("/v2/a/referrers/{subject}")).status, Some(404));
}

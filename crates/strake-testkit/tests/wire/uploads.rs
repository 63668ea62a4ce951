use strake_testkit::registry::{
    CutUploads, Effect, Fault, Locations, Mounts, Patches, Personality, Port, Registry, digest,
};

use crate::client::{Answer, ask, ask_at, commit, patch, start};

fn default() -> Registry {
    Registry::start(Personality::default())
}

#[test]
fn a_blob_comes_in_one_piece_or_in_many() {
    let registry = default();
    let committed = commit(&registry, &start(&registry, "a/b"), b"in one piece", b"in one piece");
    assert_eq!(committed.status, Some(201));
    assert_eq!(committed.header("docker-content-digest"), Some(&*digest(b"in one piece")));
    assert_eq!(registry.blob("a/b", &digest(b"in one piece")), Some(b"in one piece".to_vec()));

    let first = patch(&registry, &start(&registry, "a/b"), "Content-Range: 0-2\r\n", b"in ");
    assert_eq!((first.status, first.header("range")), (Some(202), Some("0-2")));
    let chunked = "Transfer-Encoding: chunked\r\n";
    let second =
        patch(&registry, &first.location(), chunked, b"2;x=y\r\nma\r\n3\r\nny \r\n0\r\nTrailer: x\r\n\r\n");
    assert_eq!((second.status, second.header("range")), (Some(202), Some("0-7")));
    let third = patch(&registry, &second.location(), "Content-Range: 8-10\r\n", b"pie");
    let status = ask(&registry, &format!("GET {}", third.location()), "", b"");
    assert_eq!((status.status, status.header("range")), (Some(204), Some("0-10")));
    assert_eq!(commit(&registry, &status.location(), b"in many pieces", b"ces").status, Some(201));
    assert_eq!(registry.blob("a/b", &digest(b"in many pieces")), Some(b"in many pieces".to_vec()));

    assert_eq!(commit(&registry, &start(&registry, "a/b"), b"", b"").status, Some(201));
    assert_eq!(registry.blob("a/b", &digest(b"")), Some(Vec::new()));
    assert_eq!(registry.open_uploads(), 0);
}

#[test]
fn what_is_wrong_is_refused() {
    let registry = default();
    let check = |answer: Answer, status: u16, code: &str| {
        assert_eq!((answer.status, &*answer.code()), (Some(status), code), "{answer:?}");
    };
    let location = start(&registry, "a");
    let rebuilt = location.split('?').next().unwrap().to_owned() + "?x=y";
    check(commit(&registry, &rebuilt, b"x", b"x"), 404, "BLOB_UPLOAD_UNKNOWN");
    check(commit(&registry, &location.replace("/v2/a/", "/v2/b/"), b"x", b"x"), 404, "BLOB_UPLOAD_UNKNOWN");
    check(ask(&registry, &format!("PUT {location}"), "", b"x"), 400, "DIGEST_INVALID");
    check(patch(&registry, &location, "Content-Range: 1-1\r\n", b"x"), 416, "");
    check(patch(&registry, &location, "Content-Range: 0-1\r\n", b"x"), 416, "");
    check(patch(&registry, &location, "Content-Range: bytes 0-0\r\n", b"x"), 400, "BLOB_UPLOAD_INVALID");
    assert_eq!(patch(&registry, &location, "", b"x").status, Some(202));
    check(patch(&registry, &location, "", b"y"), 404, "BLOB_UPLOAD_UNKNOWN");
    check(commit(&registry, &start(&registry, "a"), b"x", b"y"), 400, "DIGEST_INVALID");
    check(ask(&registry, "POST /v2/A/blobs/uploads/", "", b""), 400, "NAME_INVALID");

    let cancelled = start(&registry, "a");
    assert_eq!(ask(&registry, &format!("DELETE {cancelled}"), "", b"").status, Some(204));
    check(commit(&registry, &cancelled, b"x", b"x"), 404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(registry.blobs("a"), Vec::<String>::new());
}

#[test]
fn pieces_by_personality() {
    let registry = default();
    let two_pieces = |patches| {
        registry.set_personality(Personality { patches, ..Personality::default() });
        let first = patch(&registry, &start(&registry, "a"), "", b"one ");
        let second = patch(&registry, &first.location(), "", b"two");
        (first.status, commit(&registry, &second.location(), b"one two", b"").status)
    };
    assert_eq!(two_pieces(Patches::Appended), (Some(202), Some(201)));
    assert_eq!(two_pieces(Patches::Created), (Some(201), Some(201)));
    assert_eq!(two_pieces(Patches::OnlyOne), (Some(202), Some(400)));

    registry.set_personality(Personality { chunk_min_length: Some(4), ..Personality::default() });
    let started = ask(&registry, "POST /v2/a/blobs/uploads/", "", b"");
    assert_eq!(started.header("oci-chunk-min-length"), Some("4"));
    let first = patch(&registry, &started.location(), "", b"one ");
    let second = patch(&registry, &first.location(), "", b"two");
    assert_eq!(patch(&registry, &second.location(), "", b"three").code(), "SIZE_INVALID");
    assert_eq!(commit(&registry, &second.location(), b"one two", b"").status, Some(201));

    registry.set_personality(Personality { max_body: Some(4), ..Personality::default() });
    let location = start(&registry, "a");
    for (headers, body) in
        [("", &b"three"[..]), ("Transfer-Encoding: chunked\r\n", b"5\r\nthree\r\n0\r\n\r\n")]
    {
        assert_eq!(patch(&registry, &location, headers, body).status, Some(413));
    }
    let first = patch(&registry, &location, "", b"four");
    assert_eq!(commit(&registry, &first.location(), b"four", b"").status, Some(201));
}

#[test]
fn locations_by_personality() {
    for (locations, host) in [
        (Locations::Relative, None),
        (Locations::Absolute, Some("registry")),
        (Locations::OtherHost, Some("other")),
    ] {
        let registry = Registry::start(Personality { locations, ..Personality::default() });
        let started = ask(&registry, "POST /v2/a/blobs/uploads/", "", b"");
        let location = started.header("location").unwrap();
        let other = registry.address_of(Port::Storage);
        let host = host.map(|host| if host == "other" { &*other } else { host });
        match host {
            None => assert!(location.starts_with("/v2/a/blobs/uploads/")),
            Some(host) => assert!(location.starts_with(&format!("http://{host}/v2/")), "{location}"),
        }
        let port = if locations == Locations::OtherHost { Port::Storage } else { Port::Registry };
        let put = format!("PUT {}&digest={}", started.location(), digest(b"x"));
        assert_eq!(ask_at(&registry, port, &put, "", b"x").status, Some(201));
        assert_eq!(registry.blob("a", &digest(b"x")), Some(b"x".to_vec()));
    }
}

#[test]
fn an_upload_that_is_cut_is_kept_or_lost() {
    for (cut_uploads, expected) in [(CutUploads::Kept, Some(204)), (CutUploads::Lost, Some(404))] {
        let registry = Registry::start(Personality {
            cut_uploads,
            faults: vec![Fault::once("PATCH", "", 1, Effect::CutRequest(4))],
            ..Personality::default()
        });
        let location = start(&registry, "a");
        assert_eq!(patch(&registry, &location, "", b"one two").status, None);
        let status = ask(&registry, &format!("GET {location}"), "", b"");
        assert_eq!(status.status, expected);
        if cut_uploads == CutUploads::Kept {
            assert_eq!(status.header("range"), Some("0-3"));
            assert_eq!(commit(&registry, &status.location(), b"one two", b"two").status, Some(201));
        }
    }
}

#[test]
fn mounts_by_personality() {
    let registry = default();
    let blob = registry.put_blob("from", b"x");
    let mount = |from: &str, mounts| {
        registry.set_personality(Personality { mounts, ..Personality::default() });
        registry.remove_blob("to", &blob);
        let line = format!("POST /v2/to/blobs/uploads/?mount={blob}&from={from}");
        let answer = ask(&registry, &line, "", b"");
        (answer.status.unwrap(), registry.blob("to", &blob).is_some())
    };
    assert_eq!(mount("from", Mounts::Done), (201, true));
    assert_eq!(mount("nowhere", Mounts::Done), (202, false));
    assert_eq!(mount("from", Mounts::Refused), (202, false));
    assert_eq!(mount("from", Mounts::Failing(404)), (404, false));
    assert_eq!(mount("from", Mounts::Failing(403)), (403, false));
}

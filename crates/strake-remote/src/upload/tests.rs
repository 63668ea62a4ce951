use strake_image::sink::Sink;
use strake_testkit::certificates::Certificates;
use strake_testkit::registry::{Effect, Fault, Personality, Registry};

use super::*;
use crate::client::Client;
use crate::limits::Limits;
use crate::reference::Reference;
use crate::settings::Settings;

/// Uploads a blob of a length that is not known to one that answers this, and returns what is odd about that.
fn check(method: &'static str, answer: &str, expected: &str) {
    let certificates = Certificates::new();
    let raw = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    let faults = vec![Fault::burst(method, "/blobs/uploads/", 1, u32::MAX, Effect::Raw(raw))];
    let personality = Personality { faults, ..Personality::default() };
    let registry = Registry::start_tls(personality, &certificates, false);
    let root_certificates = Some(certificates.file("ca.crt"));
    let settings = Settings { root_certificates, ..Settings::with(Limits::default()) };
    let reference = Reference::parse(&format!("{}/app", registry.address())).unwrap();
    let repository = Repository::connect(&Client::new(settings), &reference).unwrap();
    let (mut sink, reader) = pipe();
    let found = std::thread::scope(|scope| {
        scope.spawn(move || {
            let written = sink.bytes(&vec![7; 4_000_000]);
            written.and_then(|()| sink.finish(Descriptor::layer(Digest::of(b""), 4_000_000, None)))
        });
        repository.upload_once(reader, None)
    });
    match found {
        Err(RemoteError::Answer { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
        other => panic!("{answer}: {other:?}"),
    }
    assert_eq!(registry.count("PUT", ""), 0);
}

#[test]
fn answers_before_all_was_read() {
    for status in ["202 Accepted", "201 Created", "200 OK", "204 No Content"] {
        check("PATCH", &format!("{status}\r\nLocation: /v2/app/blobs/uploads/1"), UNREAD);
        check("PATCH", status, UNREAD);
    }
}

#[test]
fn uploads_that_would_go_on_without_tls() {
    let elsewhere = "Location: http://localhost:1/upload";
    check("POST", &format!("202 Accepted\r\n{elsewhere}"), "without TLS");
    check("PATCH", &format!("202 Accepted\r\n{elsewhere}"), "without TLS");
}

#[test]
fn chunks_are_never_empty() {
    for (wanted, least, expected) in [
        (None, None, None),
        (Some(0), None, Some(1)),
        (Some(0), Some(0), Some(1)),
        (Some(10), Some(0), Some(10)),
        (None, Some(0), Some(CHUNK)),
        (Some(1), Some(u64::MAX), Some(u64::MAX)),
    ] {
        assert_eq!(chunk(wanted, least), expected, "{wanted:?} {least:?}");
    }
}

#[test]
fn a_writer_that_fails_is_no_panic() {
    let registry = Registry::start(Personality::default());
    let settings = Settings { chunk: Some(1000), ..Settings::with(Limits::default()) };
    let reference = Reference::parse(&format!("{}/app", registry.address())).unwrap();
    let repository = Repository::connect(&Client::new(settings), &reference).unwrap();
    let (mut sink, reader) = pipe();
    sink.bytes(b"half").unwrap();
    drop(sink);
    let mut location = repository.path("blobs/uploads/1");
    assert!(repository.deliver(reader, None, Some(1000), &mut location).is_err());
}

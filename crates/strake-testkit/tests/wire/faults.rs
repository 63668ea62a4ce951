use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;
use strake_testkit::image::Image;
use strake_testkit::registry::{Effect, Fault, Personality, Registry, digest, schedules};

use crate::client::{Answer, ask, commit, get, put_manifest};

fn with(faults: Vec<Fault>) -> Registry {
    Registry::start(Personality { faults, ..Personality::default() })
}

/// Commits an upload on which something happens. Returns the answer, and whether the blob is there.
fn committed(effect: Effect) -> (Answer, bool) {
    let registry = with(vec![Fault::once("PUT", "/blobs/uploads/", 1, effect)]);
    let started = ask(&registry, "POST /v2/a/blobs/uploads/", "", b"");
    let answer = commit(&registry, &started.location(), b"0123456789", b"0123456789");
    let requests = registry.requests();
    assert_eq!(requests[1].status, answer.status, "{requests:?}");
    (answer, registry.blob("a", &digest(b"0123456789")).is_some())
}

#[test]
fn requests_are_refused_and_cut() {
    for (effect, status, carried_out) in [
        (Effect::Status(503), Some(503), false),
        (Effect::RetryAfter(429, 7), Some(429), false),
        (Effect::CutRequest(0), None, false),
        (Effect::CutRequest(9), None, false),
        (Effect::CutRequest(10), None, true),
        (Effect::CutResponse(0), None, true),
        (Effect::CutResponse(20), None, true),
        (Effect::Delay(Duration::from_millis(1)), Some(201), true),
        (Effect::Raw(b"rubbish".to_vec()), None, false),
    ] {
        let (answer, there) = committed(effect.clone());
        assert_eq!((answer.status, there), (status, carried_out), "{effect:?}");
    }
    assert_eq!(committed(Effect::RetryAfter(429, 7)).0.header("retry-after"), Some("7"));
    let date = committed(Effect::RetryAfterDate(503, 100)).0;
    let date = httpdate::parse_http_date(date.header("retry-after").unwrap()).unwrap();
    let ahead = date.duration_since(SystemTime::now()).unwrap();
    assert!((1..=100).contains(&ahead.as_secs()), "{ahead:?}");
}

#[test]
fn answers_are_cut_and_corrupted() {
    let faults = [
        Effect::CutResponse(600),
        Effect::CutResponse(1_000_000),
        Effect::Corrupt(3),
        Effect::Corrupt(1_000_000),
        Effect::CutRequest(0),
    ];
    let faults = (1..).zip(faults).map(|(first, effect)| Fault::once("GET", "/blobs/", first, effect));
    let registry = with(faults.collect());
    let content = vec![b'x'; 1000];
    let path = format!("/v2/a/blobs/{}", registry.put_blob("a", &content));
    let different = |body: &[u8]| (0..1000).filter(|place| body[*place] != b'x').collect::<Vec<_>>();
    assert_eq!(get(&registry, &path).status, None);
    assert_eq!(get(&registry, &path).body, content);
    assert_eq!(different(&get(&registry, &path).body), [3]);
    assert_eq!(different(&get(&registry, &path).body), [999]);
    assert_eq!(get(&registry, &path).status, None);
    assert_eq!(get(&registry, &path).body, content);
    let first = &registry.requests()[0];
    assert!(first.status.is_none() && (1..1000).contains(&first.sent), "{first:?}");
    assert_eq!(registry.requests()[4].sent, 0);
}

#[test]
fn commits_take_their_time() {
    let commit_delay = Duration::from_millis(300);
    let registry = Registry::start(Personality { commit_delay, ..Personality::default() });
    let started = ask(&registry, "POST /v2/a/blobs/uploads/", "", b"");
    let begun = Instant::now();
    assert_eq!(commit(&registry, &started.location(), b"x", b"x").status, Some(201));
    assert!(begun.elapsed() >= commit_delay);
    assert!(registry.blob("a", &digest(b"x")).is_some());
}

#[test]
fn connections_are_kept_and_clients_told_to_go_on() {
    use std::io::{Read, Write};
    let registry = with(Vec::new());
    let started = ask(&registry, "POST /v2/a/blobs/uploads/", "", b"");
    let mut stream = std::net::TcpStream::connect(registry.address()).unwrap();
    let put = format!("PUT {}&digest={}", started.location(), digest(b"x"));
    let head = format!("{put} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"xGET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("HTTP/1.1 201 ") && rest.contains("HTTP/1.1 200 "), "{rest}");
    let requests = registry.requests();
    assert_eq!(requests[1].connection, requests[2].connection);
    assert_ne!(requests[0].connection, requests[1].connection);
}

const MOST: usize = 4;

/// Tries until a request is answered as it should be.
fn persevere(mut ask: impl FnMut() -> Answer, expected: &[u16]) -> Answer {
    let mut answers = (0..=2 * MOST).map(|_| ask());
    answers
        .find(|answer| answer.status.is_some_and(|status| expected.contains(&status)))
        .expect("enough tries")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn schedules_are_overcome(faults in schedules(MOST)) {
        let registry = with(faults);
        let image = Image::of(&[b"one", b"two"]);
        for blob in &image.blobs {
            let upload = || {
                let started = persevere(|| ask(&registry, "POST /v2/a/blobs/uploads/", "", b""), &[202]);
                commit(&registry, &started.location(), blob, blob)
            };
            persevere(upload, &[201]);
        }
        persevere(|| put_manifest(&registry, "/v2/a/manifests/1", &image.manifest), &[201]);
        prop_assert_eq!(registry.complete("a", "1"), Ok(()));
        let pulled = persevere(|| get(&registry, "/v2/a/manifests/1"), &[200]);
        prop_assert_eq!(pulled.body, image.manifest);
    }
}

//! A registry cannot hold its clients up: whatever it does not end, ends in one error in a bounded time.

use std::time::{Duration, Instant, SystemTime};

use strake_remote::{Client, Credentials, Exceeded, Limits, Reference, RemoteError, Repository, Settings};
use strake_testkit::image::Image;
use strake_testkit::registry::{Auth, Effect, Fault, Personality, Registry, Tokens};

/// One limit is short, the others are as usual: a busy machine must not pass those.
const SHORT: Duration = Duration::from_millis(400);

fn settings(limits: Limits) -> Settings {
    let credentials = Credentials::parse("tester:s3cr3t");
    Settings { credentials, limits, ..Settings::new(SystemTime::now) }
}

/// Fetches a manifest.
fn pull(registry: &Registry, limits: Limits) -> Result<bool, RemoteError> {
    let reference = Reference::parse(&format!("{}/app:1", registry.address())).unwrap();
    let repository = Repository::connect(&Client::new(settings(limits)), &reference)?;
    Ok(repository.manifest("1")?.is_some())
}

/// Pulls while this happens to all such requests, and returns why that fails.
fn check(limits: Limits, path: &str, effect: &Effect, expected: Exceeded) {
    let fault = Fault::burst("GET", path, 1, u32::MAX, effect.clone());
    let auth = Auth::Token(Tokens::new("tester", "s3cr3t"));
    let registry = Registry::start(Personality { auth, faults: vec![fault], ..Personality::default() });
    Image::of_sizes(&[1000]).put(&registry, "app", "1");
    let begun = Instant::now();
    let found = pull(&registry, limits);
    let took = begun.elapsed();
    let about = format!("{path} {effect:?}: {found:?} after {took:?}");
    assert!(matches!(found, Err(RemoteError::Limit { source, .. }) if source == expected), "{about}");
    assert!(took < Limits::default().token, "{about}");
    let attempts = if matches!(expected, Exceeded::Time { .. }) { 3 } else { 1 };
    assert_eq!(registry.count("GET", path), attempts, "{about}");
}

const SLOW: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(5 * 60);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// The usual limits, and attempts without long pauses between them.
fn usual() -> Limits {
    Limits { pause: Duration::from_millis(10), ..Limits::default() }
}

/// The requests of a pull, with a short time for the header.
fn requests() -> [(&'static str, Limits); 2] {
    let usual = usual();
    [("/manifests/", Limits { answer: SHORT, ..usual }), ("/token", Limits { token: SHORT, ..usual })]
}

fn time(what: &'static str) -> Exceeded {
    Exceeded::Time { what, limit: SHORT }
}

#[test]
fn a_header_that_comes_byte_by_byte() {
    for (path, limits) in requests() {
        check(limits, path, &Effect::Trickle(5, SLOW), time("no complete response header"));
    }
}

#[test]
fn a_header_that_never_comes() {
    for (path, limits) in requests() {
        check(limits, path, &Effect::Delay(NEVER), time("no complete response header"));
    }
}

#[test]
fn a_header_that_never_ends() {
    let many = Effect::Endless([HEAD, b"X-Long: "].concat(), vec![b'x'; 1000]);
    for (path, _) in requests() {
        check(Limits::default(), path, &many, Exceeded::Header(65_536));
    }
    check(Limits::default(), "/v2/", &many, Exceeded::Header(65_536));
}

#[test]
fn interim_responses_that_never_end() {
    for status in ["100 Continue\r\n", "102 Processing\r\n", "103 Early Hints\r\nLink: </x>\r\n"] {
        let interim = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for (path, _) in requests() {
            let effect = Effect::Endless(Vec::new(), interim.clone());
            check(Limits::default(), path, &effect, Exceeded::Header(65_536));
        }
        let answer = [interim.repeat(100), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()];
        let faults = vec![Fault::once("GET", "/manifests/", 1, Effect::Raw(answer.concat()))];
        let registry = Registry::start(Personality { faults, ..Personality::default() });
        let found = pull(&registry, Limits::default());
        assert!(matches!(found, Ok(false)), "{found:?}");
    }
}

#[test]
fn a_body_that_comes_byte_by_byte() {
    let usual = usual();
    let no_body = time("no complete response body");
    check(Limits { token: SHORT, ..usual }, "/token", &Effect::Trickle(200, SLOW), no_body);
    check(Limits { document: SHORT, ..usual }, "/manifests/", &Effect::Trickle(300, SLOW), no_body);
    let too_slow = Exceeded::Rate { least: usual.least, window: SHORT };
    check(Limits { window: SHORT, ..usual }, "/manifests/", &Effect::Trickle(300, SLOW), too_slow);
}

#[test]
fn a_body_that_never_ends() {
    let zeros = |head: &[u8]| Effect::Endless([HEAD, head, b"\r\n"].concat(), vec![b' '; 1000]);
    for head in [&b"Content-Length: 100000000000\r\n"[..], b""] {
        // It is fast enough, so that its size is what ends it.
        let fault = Fault::burst("GET", "/token", 1, 1, zeros(head));
        let auth = Auth::Token(Tokens::new("tester", "s3cr3t"));
        let registry = Registry::start(Personality { auth, faults: vec![fault], ..Personality::default() });
        Image::of_sizes(&[1000]).put(&registry, "app", "1");
        let found = pull(&registry, Limits::default());
        assert!(matches!(found, Err(RemoteError::Answer { .. })), "{found:?}");
        let fault = Fault::burst("GET", "/manifests/", 1, 1, zeros(head));
        registry.set_personality(Personality { faults: vec![fault], ..Personality::default() });
        let found = pull(&registry, Limits::default());
        assert!(matches!(found, Err(RemoteError::Answer { .. })), "{found:?}");
    }
}

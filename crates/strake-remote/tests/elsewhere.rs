//! Where a registry may send its clients, and what they take there.

use std::time::SystemTime;

use strake_remote::{Client, Credentials, Reference, RemoteError, Repository, Settings};
use strake_testkit::certificates::Certificates;
use strake_testkit::image::Image;
use strake_testkit::registry::{Auth, Effect, Fault, Personality, Registry, Request, SERVICE, Tokens};

const USER: Option<&str> = Some("tester:s3cr3t");

/// A registry, with TLS or without it, another host, and somebody with credentials or without them.
struct Case {
    certificates: Certificates,
    registry: Registry,
    other: Registry,
    user: Option<&'static str>,
    verify_tls: bool,
}

impl Case {
    fn new(tls: bool, user: Option<&'static str>) -> Self {
        let certificates = Certificates::new();
        let registry = if tls {
            Registry::start_tls(Personality::default(), &certificates, false)
        } else {
            Registry::start(Personality::default())
        };
        let other = Registry::start(Personality::default());
        for registry in [&registry, &other] {
            Image::of_sizes(&[1000]).put(registry, "app", "1");
        }
        Self { certificates, registry, other, user, verify_tls: true }
    }

    /// The registry answers this to the first requests for such a path.
    fn answers(&self, path: &str, times: u32, auth: Auth, head: &str) {
        let raw = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let faults = vec![Fault::burst("GET", path, 1, times, Effect::Raw(raw))];
        self.registry.set_personality(Personality { auth, faults, ..Personality::default() });
    }

    /// Where the other registry is, under another name of this machine.
    fn elsewhere(&self) -> String {
        self.other.address().replace("127.0.0.1", "localhost")
    }

    /// Fetches a manifest, and returns whether there is one.
    fn pull(&self) -> Result<bool, RemoteError> {
        let client = Client::new(Settings {
            credentials: self.user.and_then(Credentials::parse),
            verify_tls: self.verify_tls,
            root_certificates: Some(self.certificates.file("ca.crt")),
            ..Settings::new(SystemTime::now)
        });
        let reference = Reference::parse(&format!("{}/app:1", self.registry.address())).unwrap();
        let repository = Repository::connect(&client, &reference)?;
        Ok(repository.manifest("1")?.is_some())
    }

    /// The error before any request to another host.
    fn refused(&self, because: &str) {
        match self.pull() {
            Err(RemoteError::Answer { reason, .. }) => assert!(reason.contains(because), "{reason}"),
            other => panic!("{other:?} in place of {because}"),
        }
        assert!(self.other.requests().is_empty());
    }

    /// All requests to other hosts, of which there must be one, are without credentials.
    fn asks_as_nobody(&self) {
        let requests = self.other.requests();
        assert!(!requests.is_empty());
        assert!(requests.iter().all(|request| request.header("authorization").is_none()), "{requests:?}");
    }
}

fn challenge(realm: &str) -> String {
    format!(r#"401 Unauthorized{}WWW-Authenticate: Bearer realm="{realm}/token",service="{SERVICE}""#, "\r\n")
}

fn tokens() -> Auth {
    Auth::Token(Tokens { anonymous_pull: true, ..Tokens::new("tester", "s3cr3t") })
}

#[test]
fn credentials_for_tokens() {
    // Without TLS nobody knows who has named the realm.
    let case = Case::new(false, USER);
    case.answers("/v2/", 1, Auth::Anyone, &challenge(&format!("http://{}", case.elsewhere())));
    case.refused("must not have credentials sent to another host");
    let case = Case::new(false, None);
    case.answers("/v2/", 1, Auth::Anyone, &challenge(&format!("http://{}", case.elsewhere())));
    assert!(case.pull().is_err());
    case.asks_as_nobody();
    // Another port of the same host.
    let case = Case::new(false, USER);
    case.other.set_personality(Personality { auth: tokens(), ..Personality::default() });
    case.answers("/v2/", 1, Auth::Anyone, &challenge(&format!("http://{}", case.other.address())));
    assert!(case.pull().unwrap());
    let shown: Vec<Request> = case.other.requests();
    assert!(shown.len() == 1 && shown[0].header("authorization").is_some(), "{shown:?}");
    // From TLS to where there is none.
    for user in [None, USER] {
        let case = Case::new(true, user);
        case.answers("/v2/", 1, Auth::Anyone, &challenge(&format!("http://{}", case.other.address())));
        case.refused("without TLS");
    }
}

#[test]
fn redirects_from_tls_to_none() {
    for user in [None, USER] {
        let mut case = Case::new(true, user);
        let to = format!("307 Away\r\nLocation: http://{}/v2/app/manifests/1", case.other.address());
        case.answers("/manifests/", 1, Auth::Anyone, &to);
        case.refused("without TLS");
        case.answers("/manifests/", 1, Auth::Anyone, &to);
        case.verify_tls = false;
        assert!(case.pull().unwrap());
        case.asks_as_nobody();
        // The registry's own URL is taken as it should be.
        let to = format!("307 Away\r\nLocation: http://{}/v2/app/manifests/1", case.registry.address());
        case.answers("/manifests/", 1, Auth::Anyone, &to);
        case.verify_tls = true;
        assert!(case.pull().unwrap());
    }
}

#[test]
fn only_what_is_needed_is_asked_for() {
    for user in [None, USER] {
        let case = Case::new(false, user);
        let scope = "repository:app:pull,push,delete repository:other:pull registry:catalog:*";
        let realm = format!("http://{}", case.registry.address());
        // First when it says hello, then in spite of a token.
        case.answers("/v2/", 2, tokens(), &format!(r#"{},scope="{scope}""#, challenge(&realm)));
        assert!(case.pull().unwrap());
        let requests = case.registry.requests();
        let queries: Vec<&str> = requests
            .iter()
            .filter(|request| request.path == "/token")
            .map(|request| request.query.as_str())
            .collect();
        assert_eq!(queries, vec![format!("service={SERVICE}&scope=repository%3Aapp%3Apull"); 2]);
    }
}

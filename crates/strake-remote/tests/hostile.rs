//! Untrusted input is accepted or refused; it never causes a panic.

use std::sync::Arc;
use std::time::SystemTime;

use proptest::prelude::*;
use serde_json::json;
use strake_image::{Platform, PlatformPick};
use strake_remote::{AuthFile, Client, Reference, RemoteError, Repository, Settings, open, pins};
use strake_testkit::image::{INDEX, Image, MANIFEST, descriptor};
use strake_testkit::mutated::mutated;
use strake_testkit::registry::{Auth, Effect, Fault, Personality, Registry, Tokens, digest};

const SECRET: &str = "s3cr3t";

fn client(auth_files: Vec<AuthFile>) -> Client {
    Client::new(Settings { auth_files, ..Settings::new(SystemTime::now) })
}

/// A registry with an image, as `app:1` and, in an index, as `app:all`.
struct Case {
    registry: Registry,
    image: Image,
    repository: Arc<Repository>,
}

impl Case {
    fn new() -> Self {
        let registry = Registry::start(Personality::default());
        let image = Image::of_sizes(&[10, 20]);
        image.put(&registry, "app", "1");
        let repository = Repository::connect(&client(Vec::new()), &reference(&registry, "1")).unwrap();
        Self { registry, image, repository: Arc::new(repository) }
    }

    fn index(&self) -> Vec<u8> {
        let mut entry = descriptor(MANIFEST, &self.image.manifest);
        entry["platform"] =
            json!({"os": "linux", "architecture": "amd64", "variant": "v1", "os.version": "1"});
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string().into_bytes()
    }

    /// Asks for what is under a tag, and does not panic.
    fn ask(&self, tag: &str) {
        let reference = reference(&self.registry, tag);
        let platform = PlatformPick::Preferred(Platform::linux("amd64"));
        if let Ok(image) = open(self.repository.clone(), &reference, &platform) {
            assert_eq!(image.layers.len(), image.config.diff_ids.len());
        }
        let _ = pins(&self.repository, &reference);
    }
}

fn reference(registry: &Registry, tag: &str) -> Reference {
    Reference::parse(&format!("{}/app:{tag}", registry.address())).unwrap()
}

/// Credentials in all forms, for any registry that a test starts.
fn auth_file(registry: &Registry) -> Vec<u8> {
    let address = registry.address();
    json!({
        "auths": {
            &address: {"auth": "dGVzdGVyOnMzY3IzdA=="},
            format!("{address}/app"): {"identitytoken": SECRET},
            "https://index.docker.io/v1/": {"auth": "dGVzdGVyOnMzY3IzdA=="},
            "example.org": {"registrytoken": SECRET},
        },
        "credHelpers": {"example.com": "none"},
        "HttpHeaders": {"User-Agent": "Docker"},
    })
    .to_string()
    .into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn references(text in mutated(b"registry.example.org:5000/team/app-1.x:v1.2_3@sha256:0000000000000000000000000000000000000000000000000000000000000000".to_vec())) {
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        if let Ok(reference) = Reference::parse(&text) {
            // An accepted value prints and parses to the same value, and makes a URL.
            prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference.clone());
            let safe = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:[]".contains(c));
            prop_assert!(safe(&reference.host) && safe(&reference.repository) && safe(&reference.wanted()));
            prop_assert!(!reference.repository.split('/').any(|part| part.is_empty() || part == ".."));
        }
    }
}

#[test]
fn manifests_indexes_and_configs() {
    let case = Case::new();
    let manifest = case.image.manifest.clone();
    let config = case.image.blobs[0].clone();
    let change = prop_oneof![
        mutated(manifest.clone()).prop_map(|text| (MANIFEST, text)),
        mutated(case.index()).prop_map(|text| (INDEX, text)),
        mutated(case.index()).prop_map(|text| (MANIFEST, text)),
        mutated(manifest.clone()).prop_map(|text| ("text/plain", text)),
        // A config, with a manifest that names it rightly.
        mutated(config.clone()).prop_map(move |text| ("", text)),
    ];
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 1000, ..ProptestConfig::default() });
    let result = runner.run(&change, |(media_type, text)| {
        let (media_type, text) = if media_type.is_empty() {
            case.registry.put_blob("app", &text);
            let old = String::from_utf8(manifest.clone()).unwrap();
            let new = old.replace(&digest(&config), &digest(&text));
            (MANIFEST, new.replace(&format!(":{}", config.len()), &format!(":{}", text.len())).into_bytes())
        } else {
            (media_type, text)
        };
        case.registry.put_manifest("app", "odd", media_type, &text);
        case.ask("odd");
        case.registry.clear_log();
        Ok(())
    });
    result.unwrap();
}

#[test]
fn files_with_credentials() {
    let case = Case::new();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("auth.json");
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 1000, ..ProptestConfig::default() });
    let result = runner.run(&mutated(auth_file(&case.registry)), |text| {
        std::fs::write(&path, text).unwrap();
        let client = client(vec![AuthFile { path: path.clone(), required: true }]);
        let shown = match Repository::connect(&client, &reference(&case.registry, "1")) {
            Ok(repository) => format!("{repository:?}"),
            Err(error @ RemoteError::AuthFile { .. }) => format!("{error:?} {error}"),
            Err(other) => panic!("{other:?}"),
        };
        prop_assert!(!shown.contains(SECRET), "{}", shown);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn answers_with_tokens() {
    let registry = Registry::start(Personality::default());
    Image::of_sizes(&[10]).put(&registry, "app", "1");
    let answer = br#"{"token": "abc.def-123", "access_token": "x", "expires_in": 300, "issued_at": "2020-01-01T00:00:00Z"}"#;
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..ProptestConfig::default() });
    let result = runner.run(&mutated(answer.to_vec()), |text| {
        let mut raw = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len()).into_bytes();
        raw.extend(text);
        let tokens = Tokens { anonymous_pull: true, ..Tokens::new("tester", SECRET) };
        let faults = vec![Fault::burst("", "/token", 1, 1000, Effect::Raw(raw))];
        registry.set_personality(Personality { auth: Auth::Token(tokens), faults, ..Personality::default() });
        let reference = reference(&registry, "1");
        let repository = Repository::connect(&client(Vec::new()), &reference).unwrap();
        // Such a token is good for nothing.
        let refused = strake_remote::digest(&repository, &reference);
        prop_assert!(
            matches!(refused, Err(RemoteError::Answer { .. } | RemoteError::Denied { .. })),
            "{refused:?}"
        );
        Ok(())
    });
    result.unwrap();
}

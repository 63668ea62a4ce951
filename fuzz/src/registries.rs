//! Answers of registries, and messages about them.

use strake_image::reference as names;
use strake_remote::testing::{Demand, challenge as parse_challenge, credentials};
use strake_remote::{Reference, RemoteError};

use super::memory::{file, said};

/// The characters that no message may contain.
const SECRET: &str = "s3cr3t";

/// A file with credentials. A message says nothing that is secret.
pub fn auth_file(data: &[u8]) {
    let (_file, path) = file(data);
    for name in ["registry.example.org:5000/team/app", "hello"] {
        let of = Reference::parse(name).expect("it is one");
        match credentials(&path, &of) {
            Ok(found) => assert!(!format!("{found:?}").contains(SECRET)),
            // The name of a program is no secret.
            Err(error @ RemoteError::Helper { .. }) => drop(said(&error)),
            Err(error) => assert!(!format!("{error:?} {}", said(&error)).contains(SECRET)),
        }
    }
}

/// `WWW-Authenticate`. A parsed value that is written parses to the same value.
pub fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let values: Vec<&str> = text.split('\n').collect();
    let Some(Demand::Bearer(realm, service)) = parse_challenge(&values) else { return };
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut again = format!("Bearer realm={}", quoted(&realm));
    if let Some(service) = &service {
        again = format!("{again},service={}", quoted(service));
    }
    assert_eq!(parse_challenge(&[&again]), Some(Demand::Bearer(realm, service)), "{again}");
}

/// Names of images.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Reference::parse(text) {
        Ok(reference) => {
            assert_eq!(Reference::parse(&reference.to_string()).expect("it is one"), reference);
            let is_safe =
                |text: &str| text.chars().all(|it| it.is_ascii_alphanumeric() || "._-/:[]".contains(it));
            assert!(
                is_safe(&reference.host) && is_safe(&reference.repository) && is_safe(&reference.wanted())
            );
            assert!(
                !reference.repository.split('/').any(|part| part.is_empty() || part == ".." || part == ".")
            );
        }
        Err(error) => drop(said(&error)),
    }
    assert!(names::same(text, text));
    if names::is_repo_tag(text) {
        assert_eq!(names::with_tag(text).as_deref(), Some(text));
        assert!(names::is_valid(text));
    }
    if let Some(tagged) = names::with_tag(text) {
        assert!(names::is_repo_tag(&tagged) && names::same(text, &tagged));
    }
}

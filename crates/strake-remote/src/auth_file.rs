//! Files that say who we are, to registries.
//!
//! Format: Docker's `config.json` and `containers-auth.json(5)`, which agree but for the latter's keys, which may be those of
//! a single repository or namespace.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use data_encoding::BASE64;

use crate::credentials::Credentials;
use crate::error::RemoteError;
use crate::helper;
use crate::reference::Reference;

/// A file larger than this holds something else, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Docker Hub's key in these files.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A file with credentials.
#[derive(Clone, Debug)]
pub struct AuthFile {
    /// The file.
    pub path: PathBuf,
    /// Whether the user has named it, so that it must be there.
    pub required: bool,
}

#[derive(Default, serde::Deserialize)]
struct AuthFileText {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, serde::Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default, rename = "identitytoken")]
    identity_token: Option<String>,
    #[serde(default, rename = "registrytoken")]
    registry_token: Option<String>,
}

/// The credentials for a repository in the first file that has some.
pub(crate) fn find(files: &[AuthFile], of: &Reference) -> Result<Option<Credentials>, RemoteError> {
    for file in files {
        let text = match read(file) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(source) => return Err(RemoteError::AuthFile { path: file.path.clone(), source }),
        };
        let failed = |source| RemoteError::AuthFile { path: file.path.clone(), source };
        if let Some(found) = in_file(&text, of, failed)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn read(file: &AuthFile) -> io::Result<Option<AuthFileText>> {
    let mut text = Vec::new();
    match File::open(&file.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.required => return Ok(None),
        opened => opened?.take(MAX_FILE).read_to_end(&mut text)?,
    };
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&text).map_err(|error| quiet(&error))?))
}

/// The error of a JSON document, without any of its text, which is secret.
fn quiet(error: &serde_json::Error) -> io::Error {
    let kind = if error.is_data() { "is not a list of credentials" } else { "is not JSON" };
    io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {kind}", error.line()))
}

fn in_file(
    text: &AuthFileText,
    of: &Reference,
    failed: impl Fn(io::Error) -> RemoteError,
) -> Result<Option<Credentials>, RemoteError> {
    let keys = keys(of);
    if let Some(program) = keys.iter().find_map(|key| text.helpers.get(key))
        && let Some(found) = helper::get(program, server(of), &of.host)?
    {
        return Ok(Some(found));
    }
    let by_key = |key: &String| {
        let other_form = || text.auths.iter().find(|(known, _)| normal(known) == key).map(|(_, entry)| entry);
        text.auths.get(key).or_else(other_form).filter(|entry| !entry.is_empty())
    };
    if let Some(entry) = keys.iter().find_map(by_key) {
        return entry.credentials().map(Some).map_err(failed);
    }
    match &text.store {
        Some(program) if !program.is_empty() => helper::get(program, server(of), &of.host),
        _ => Ok(None),
    }
}

/// The keys under which credentials may be, the closest first.
fn keys(of: &Reference) -> Vec<String> {
    let mut key = format!("{}/{}", of.host, of.repository);
    let mut keys = vec![key.clone()];
    while let Some((above, _)) = key.rsplit_once('/') {
        key = above.to_owned();
        keys.push(key.clone());
    }
    if of.address() != of.host {
        keys.extend([HUB_KEY.to_owned(), "index.docker.io".to_owned(), of.address().to_owned()]);
    }
    keys
}

/// The registry's name in credential helpers.
fn server(of: &Reference) -> &str {
    if of.address() == of.host { &of.host } else { HUB_KEY }
}

/// A key without what old versions of Docker put around the host.
fn normal(key: &str) -> &str {
    let host = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    host.map_or(key, |host| host.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2"))
}

impl Entry {
    /// Docker leaves an empty entry where a program keeps the credentials.
    fn is_empty(&self) -> bool {
        [&self.auth, &self.identity_token, &self.registry_token]
            .into_iter()
            .all(|text| text.as_ref().is_none_or(String::is_empty))
    }

    fn credentials(&self) -> io::Result<Credentials> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.identity_token) {
            return Ok(Credentials::IdentityToken(token));
        }
        if let Some(token) = filled(&self.registry_token) {
            return Ok(Credentials::RegistryToken(token));
        }
        let wrong =
            || io::Error::new(io::ErrorKind::InvalidData, "\"auth\" is not the base 64 of name:password");
        let auth = self.auth.as_deref().unwrap_or_default();
        let decoded = BASE64.decode(auth.as_bytes()).map_err(|_| wrong())?;
        let text = String::from_utf8(decoded).map_err(|_| wrong())?;
        // Docker pads it.
        Credentials::parse(text.trim_end_matches('\0')).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, reference: &str, expected: Option<&str>) {
        let parsed: AuthFileText = serde_json::from_str(text).unwrap();
        let of = Reference::parse(reference).unwrap();
        let failed = |source| RemoteError::AuthFile { path: PathBuf::new(), source };
        let found = in_file(&parsed, &of, failed).unwrap().map(|found| match found {
            Credentials::Password { user, password } => format!("{user}:{password}"),
            Credentials::IdentityToken(token) => format!("identity {token}"),
            Credentials::RegistryToken(token) => format!("registry {token}"),
        });
        assert_eq!(found.as_deref(), expected, "{text} {reference}");
    }

    #[test]
    fn keys_of_all_kinds() {
        // a:1, b:2, c:3
        let text = r#"{"auths": {
            "host:5000": {"auth": "YTox"},
            "host:5000/team": {"auth": "Yjoy"},
            "host:5000/team/app": {"identitytoken": "t"},
            "https://index.docker.io/v1/": {"auth": "Yzoz"},
            "https://old.example.org/v2/": {"auth": "YTox"},
            "empty.example.org": {},
            "token.example.org": {"registrytoken": "r"}}}"#;
        for (reference, expected) in [
            ("host:5000/x", Some("a:1")),
            ("host:5000/team/x", Some("b:2")),
            ("host:5000/team/app:1", Some("identity t")),
            ("host:5000/team/app/x", Some("identity t")),
            ("host:5001/x", None),
            ("hello", Some("c:3")),
            ("old.example.org/x", Some("a:1")),
            ("empty.example.org/x", None),
            ("token.example.org/x", Some("registry r")),
        ] {
            check(text, reference, expected);
        }
        check("{}", "hello", None);
        check(r#"{"auths": {"docker.io": {"auth": "YTox"}}}"#, "library/hello", Some("a:1"));
    }

    #[test]
    fn nothing_secret_is_said() {
        for text in
            [r#"{"auths": {"a.b": {"auth": "c2VjcmV0"}}}"#, r#"{"auths": {"a.b": {"auth": "secret!"}}}"#]
        {
            let parsed: AuthFileText = serde_json::from_str(text).unwrap();
            let of = Reference::parse("a.b/c").unwrap();
            let failed = |source| RemoteError::AuthFile { path: PathBuf::new(), source };
            let error = format!("{:?}", in_file(&parsed, &of, failed).unwrap_err());
            assert!(!error.contains("secret") && !error.contains("c2Vj"), "{error}");
        }
        let error = serde_json::from_str::<AuthFileText>(r#"{"auths": "secret"}"#).map(|_| ()).unwrap_err();
        assert!(!quiet(&error).to_string().contains("secret"));
    }
}

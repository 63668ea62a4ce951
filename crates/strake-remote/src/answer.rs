//! The meaning of a registry's answers.

use std::io::Read;

use strake_image::Digest;
use ureq::http::Response;
use ureq::http::header::RETRY_AFTER;
use ureq::{Body, http};

use crate::client::Shared;
use crate::credentials::Credentials;
use crate::error::{RemoteError, is_passing};
use crate::retry::{self, PATIENCE};

/// More of an error's text is not read, in bytes.
const MAX_MESSAGE: u64 = 64 * 1024;

/// So much of it is shown, in characters.
const SHOWN_MESSAGE: usize = 300;

/// The host that answers, and the credentials that the request carried.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) host: &'a str,
    pub(crate) credentials: Option<&'a Credentials>,
    /// The purpose.
    pub(crate) what: &'a str,
}

/// An error's text. Those who hand out tokens have other words than registries.
#[derive(serde::Deserialize)]
struct ErrorText {
    errors: Option<Vec<Item>>,
    details: Option<String>,
    error_description: Option<String>,
}

#[derive(serde::Deserialize)]
struct Item {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// A header's value, where it is text.
pub(crate) fn header<'r>(answer: &'r Response<Body>, name: &str) -> Option<&'r str> {
    answer.headers().get(name)?.to_str().ok()
}

/// The digest that an answer says a manifest has.
pub(crate) fn said_digest(answer: &Response<Body>) -> Option<Digest> {
    Digest::parse(header(answer, "docker-content-digest")?).ok()
}

/// Takes to heart what an answer says about when to come back.
pub(crate) fn heed(shared: &Shared, host: &str, answer: &Response<Body>) -> Result<(), RemoteError> {
    let now = shared.now();
    match header(answer, RETRY_AFTER.as_str()).and_then(|value| retry::after(value, now)) {
        Some(after) if after > PATIENCE => {
            Err(RemoteError::Busy { host: host.to_owned(), status: answer.status().as_u16(), after })
        }
        Some(after) => {
            shared.gates.close(host, now + after);
            Ok(())
        }
        None => Ok(()),
    }
}

impl Asked<'_> {
    /// The error of an answer that is not a success. `counts_as` is the status that decides how to handle it.
    pub(crate) fn refusal(&self, answer: Response<Body>, counts_as: u16) -> RemoteError {
        let (host, what, status) = (self.host.to_owned(), self.what.to_owned(), answer.status().as_u16());
        let (codes, message) = self.said(answer);
        match counts_as {
            401 | 403 => {
                let has_credentials = self.credentials.is_some();
                RemoteError::Denied { host, what, status, message, has_credentials }
            }
            _ if codes.iter().any(|code| code == "MANIFEST_BLOB_UNKNOWN") => {
                RemoteError::BlobUnknown { host, status, message }
            }
            404 => RemoteError::NotFound { host, what, message },
            _ => RemoteError::Status { host, what, status, is_passing: is_passing(counts_as), message },
        }
    }

    /// The answer makes no sense.
    pub(crate) fn odd(&self, reason: &str) -> RemoteError {
        RemoteError::Answer {
            host: self.host.to_owned(),
            what: self.what.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// The codes in an error's text, and the text for people.
    fn said(&self, answer: http::Response<Body>) -> (Vec<String>, String) {
        let mut text = Vec::new();
        // An error's text that cannot be read is as good as none.
        let _ = answer.into_body().into_reader().take(MAX_MESSAGE).read_to_end(&mut text);
        let Ok(ErrorText { errors, details, error_description }) = serde_json::from_slice(&text) else {
            return (Vec::new(), String::new());
        };
        let errors = errors.unwrap_or_default();
        let mut parts: Vec<String> =
            errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect();
        parts.extend(details);
        parts.extend(error_description);
        (errors.into_iter().map(|error| error.code).collect(), self.shown(&parts.join(", ")))
    }

    /// So much of a text as is shown, without anything secret in it. It must be escaped before it is shown.
    fn shown(&self, text: &str) -> String {
        let text = match self.credentials.map(Credentials::secret) {
            Some(secret) if !secret.is_empty() => text.replace(secret, "…"),
            _ => text.to_owned(),
        };
        text.trim().chars().take(SHOWN_MESSAGE).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_has_nothing_secret_in_it() {
        let credentials = Credentials::parse("user:secret");
        let asked = Asked { host: "a", credentials: credentials.as_ref(), what: "b" };
        assert_eq!(asked.shown(" no secret, no\n"), "no …, no");
        assert_eq!(asked.shown(&"x".repeat(1000)).len(), SHOWN_MESSAGE);
    }
}

//! Manifests and other JSON texts out of a repository.
//!
//! Protocol: the OCI distribution specification 1.1, "pull".

use std::io::{self, Read};

use strake_image::parsed::MAX_JSON;
use strake_image::{Digest, Format, MediaType};
use ureq::Body;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{Method, Response};

use crate::answer::{header, said_digest};
use crate::call::{Call, Payload, Scope};
use crate::error::RemoteError;
use crate::repository::Repository;
use crate::retry::again;
use crate::transport::{Exchange, read_failure};

/// The manifest of an image, as a registry has it.
#[derive(Debug)]
pub struct Pulled {
    /// Its media type, as the registry says it.
    pub media_type: MediaType,
    /// The digest of its text.
    pub digest: Digest,
    /// Its text.
    pub text: Vec<u8>,
}

impl Repository {
    /// Fetches a manifest or an index by tag or digest. `None`: there is none.
    pub fn manifest(&self, wanted: &str) -> Result<Option<Pulled>, RemoteError> {
        let what = format!("get {}", self.image(wanted));
        let call = self.manifest_call(&what, Method::GET, wanted, Scope::Pull);
        let (answer, text) = self.get_json(&call)?;
        if answer.status() == 404 {
            return Ok(None);
        }
        let media_type = header(&answer, CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let media_type = MediaType::from(media_type);
        let digest = Digest::of(&text);
        let expected = Digest::parse(wanted).ok().or_else(|| said_digest(&answer));
        match expected.filter(|expected| *expected != digest) {
            Some(expected) => {
                Err(RemoteError::Digest { host: self.host().to_owned(), expected, found: digest })
            }
            None => Ok(Some(Pulled { media_type, digest, text })),
        }
    }

    /// Whether there is a manifest under this tag or digest.
    pub fn has_name(&self, wanted: &str) -> Result<bool, RemoteError> {
        let what = format!("look for {}", self.image(wanted));
        let call = self.manifest_call(&what, Method::HEAD, wanted, Scope::Pull);
        Ok(self.call(&call, &[])?.status().is_success())
    }

    /// The digest of the manifest under this tag or digest, if there is one and the registry says it.
    pub fn manifest_digest(&self, wanted: &str) -> Result<Option<Digest>, RemoteError> {
        let what = format!("look for {}", self.image(wanted));
        let call = self.manifest_call(&what, Method::HEAD, wanted, Scope::Push);
        let answer = self.call(&call, &[])?;
        Ok(said_digest(&answer).filter(|_| answer.status().is_success()))
    }

    /// Asks for a manifest or an index of any kind.
    pub(crate) fn manifest_call<'c>(
        &self,
        what: &'c str,
        method: Method,
        wanted: &str,
        scope: Scope<'c>,
    ) -> Call<'c> {
        let kinds = Format::ALL.map(|format| format!("{}, {}", format.manifest(), format.index()));
        let url = self.path(&format!("manifests/{wanted}"));
        Call::new(what, method, url, scope).header(ACCEPT.as_str(), kinds.join(", "))
    }

    /// Fetches a blob that should be JSON, and is what its digest says.
    pub(crate) fn json_blob(&self, digest: Digest) -> Result<Vec<u8>, RemoteError> {
        let url = self.path(&format!("blobs/{digest}"));
        let call = Call::new("get a part of the image", Method::GET, url, Scope::Pull);
        let (answer, text) = self.get_json(&call)?;
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            return Err(self.refusal(&call, answer, status));
        }
        match Digest::of(&text) {
            found if found == digest => Ok(text),
            found => Err(RemoteError::Digest { host: self.host().to_owned(), expected: digest, found }),
        }
    }

    /// Asks for a text, which is empty where the answer is none of success.
    pub(crate) fn get_json(&self, call: &Call<'_>) -> Result<(Response<Body>, Vec<u8>), RemoteError> {
        again(self.shared().settings.limits.pause, || {
            let mut answer = self.call_once(call, &mut Payload::Bytes(&[]))?;
            let is_there = answer.status().is_success();
            let text = if is_there { self.read_json(call, answer.body_mut())? } else { Vec::new() };
            Ok((answer, text))
        })
    }

    /// The error of a body that cannot be read.
    pub(crate) fn unread(&self, kind: Exchange, error: io::Error) -> RemoteError {
        read_failure(&self.shared().settings, kind, self.host().to_owned(), error)
    }

    fn read_json(&self, call: &Call<'_>, body: &mut Body) -> Result<Vec<u8>, RemoteError> {
        let mut text = Vec::new();
        body.as_reader()
            .take(MAX_JSON + 1)
            .read_to_end(&mut text)
            .map_err(|error| self.unread(Exchange::Document, error))?;
        if text.len() as u64 > MAX_JSON {
            return Err(self.odd(call, "it is larger than any manifest or config"));
        }
        Ok(text)
    }
}

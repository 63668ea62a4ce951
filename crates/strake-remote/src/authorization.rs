//! Shows a registry who asks.
//!
//! Protocol: RFC 7617, "basic"; the distribution project's "token authentication specification", and its `OAuth2` variant for
//! identity tokens.

use std::io::{Cursor, Read};
use std::sync::{Mutex, PoisonError};

use ureq::SendBody;
use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::http::{HeaderMap, Request, Uri};

use crate::answer::{Asked, heed};
use crate::call::{Scope, encode};
use crate::challenge::Challenge;
use crate::client::Shared;
use crate::credentials::Credentials;
use crate::error::{RemoteError, is_passing};
use crate::origin::Origin;
use crate::token::{MAX_ANSWER, Tokens};
use crate::transport::{Exchange, host_of, read_failure};

/// The operation, for messages.
const WHAT: &str = "get a token";

/// The credentials for one registry.
#[derive(Debug)]
pub(crate) struct Authorization {
    pub(crate) credentials: Option<Credentials>,
    challenge: Mutex<Option<Challenge>>,
    tokens: Tokens,
    /// Held by the one who fetches a token; the others wait for it.
    fetching: Mutex<()>,
}

/// The authorization of a request.
pub(crate) struct Shown {
    /// The header's value, if there is one.
    pub(crate) header: Option<String>,
    /// For what the token in it is.
    purpose: String,
}

/// A token that is wanted.
struct Wanted<'w> {
    realm: Uri,
    service: Option<&'w str>,
    scopes: &'w [String],
}

impl Authorization {
    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        let (challenge, tokens, fetching) = Default::default();
        Self { credentials, challenge, tokens, fetching }
    }

    /// Notes which authentication the registry requires.
    pub(crate) fn challenged(&self, headers: &HeaderMap) {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        if let Some(challenge) = Challenge::parse(values) {
            *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge);
        }
    }

    /// The authorization that was used is no longer valid.
    pub(crate) fn refused(&self, shown: &Shown) {
        if let Some(token) = shown.header.as_deref().and_then(|text| text.strip_prefix("Bearer ")) {
            self.tokens.forget(&shown.purpose, token);
        }
    }

    /// The authorization for this request.
    pub(crate) fn show(
        &self,
        shared: &Shared,
        origin: &Origin,
        repository: &str,
        scope: Scope<'_>,
    ) -> Result<Shown, RemoteError> {
        let plain = |header| Ok(Shown { header, purpose: String::new() });
        let challenge = self.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (realm, service) = match (challenge, &self.credentials) {
            (_, Some(Credentials::RegistryToken(token))) => return plain(Some(format!("Bearer {token}"))),
            (None, _) => return plain(None),
            (Some(Challenge::Basic), credentials) => {
                return plain(credentials.as_ref().and_then(Credentials::basic));
            }
            (Some(Challenge::Bearer { realm, service }), _) => (realm, service),
        };
        let scopes = scope.of(repository);
        let purpose = format!("{realm} {service:?} {scopes:?}");
        let _only_one = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let token = if let Some(token) = self.tokens.get(&purpose, shared.now()) {
            token
        } else {
            let asked = self.asked(origin);
            let realm = origin.absolute(&realm, None).ok_or_else(|| asked.odd("its realm is no URL"))?;
            let wanted = Wanted { realm, service: service.as_deref(), scopes: &scopes };
            self.fetch(shared, origin, &wanted, &purpose)?
        };
        Ok(Shown { header: Some(format!("Bearer {token}")), purpose })
    }

    fn asked<'a>(&'a self, origin: &'a Origin) -> Asked<'a> {
        Asked { host: &origin.host, credentials: self.credentials.as_ref(), what: WHAT }
    }

    /// Fetches a token. It is tried once: the caller retries, by itself or with the request that needs it.
    fn fetch(
        &self,
        shared: &Shared,
        origin: &Origin,
        wanted: &Wanted<'_>,
        purpose: &str,
    ) -> Result<String, RemoteError> {
        let asked = self.asked(origin);
        origin.may_give_tokens(&wanted.realm, self.credentials.is_some()).map_err(|reason| {
            asked.odd(&format!("the token endpoint {}: {reason}", host_of(&wanted.realm)))
        })?;
        let host = host_of(&wanted.realm);
        shared.gates.pass(&host, shared.settings.now);
        let request = self.request(wanted).ok_or_else(|| asked.odd("its realm is no URL"))?;
        let kind = Exchange::Token;
        let answer = shared.transport.send(&shared.settings, origin.address(), kind, request)?;
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            if is_passing(status) {
                heed(shared, &host, &answer)?;
            }
            return Err(asked.refusal(answer, status));
        }
        let mut text = Vec::new();
        let read = answer.into_body().into_reader().take(MAX_ANSWER).read_to_end(&mut text);
        read.map_err(|error| read_failure(&shared.settings, kind, host, error))?;
        let token = self.tokens.keep(purpose, &text, shared.now());
        token.ok_or_else(|| asked.odd("there is no token in its answer"))
    }

    fn request(&self, wanted: &Wanted<'_>) -> Option<Request<SendBody<'static>>> {
        let Wanted { realm, service, scopes } = wanted;
        if let Some(Credentials::IdentityToken(token)) = &self.credentials {
            let joined = scopes.join(" ");
            let mut form = vec![("grant_type", "refresh_token"), ("client_id", "strake"), ("scope", &joined)];
            form.extend(service.map(|service| ("service", service)));
            form.push(("refresh_token", token));
            let form = encode(&form);
            let request = Request::post(realm)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(CONTENT_LENGTH, form.len());
            return request.body(SendBody::from_owned_reader(Cursor::new(form.into_bytes()))).ok();
        }
        let mut query: Vec<(&str, &str)> = service.map(|service| ("service", service)).into_iter().collect();
        query.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        let joint = if realm.query().is_some() { '&' } else { '?' };
        let mut request = Request::get(format!("{realm}{joint}{}", encode(&query)));
        if let Some(basic) = self.credentials.as_ref().and_then(Credentials::basic) {
            request = request.header(AUTHORIZATION, basic);
        }
        request.body(SendBody::none()).ok()
    }
}

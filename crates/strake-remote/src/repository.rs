//! A repository in a registry: asks it things.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, LOCATION};
use ureq::http::{Method, Request, Response, Uri};
use ureq::{Body, SendBody};

use crate::answer::{Asked, header, heed};
use crate::auth_file;
use crate::authorization::{Authorization, Shown};
use crate::call::{Call, Payload, Scope};
use crate::client::{Client, Shared};
use crate::error::{RemoteError, is_passing};
use crate::origin::Origin;
use crate::reference::Reference;
use crate::retry::{self, ATTEMPTS, again};
use crate::settings::is_loopback;
use crate::transport::{Exchange, host_of};

/// Bodies of at least this many bytes are only sent once the registry has said that it will take them.
const EXPECT: u64 = 1024 * 1024;

/// The maximum number of redirections that are followed.
const MAX_REDIRECTS: usize = 5;

/// So often it is tried to reach a registry at all.
const PINGS: u32 = 3;

/// A repository in a registry.
#[derive(Debug)]
pub struct Repository {
    client: Client,
    name: String,
    origin: Origin,
    authorization: Authorization,
    /// Whether images go there.
    is_destination: AtomicBool,
}

impl Repository {
    /// Finds out whether the registry is reachable, whether it uses TLS, its authentication scheme, and the credentials for it.
    pub fn connect(client: &Client, of: &Reference) -> Result<Self, RemoteError> {
        let settings = &client.0.settings;
        let credentials = match &settings.credentials {
            Some(credentials) => Some(credentials.clone()),
            None => auth_file::find(&settings.auth_files, of)?,
        };
        let (base, answer) = reach(&client.0, of.address())?;
        let origin = Origin { host: of.host.clone(), base };
        let authorization = Authorization::new(credentials);
        authorization.challenged(answer.headers());
        let (name, is_destination) = (of.repository.clone(), AtomicBool::new(false));
        Ok(Self { client: client.clone(), name, origin, authorization, is_destination })
    }

    /// From now on every request shows that it may push, so that no second token is needed for what only reads.
    pub(crate) fn becomes_destination(&self) {
        self.is_destination.store(true, Ordering::Relaxed);
    }

    /// The registry's name.
    pub fn host(&self) -> &str {
        &self.origin.host
    }

    /// The repository's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An image of this repository, for people.
    pub(crate) fn image(&self, wanted: &str) -> String {
        let joint = if wanted.contains(':') { '@' } else { ':' };
        format!("{}/{}{joint}{wanted}", self.host(), self.name)
    }

    /// A path below the repository's.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.name)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.client.0
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The error of an answer that is not a success. `status` is the status that it counts as.
    pub(crate) fn refusal(&self, call: &Call<'_>, answer: Response<Body>, status: u16) -> RemoteError {
        self.asked(call).refusal(answer, status)
    }

    /// An answer makes no sense.
    pub(crate) fn odd(&self, call: &Call<'_>, reason: &str) -> RemoteError {
        self.asked(call).odd(reason)
    }

    fn asked<'a>(&'a self, call: &'a Call<'_>) -> Asked<'a> {
        let credentials = self.authorization.credentials.as_ref();
        Asked { host: self.host(), credentials, what: call.what }
    }

    /// Makes sure that a registry may send us there.
    pub(crate) fn may_go_to(&self, call: &Call<'_>, url: &Uri) -> Result<(), RemoteError> {
        let verified = self.shared().settings.verify_tls;
        self.origin
            .may_lead_to(url, verified)
            .map_err(|reason| self.odd(call, &format!("it redirects to {}: {reason}", host_of(url))))
    }

    /// Asks, again if need be. The answer is one of success, or 404, 413 or 416, or else an error.
    pub(crate) fn call(&self, call: &Call<'_>, body: &[u8]) -> Result<Response<Body>, RemoteError> {
        let pause = self.shared().settings.limits.pause;
        again(pause, || self.call_once(call, &mut Payload::Bytes(body)))
    }

    /// Asks once. The answer is one of success, or 404, 413 or 416, or else an error.
    pub(crate) fn call_once(
        &self,
        call: &Call<'_>,
        body: &mut Payload<'_>,
    ) -> Result<Response<Body>, RemoteError> {
        let shared = self.shared();
        let mut url =
            self.origin.absolute(&call.url, None).ok_or_else(|| self.odd(call, "it names no URL"))?;
        let mut refused = false;
        for _ in 0..=MAX_REDIRECTS {
            let shown = if self.origin.has(&url) {
                let scope = match call.scope {
                    Scope::Pull if self.is_destination.load(Ordering::Relaxed) => Scope::Push,
                    scope => scope,
                };
                let show = || self.authorization.show(shared, &self.origin, &self.name, scope);
                // A body that can be sent only once is not written again because of a token.
                Some(if let Payload::Stream(..) = body {
                    again(shared.settings.limits.pause, show)
                } else {
                    show()
                }?)
            } else {
                None
            };
            let host = host_of(&url);
            shared.gates.pass(&host, shared.settings.now);
            let answer = self.send(call, &url, shown.as_ref(), body)?;
            let status = answer.status().as_u16();
            match (status, &shown) {
                (401, Some(shown)) if !refused => {
                    refused = true;
                    self.authorization.refused(shown);
                    self.authorization.challenged(answer.headers());
                    if let Payload::Stream(..) = body {
                        // It cannot be sent again from here, but from its beginning.
                        return Err(self.refusal(call, answer, 503));
                    }
                }
                (301 | 302 | 303 | 307 | 308, _) if matches!(call.method, Method::GET | Method::HEAD) => {
                    let to = header(&answer, LOCATION.as_str());
                    let to = to.and_then(|to| self.origin.absolute(to, Some(&url)));
                    url = to.ok_or_else(|| self.odd(call, "it sends us nowhere"))?;
                    self.may_go_to(call, &url)?;
                }
                (200..=299 | 404 | 413 | 416, _) => return Ok(answer),
                _ => {
                    if is_passing(status) {
                        heed(shared, &host, &answer)?;
                    }
                    return Err(self.refusal(call, answer, status));
                }
            }
        }
        Err(self.odd(call, "it sends us in circles"))
    }

    fn send(
        &self,
        call: &Call<'_>,
        url: &Uri,
        shown: Option<&Shown>,
        body: &mut Payload<'_>,
    ) -> Result<Response<Body>, RemoteError> {
        let mut request = Request::builder().method(call.method.clone()).uri(url.clone());
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(header) = shown.and_then(|shown| shown.header.as_deref()) {
            request = request.header(AUTHORIZATION, header);
        }
        let (shared, registry) = (self.shared(), self.origin.address());
        let wrong = |_| self.odd(call, "it names what cannot be said in a header");
        if matches!(call.method, Method::GET | Method::HEAD | Method::DELETE) {
            let request = request.body(SendBody::none()).map_err(wrong)?;
            let kind = if call.is_blob { Exchange::Blob } else { Exchange::Document };
            return shared.transport.send(&shared.settings, registry, kind, request);
        }
        let kind = if call.method == Method::POST { Exchange::Document } else { Exchange::Store };
        let (mut bytes, length): (&[u8], _) = match body {
            Payload::Bytes(bytes) => (bytes, Some(bytes.len() as u64)),
            Payload::Stream(_, length) => (&[], *length),
        };
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        if length.is_none_or(|length| length >= EXPECT) {
            request = request.header("expect", "100-continue");
        }
        let reader: &mut dyn Read = match body {
            Payload::Bytes(_) => &mut bytes,
            Payload::Stream(reader, _) => *reader,
        };
        let request = request.body(SendBody::from_reader(reader)).map_err(wrong)?;
        shared.transport.send(&shared.settings, registry, kind, request)
    }
}

/// Finds out whether a registry is there and whether it speaks TLS, and returns its URL and what it says.
fn reach(shared: &Shared, address: &str) -> Result<(String, Response<Body>), RemoteError> {
    let may_be_plain = is_loopback(address) || !shared.settings.verify_tls;
    let (safe, plain) = (format!("https://{address}"), format!("http://{address}"));
    let mut failures = 0;
    loop {
        let error = match ping(shared, &safe) {
            Err(error @ (RemoteError::Tls { .. } | RemoteError::Unreachable { .. })) => error,
            other => return Ok((safe, other?)),
        };
        // Before it is tried again: one that does not speak TLS never will. 400 is what one that does says to those who do not.
        if may_be_plain {
            match ping(shared, &plain) {
                Err(RemoteError::Tls { .. } | RemoteError::Unreachable { .. }) => {}
                Ok(answer) if answer.status() == 400 => {}
                other => return Ok((plain, other?)),
            }
        }
        failures += error.weight();
        if !error.is_passing() || failures >= PINGS {
            return Err(error);
        }
        std::thread::sleep(retry::pause(shared.settings.limits.pause, failures));
    }
}

/// Asks a registry whether it is one, again if it is busy.
fn ping(shared: &Shared, base: &str) -> Result<Response<Body>, RemoteError> {
    let host = base.split_once("://").map_or(base, |(_, host)| host);
    let asked = Asked { host, credentials: None, what: "ask whether it is a registry" };
    let mut failures = 0;
    loop {
        shared.gates.pass(host, shared.settings.now);
        let request = Request::get(format!("{base}/v2/")).body(SendBody::none());
        let request = request.map_err(|_| asked.odd("its name makes no URL"))?;
        let answer = shared.transport.send(&shared.settings, host, Exchange::Document, request)?;
        failures += 1;
        let status = answer.status().as_u16();
        if !is_passing(status) {
            return Ok(answer);
        }
        heed(shared, host, &answer)?;
        if failures >= ATTEMPTS {
            return Err(asked.refusal(answer, status));
        }
        std::thread::sleep(retry::pause(shared.settings.limits.pause, failures));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use strake_testkit::registry::{Effect, Fault, Personality, Registry};

    use super::*;
    use crate::limits::{Exceeded, Limits};
    use crate::settings::Settings;

    const WINDOW: Duration = Duration::from_millis(500);
    const STORE: Duration = Duration::from_millis(900);

    /// Sends a blob while this happens.
    fn check(size: u64, effect: &Effect, expected: Exceeded) {
        let faults = vec![Fault::burst("PUT", "/blobs/", 1, u32::MAX, effect.clone())];
        let registry = Registry::start(Personality { faults, ..Personality::default() });
        let limits = Limits { window: WINDOW, store: STORE, ..Limits::default() };
        let reference = Reference::parse(&format!("{}/app", registry.address())).unwrap();
        let repository = Repository::connect(
            &Client::new(Settings { limits, ..Settings::new(SystemTime::now) }),
            &reference,
        )
        .unwrap();
        let url = repository.path("blobs/uploads/1");
        let call = Call::new("upload a blob", Method::PUT, url, Scope::Push);
        let mut body = std::io::repeat(7).take(size);
        let found = repository.call_once(&call, &mut Payload::Stream(&mut body, Some(size)));
        let is_it = matches!(found, Err(RemoteError::Limit { source, .. }) if source == expected);
        assert!(is_it, "{effect:?} {found:?}");
    }

    #[test]
    fn uploads_that_are_never_taken() {
        let header = Exceeded::Time { what: "no complete response header", limit: STORE };
        // Longer than nothing may come in a body.
        check(10, &Effect::Delay(Duration::from_secs(2)), header);
        check(10, &Effect::Trickle(5, Duration::from_millis(50)), header);
        let interim = Effect::Endless(Vec::new(), b"HTTP/1.1 102 Processing\r\n\r\n".to_vec());
        check(10, &interim, Exceeded::Header(65_536));
        // More than fits into what the systems on both sides keep.
        let stuck = Exceeded::Time { what: "no byte accepted", limit: WINDOW };
        check(50_000_000, &Effect::SlowRead(Duration::from_millis(1)), stuck);
        check(50_000_000, &interim, stuck);
    }
}

//! Sends requests: connections, TLS, proxies, and what an HTTP library's errors mean.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Request, Response, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Proxy, SendBody, Timeout};

use crate::error::RemoteError;
use crate::limits::{Exceeded, Limits, MAX_HEADER};
use crate::measured::Measure;
use crate::settings::Settings;
use crate::tls;

/// The maximum number of connections to a host that are kept for further requests.
const CONNECTIONS: usize = 16;

/// Connections to each host, by scheme, host and the registry that led there: each with what it needs.
#[derive(Debug, Default)]
pub(crate) struct Transport {
    agents: Mutex<HashMap<[String; 3], Agent>>,
}

/// A kind of request, by which its response is limited in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// A token is fetched.
    Token,
    /// A manifest is fetched, or another response whose size is limited.
    Document,
    /// A blob is fetched, of any size.
    Blob,
    /// Something is stored.
    Store,
}

impl Exchange {
    /// The maximum times for a response's header and for its body.
    fn times(self, limits: &Limits) -> (Duration, Option<Duration>) {
        match self {
            Self::Token => (limits.token, Some(limits.token)),
            Self::Document => (limits.answer, Some(limits.document)),
            Self::Blob => (limits.answer, None),
            Self::Store => (limits.store, Some(limits.document)),
        }
    }

    /// The limit that a timeout of the library stands for.
    fn exceeded(self, limits: &Limits, timeout: Timeout) -> Exceeded {
        let (answer, body) = self.times(limits);
        let (what, limit) = match timeout {
            Timeout::RecvResponse => ("no complete response header", answer),
            Timeout::RecvBody => ("no complete response body", body.unwrap_or(answer)),
            Timeout::PerRead => ("no byte received", limits.window),
            _ => ("no byte accepted", limits.window),
        };
        Exceeded::Time { what, limit }
    }
}

/// A host, with its port if the URL has one.
pub(crate) fn host_of(url: &Uri) -> String {
    url.authority().map(|authority| bare(authority.as_str()).to_owned()).unwrap_or_default()
}

/// Without a user's name.
fn bare(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

impl Transport {
    /// Sends a request and returns whatever the answer is. Redirections are answers. `registry`: the host that the user has named.
    pub(crate) fn send(
        &self,
        settings: &Settings,
        registry: &str,
        exchange: Exchange,
        request: Request<SendBody<'_>>,
    ) -> Result<Response<Body>, RemoteError> {
        let url = request.uri();
        let host = host_of(url);
        let scheme = url.scheme_str().unwrap_or_default().to_owned();
        let agent = self.agent(settings, registry, scheme, host.clone())?;
        let (answer, body) = exchange.times(&settings.limits);
        let request = agent.configure_request(request);
        let request = request.timeout_recv_response(Some(answer)).timeout_recv_body(body).build();
        agent.run(request).map_err(|error| failure(settings, exchange, host, error))
    }

    fn agent(
        &self,
        settings: &Settings,
        registry: &str,
        scheme: String,
        host: String,
    ) -> Result<Agent, RemoteError> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let key = [scheme, host, registry.to_owned()];
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let agent = new(settings, &key)?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }
}

fn new(settings: &Settings, [scheme, host, registry]: &[String; 3]) -> Result<Agent, RemoteError> {
    let limits = settings.limits;
    let proxy = settings.proxies.of(scheme, host);
    let proxy = proxy.map(|url| Proxy::new(url).map_err(|_| RemoteError::Proxy(without_password(url))));
    let builder = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy.transpose()?)
        .user_agent(settings.user_agent.as_str())
        .accept_encoding("identity")
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.window))
        .timeout_per_read(Some(limits.window))
        .timeout_per_write(Some(limits.window))
        .max_response_header_size(MAX_HEADER)
        .max_idle_connections_per_host(CONNECTIONS);
    let builder =
        if scheme == "https" { builder.tls_config(tls::config(settings, host, registry)?) } else { builder };
    let connector = DefaultConnector::default().chain(Measure(limits));
    Ok(Agent::with_parts(builder.build(), connector, DefaultResolver::default()))
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => url.to_owned(),
    }
}

/// The error for the library's error.
fn failure(settings: &Settings, exchange: Exchange, host: String, error: ureq::Error) -> RemoteError {
    match error {
        ureq::Error::Rustls(error) => tls_failure(host, io::Error::other(error.to_string())),
        ureq::Error::Tls(reason) => tls_failure(host, io::Error::other(reason)),
        // The TLS library speaks through the connection's errors as well.
        ureq::Error::Io(error) if inner::<rustls::Error>(&error).is_some() => tls_failure(host, error),
        ureq::Error::Io(error) if let Some(&source) = inner::<Exceeded>(&error) => {
            RemoteError::Limit { host, source }
        }
        ureq::Error::LargeResponseHeader(..) => {
            RemoteError::Limit { host, source: Exceeded::Header(MAX_HEADER) }
        }
        ureq::Error::Timeout(timeout) if !matches!(timeout, Timeout::Resolve | Timeout::Connect) => {
            RemoteError::Limit { host, source: exchange.exceeded(&settings.limits, timeout) }
        }
        other => RemoteError::Unreachable { host, source: other.into_io() },
    }
}

/// The error of a response's body that cannot be read.
pub(crate) fn read_failure(
    settings: &Settings,
    exchange: Exchange,
    host: String,
    error: io::Error,
) -> RemoteError {
    match error.downcast::<ureq::Error>() {
        Ok(error) => failure(settings, exchange, host, error),
        Err(error) => failure(settings, exchange, host, ureq::Error::Io(error)),
    }
}

/// The error in an error.
fn inner<E: std::error::Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref()?.downcast_ref()
}

fn tls_failure(host: String, source: io::Error) -> RemoteError {
    RemoteError::Tls { host, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sees_a_proxys_password() {
        for (url, expected) in [
            ("http://user:secret@proxy:1", "http://proxy:1"),
            ("user:secret@proxy", "proxy"),
            ("http://proxy:1", "http://proxy:1"),
        ] {
            assert_eq!(without_password(url), expected);
        }
    }

    #[test]
    fn hosts() {
        for (url, expected) in
            [("http://a:1/x", "a:1"), ("https://user:secret@a/x", "a"), ("https://[::1]:5/x", "[::1]:5")]
        {
            assert_eq!(host_of(&url.parse().unwrap()), expected);
        }
    }
}

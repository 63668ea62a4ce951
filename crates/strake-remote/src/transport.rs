//! Sends requests: connections, TLS, proxies, and what an HTTP library's errors mean.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Method, Request, Response, Uri};
use ureq::{Agent, Body, Proxy, SendBody};

use crate::error::RemoteError;
use crate::settings::Settings;
use crate::tls;

const CONNECT: Duration = Duration::from_secs(30);

/// A registry may take its time to put a large blob where it belongs before it answers that it has it.
const ANSWER: Duration = Duration::from_mins(10);

/// As long as nothing at all may go through a connection.
const STALL: Duration = Duration::from_mins(2);

/// So many connections to a host are kept to be used again.
const CONNECTIONS: usize = 16;

/// More is not read of an answer's head, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Connections to each host, by scheme, host and the registry that led there: each with what it needs.
#[derive(Debug, Default)]
pub(crate) struct Transport {
    agents: Mutex<HashMap<[String; 3], Agent>>,
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
        request: Request<SendBody<'_>>,
    ) -> Result<Response<Body>, RemoteError> {
        let url = request.uri();
        let host = host_of(url);
        let scheme = url.scheme_str().unwrap_or_default().to_owned();
        let agent = self.agent(settings, registry, scheme, host.clone())?;
        let request = match *request.method() {
            // A download may take as long as it wants, as long as something comes.
            Method::GET | Method::HEAD => {
                agent.configure_request(request).timeout_per_read(Some(STALL)).build()
            }
            // What comes after an upload is short, but may be late.
            Method::PUT | Method::PATCH => {
                agent.configure_request(request).timeout_recv_body(Some(STALL)).build()
            }
            _ => agent
                .configure_request(request)
                .timeout_recv_response(Some(STALL))
                .timeout_recv_body(Some(STALL))
                .build(),
        };
        agent.run(request).map_err(|error| failure(host, error))
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
    let proxy = settings.proxies.of(scheme, host);
    let proxy = proxy.map(|url| Proxy::new(url).map_err(|_| RemoteError::Proxy(without_password(url))));
    let builder = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy.transpose()?)
        .user_agent(settings.user_agent.as_str())
        .accept_encoding("identity")
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_write(Some(STALL))
        .max_response_header_size(MAX_HEAD)
        .max_idle_connections_per_host(CONNECTIONS);
    let builder =
        if scheme == "https" { builder.tls_config(tls::config(settings, host, registry)?) } else { builder };
    Ok(builder.build().new_agent())
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => url.to_owned(),
    }
}

/// What the library's error means.
fn failure(host: String, error: ureq::Error) -> RemoteError {
    match error {
        ureq::Error::Rustls(error) => tls_failure(host, io::Error::other(error.to_string())),
        ureq::Error::Tls(reason) => tls_failure(host, io::Error::other(reason)),
        // The TLS library speaks through the connection's errors as well.
        ureq::Error::Io(error) if error.get_ref().is_some_and(<dyn std::error::Error + std::marker::Send + std::marker::Sync + 'static>::is::<rustls::Error>) => {
            tls_failure(host, error)
        }
        other => RemoteError::Unreachable { host, source: other.into_io() },
    }
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

//! Requests of the Docker Engine API, which podman's service understands as well.
//!
//! Protocol: the Docker Engine API, <https://docs.docker.com/reference/api/engine/>. Paths without a version mean the daemon's newest.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, SendBody};

use super::Archive;
use super::connect::Connect;
use super::endpoint::{Endpoint, TlsFiles};
use super::error::EngineError;
use crate::tls;

/// The maximum size of an answer other than an image, in bytes: a list of thousands of images takes a few MiB.
const MAX_ANSWER: u64 = 64 << 20;

/// The maximum time for a TCP connection.
const CONNECT: Duration = Duration::from_secs(30);

/// A daemon that is asked over HTTP.
pub(super) struct Api {
    agent: Agent,
    base: String,
    engine: String,
}

impl Api {
    pub(super) fn new(endpoint: &Endpoint, engine: String) -> Result<Self, EngineError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("strake/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT));
        let (config, base) = match endpoint {
            Endpoint::Tcp { address, tls: Some(files) } => {
                (config.tls_config(tls_config(files)?), format!("https://{address}"))
            }
            Endpoint::Tcp { address, tls: None } => (config, format!("http://{address}")),
            Endpoint::Unix(_) | Endpoint::Ssh { .. } => (config, "http://localhost".to_owned()),
        };
        let agent = match endpoint {
            Endpoint::Tcp { .. } => {
                Agent::with_parts(config.build(), DefaultConnector::default(), DefaultResolver::default())
            }
            _ => Agent::with_parts(config.build(), ().chain(Connect(endpoint.clone())), Nowhere),
        };
        Ok(Self { agent, base, engine })
    }

    /// The daemon's name in messages.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    /// Asks for a JSON document. `None`: it is not there.
    pub(super) fn get(&self, path: &str) -> Result<Option<Value>, EngineError> {
        let answer = self.send(Method::GET, path, SendBody::none())?;
        if answer.status().as_u16() == 404 {
            return Ok(None);
        }
        let text = self.text(&mut self.checked(answer)?)?;
        let value = serde_json::from_slice(&text);
        value.map(Some).map_err(|error| self.not_understood(&error))
    }

    /// Asks for something that is read as a stream.
    pub(super) fn stream(&self, path: &str) -> Result<Response<Body>, EngineError> {
        self.send(Method::GET, path, SendBody::none()).and_then(|answer| self.checked(answer))
    }

    /// Does something.
    pub(super) fn post(&self, path: &str) -> Result<(), EngineError> {
        let answer = self.send(Method::POST, path, SendBody::none())?;
        self.checked(answer).map(drop)
    }

    /// Sends an archive, and returns what is said about it.
    pub(super) fn post_archive(&self, path: &str, archive: Archive) -> Result<Vec<u8>, EngineError> {
        let mut reader = WholeArchive(archive);
        let answer = self.send(Method::POST, path, SendBody::from_reader(&mut reader))?;
        self.text(&mut self.checked(answer)?)
    }

    fn send(&self, method: Method, path: &str, body: SendBody<'_>) -> Result<Response<Body>, EngineError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            // Podman takes a body without this for a form.
            .header("content-type", "application/x-tar")
            .body(body)
            .map_err(|error| self.not_understood(&error))?;
        self.agent.run(request).map_err(|error| self.unreachable(error.into_io()))
    }

    /// An answer that is none of failure.
    fn checked(&self, mut answer: Response<Body>) -> Result<Response<Body>, EngineError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = self.text(&mut answer).unwrap_or_default();
        let said = serde_json::from_slice::<Value>(&text).ok();
        let said = said.as_ref().and_then(|value| value["message"].as_str().or(value["cause"].as_str()));
        let message = said.map_or_else(|| String::from_utf8_lossy(&text).trim().to_owned(), str::to_owned);
        let message = if message.is_empty() { format!("HTTP {status}") } else { message };
        Err(EngineError::Refused { engine: self.engine.clone(), message, status: Some(status.as_u16()) })
    }

    fn text(&self, answer: &mut Response<Body>) -> Result<Vec<u8>, EngineError> {
        let mut text = Vec::new();
        let read = answer.body_mut().as_reader().take(MAX_ANSWER + 1).read_to_end(&mut text);
        read.map_err(|error| self.unreachable(error))?;
        if text.len() as u64 > MAX_ANSWER {
            return Err(self.not_understood(&format!("it has more than {MAX_ANSWER} bytes")));
        }
        Ok(text)
    }

    pub(super) fn not_understood(&self, reason: &impl ToString) -> EngineError {
        EngineError::Answer { engine: self.engine.clone(), reason: reason.to_string() }
    }

    fn unreachable(&self, source: io::Error) -> EngineError {
        EngineError::Unreachable { engine: self.engine.clone(), source }
    }
}

/// An archive that ends with an error where it is cut off, so that the request is.
struct WholeArchive(Archive);

impl Read for WholeArchive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.0.pipe.read(buffer)?;
        if got == 0 && !buffer.is_empty() && !self.0.is_complete.load(Ordering::Acquire) {
            return Err(io::Error::other("the archive that is to be sent is cut off"));
        }
        Ok(got)
    }
}

/// Resolves no names: there is only one place to connect to.
#[derive(Debug)]
struct Nowhere;

impl ureq::unversioned::resolver::Resolver for Nowhere {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: ureq::unversioned::transport::NextTimeout,
    ) -> Result<ureq::unversioned::resolver::ResolvedSocketAddrs, ureq::Error> {
        let mut places = self.empty();
        places.push(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(places)
    }
}

fn tls_config(files: &TlsFiles) -> Result<TlsConfig, EngineError> {
    let file = |name: &str| files.directory.join(name);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let exists = |name: &str| file(name).exists();
    let roots = if exists("ca.pem") { tls::certificates(&file("ca.pem")) } else { Ok(tls::system()) };
    let client = exists("cert.pem").then(|| tls::client(&file("cert.pem"), &file("key.pem"), &provider));
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::from(roots.map_err(EngineError::Tls)?))
        .client_cert(client.transpose().map_err(EngineError::Tls)?)
        .disable_verification(!files.verify)
        .build())
}

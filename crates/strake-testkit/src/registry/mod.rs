//! A registry that a test can inspect, and that fails as a test specifies.
//!
//! It is strict where real ones differ: it takes a manifest only if its repository has all that is in it, an upload's
//! URL only as it was given away, and credentials only where they belong. It listens on three ports of 127.0.0.1: the
//! registry, another host that uploads and downloads may be sent to, and one that gives tokens away.
//!
//! ```
//! use strake_testkit::registry::{Effect, Fault, Personality, Registry};
//!
//! let fault = Fault::once("PUT", "/blobs/uploads/", 2, Effect::CutResponse(0));
//! let registry = Registry::start(Personality { faults: vec![fault], ..Personality::default() });
//! // … push to registry.address() …
//! assert_eq!(registry.count("PUT", "/blobs/uploads/"), 0);
//! assert!(registry.complete("app", "latest").is_err());
//! ```

mod auth;
mod blobs;
mod challenge;
mod complete;
mod digest;
mod exchange;
mod fault;
mod http;
mod listings;
mod log;
mod manifests;
mod personality;
mod response;
mod routes;
mod server;
mod state;
mod tokens;
mod uploads;

use std::sync::Arc;

pub use auth::{Auth, SERVICE, Tokens};
pub use digest::digest;
use exchange::lock;
pub use fault::{Effect, Fault, schedules};
pub use log::{Port, Request};
pub use personality::{Blobs, CutUploads, DigestHeader, Locations, Mounts, Patches, Personality, Referrers};
use server::Server;

use crate::certificates::Certificates;

/// A registry in this process. When it is dropped, it closes its connections, and panics if credentials came to the
/// other host.
pub struct Registry {
    server: Arc<Server>,
}

impl Registry {
    /// Starts one that speaks plain HTTP.
    pub fn start(personality: Personality) -> Self {
        Self { server: Server::start(personality, None) }
    }

    /// Starts one that speaks HTTPS. Clients may have to have a certificate.
    pub fn start_tls(personality: Personality, certificates: &Certificates, of_clients: bool) -> Self {
        Self { server: Server::start(personality, Some(certificates.server(of_clients))) }
    }

    /// The host and port that images are pushed to: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.server.context.address(Port::Registry).to_string()
    }

    /// The host and port of any of its ports.
    pub fn address_of(&self, port: Port) -> String {
        self.server.context.address(port).to_string()
    }

    /// Makes it another one from now on. Faults count from the start; what it has stays.
    pub fn set_personality(&self, personality: Personality) {
        self.server.context.state().counters = fault::Counters::default();
        *lock(&self.server.context.personality) = Arc::new(personality);
    }

    /// All that it was asked, on all ports, in the order in which the requests came.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.server.context.log).clone()
    }

    /// How many requests with this method, or any if it is empty, had this in their path.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let is = |request: &&Request| {
            (method.is_empty() || request.method == method) && request.path.contains(path)
        };
        lock(&self.server.context.log).iter().filter(is).count()
    }

    /// Forgets what it was asked.
    pub fn clear_log(&self) {
        lock(&self.server.context.log).clear();
    }

    /// A blob in a repository.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let state = self.server.context.state();
        Some(state.repositories.get(repository)?.blobs.get(digest)?.to_vec())
    }

    /// The digests of a repository's blobs.
    pub fn blobs(&self, repository: &str) -> Vec<String> {
        let state = self.server.context.state();
        state.repositories.get(repository).map(|it| it.blobs.keys().cloned().collect()).unwrap_or_default()
    }

    /// A manifest's media type and bytes, by tag or digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Vec<u8>)> {
        let state = self.server.context.state();
        let (_, manifest) = state.repositories.get(repository)?.manifest(reference)?;
        Some((manifest.media_type, manifest.bytes.to_vec()))
    }

    /// A repository's tags with their digests.
    pub fn tags(&self, repository: &str) -> Vec<(String, String)> {
        let state = self.server.context.state();
        let tags = state.repositories.get(repository).map(|it| it.tags.clone());
        tags.into_iter().flatten().collect()
    }

    /// Puts a blob there and returns its digest.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let mut state = self.server.context.state();
        let into = state.repositories.entry(repository.to_owned()).or_default();
        into.blobs.insert(digest.clone(), Arc::new(bytes.to_vec()));
        digest
    }

    /// Puts any bytes there under any digest, right or wrong.
    pub fn put_false_blob(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let mut state = self.server.context.state();
        let into = state.repositories.entry(repository.to_owned()).or_default();
        into.blobs.insert(digest.to_owned(), Arc::new(bytes.to_vec()));
    }

    /// Puts a manifest there, under a tag or its digest, and returns its digest. Nothing is checked.
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let manifest = state::Manifest { media_type: media_type.to_owned(), bytes: Arc::new(bytes.to_vec()) };
        let mut state = self.server.context.state();
        let into = state.repositories.entry(repository.to_owned()).or_default();
        into.manifests.insert(digest.clone(), manifest);
        if reference != digest {
            into.tags.insert(reference.to_owned(), digest.clone());
        }
        digest
    }

    /// Takes a blob away, as garbage collection does.
    pub fn remove_blob(&self, repository: &str, digest: &str) {
        if let Some(from) = self.server.context.state().repositories.get_mut(repository) {
            from.blobs.remove(digest);
        }
    }

    /// How many uploads have begun and been neither committed nor cancelled.
    pub fn open_uploads(&self) -> usize {
        self.server.context.state().uploads.len()
    }

    /// Checks that a tag's manifest or index and all that it leads to are there, with the right digests and sizes.
    pub fn complete(&self, repository: &str, tag: &str) -> Result<(), String> {
        let state = self.server.context.state();
        let found = state.repositories.get(repository).ok_or_else(|| format!("{repository} is not there"))?;
        complete::check(found, tag)
    }

    /// Requests that clients must never send: credentials to the other host.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.server.context.violations).clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.stop();
        let violations = self.violations();
        assert!(violations.is_empty() || std::thread::panicking(), "{violations:#?}");
    }
}

//! The context of a request: the registry's state and log, and the request itself.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::auth::{Auth, Tokens};
use super::http::Head;
use super::log::{Port, Request};
use super::personality::Personality;
use super::state::State;

/// The data that all requests to a registry share.
pub(super) struct Context {
    state: Mutex<State>,
    pub(super) personality: Mutex<Arc<Personality>>,
    pub(super) log: Mutex<Vec<Request>>,
    pub(super) violations: Mutex<Vec<String>>,
    addresses: [SocketAddr; 3],
    scheme: &'static str,
}

/// A test that fails must not hide behind those that fail after it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All ports, in the order of their addresses.
pub(super) const PORTS: [Port; 3] = [Port::Registry, Port::Storage, Port::Tokens];

impl Context {
    /// `addresses` are those of [`PORTS`], `scheme` is `http` or `https`.
    pub(super) fn new(personality: Personality, addresses: [SocketAddr; 3], scheme: &'static str) -> Self {
        Self {
            state: Mutex::default(),
            personality: Mutex::new(Arc::new(personality)),
            log: Mutex::default(),
            violations: Mutex::default(),
            addresses,
            scheme,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn address(&self, port: Port) -> SocketAddr {
        let index = PORTS.iter().position(|other| *other == port).unwrap_or_default();
        self.addresses[index]
    }

    pub(super) fn scheme(&self) -> &'static str {
        self.scheme
    }

    pub(super) fn violation(&self, what: String) {
        lock(&self.violations).push(what);
    }
}

/// A request on its way through the registry.
pub(super) struct Exchange<'a> {
    pub(super) context: &'a Context,
    pub(super) personality: &'a Personality,
    pub(super) head: &'a Head,
    pub(super) port: Port,
}

impl Exchange<'_> {
    /// The scheme and host that the client asked.
    pub(super) fn here(&self) -> String {
        let address = self.context.address(self.port).to_string();
        format!("{}://{}", self.context.scheme(), self.head.header("host").unwrap_or(&address))
    }

    /// The scheme and host of the other port.
    pub(super) fn storage(&self) -> String {
        format!("{}://{}", self.context.scheme(), self.context.address(Port::Storage))
    }

    /// Where tokens are to be had.
    pub(super) fn token_realm(&self, tokens: &Tokens) -> String {
        if tokens.other_port {
            return format!("{}://{}/token", self.context.scheme(), self.context.address(Port::Tokens));
        }
        format!("{}/token", self.here())
    }

    pub(super) fn tokens_have_a_port(&self) -> bool {
        matches!(&self.personality.auth, Auth::Token(tokens) if tokens.other_port)
    }
}

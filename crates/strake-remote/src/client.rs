//! The data that all connections of one run share.

use std::sync::Arc;
use std::time::SystemTime;

use crate::retry::Gates;
use crate::settings::Settings;
use crate::transport::Transport;

/// Talks to registries.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) transport: Transport,
    pub(crate) gates: Gates,
}

impl Client {
    /// A client that has not talked to anybody.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared { settings, transport: Transport::default(), gates: Gates::default() }))
    }
}

impl Shared {
    pub(crate) fn now(&self) -> SystemTime {
        (self.settings.now)()
    }
}

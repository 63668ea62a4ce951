//! Whom strake talks to over a socket: image registries.
//!
//! Protocol: the OCI distribution specification 1.1, and Docker's registry API v2, from which it comes.
//!
//! **Invariant:** nothing here prints, looks at the environment or the clock, or exits: all that it is to know of these comes
//! in [`Settings`].

mod answer;
mod auth_file;
mod authorization;
mod body;
mod call;
mod challenge;
mod client;
mod credentials;
mod error;
mod helper;
mod internal;
mod learned;
mod limits;
mod measured;
mod open_upload;
mod origin;
mod pull;
mod push;

mod reference;
mod registry_target;
mod repository;
mod retry;
mod settings;
mod tls;
mod token;
mod transport;
mod upload;

pub use auth_file::AuthFile;
pub use client::Client;
pub use credentials::Credentials;
pub use error::RemoteError;
pub use limits::{Exceeded, Limits};
pub use pull::{Pulled, digest, open, open_all, pins};

pub use reference::{Reference, ReferenceError};
pub use registry_target::RegistryTarget;
pub use repository::Repository;
pub use settings::{Proxies, Settings};

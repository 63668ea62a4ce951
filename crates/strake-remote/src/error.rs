//! Errors of registries.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use strake_image::Digest;
use ureq::http::StatusCode;

use crate::limits::Exceeded;

/// Why a registry could not be talked to, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No answer comes.
    #[error("cannot reach {host}")]
    Unreachable {
        /// The registry, or the host it redirected to.
        host: String,
        /// The observed error.
        source: io::Error,
    },
    /// A limit on time, transfer rate or size is exceeded.
    #[error("gave up on {host}")]
    Limit {
        /// The registry, or the host that it sends to.
        host: String,
        /// The limit.
        source: Exceeded,
    },
    /// The other side cannot prove who it is, or does not speak TLS.
    #[error("no safe connection to {host}")]
    Tls {
        /// The registry.
        host: String,
        /// The reason.
        source: io::Error,
    },
    /// Certificates cannot be used.
    #[error("cannot use the certificates in {}", path.display())]
    Certificates {
        /// Where they are.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A proxy's URL is none.
    #[error("{0:?} is not the URL of a proxy")]
    Proxy(String),
    /// A file with credentials cannot be used.
    #[error("cannot use the credentials in {}", path.display())]
    AuthFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A program that keeps credentials does not give any.
    #[error("cannot get credentials for {host} from {program}: {reason}")]
    Helper {
        /// The registry that they are for.
        host: String,
        /// The program.
        program: String,
        /// The message.
        reason: String,
    },
    /// The registry does not know us, or we may not do this.
    #[error("{}: {}{}", tried(.host, .what), meaning(*.status), said(.message))]
    Denied {
        /// The registry.
        host: String,
        /// The operation that failed.
        what: String,
        /// The HTTP status: 401 or 403.
        status: u16,
        /// The message.
        message: String,
        /// Whether credentials were shown.
        has_credentials: bool,
    },
    /// There is no such thing.
    #[error("{}: {}{}", tried(.host, .what), meaning(404), said(.message))]
    NotFound {
        /// The registry.
        host: String,
        /// The operation that failed.
        what: String,
        /// The message.
        message: String,
    },
    /// The registry refuses.
    #[error("{}: {}{}", tried(.host, .what), meaning(*.status), said(.message))]
    Status {
        /// The registry.
        host: String,
        /// The operation that failed.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Whether it may go better another time.
        is_passing: bool,
        /// The message.
        message: String,
    },
    /// The registry says that a blob is missing that it has said it has.
    #[error("{host} lacks a blob of the image: {}{}", meaning(*.status), said(.message))]
    BlobUnknown {
        /// The registry.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The message.
        message: String,
    },
    /// The registry's `Retry-After` exceeds the maximum waiting time.
    #[error("{host}: {}; it asks to wait for {} s", meaning(*.status), after.as_secs())]
    Busy {
        /// The registry.
        host: String,
        /// The HTTP status.
        status: u16,
        /// How long.
        after: Duration,
    },
    /// An answer is not what the protocol says.
    #[error("{}: invalid response: {reason}", tried(.host, .what))]
    Answer {
        /// The registry.
        host: String,
        /// The operation that failed.
        what: String,
        /// The reason.
        reason: String,
    },
    /// Something has another digest than it must have.
    #[error("{host} has {found} in place of {expected}")]
    Digest {
        /// The registry.
        host: String,
        /// The expected value.
        expected: Digest,
        /// The actual value.
        found: Digest,
    },
    /// The image cannot go under the digest that was asked for.
    #[error("the image's manifest is {found}, not {expected}")]
    OtherManifest {
        /// The requested value.
        expected: Digest,
        /// The actual value.
        found: Digest,
    },
    /// Others have written an index each time that it was written.
    #[error("{host}: others have written {name} each of {attempts} times that it was written")]
    Contended {
        /// The registry.
        host: String,
        /// The index.
        name: String,
        /// How often it was written.
        attempts: u32,
    },
    /// A layer could not be read or packed.
    #[error(transparent)]
    Layer(#[from] strake_image::Error),
}

impl RemoteError {
    /// Whether it may go better another time.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Limit { source, .. } => source.is_passing(),
            Self::Status { is_passing, .. } => *is_passing,
            _ => false,
        }
    }

    /// The HTTP status that the registry has answered with, if that is what is wrong.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Denied { status, .. }
            | Self::Status { status, .. }
            | Self::BlobUnknown { status, .. }
            | Self::Busy { status, .. } => Some(*status),
            Self::NotFound { .. } => Some(404),
            _ => None,
        }
    }

    /// How many failures it counts as: who waits for long waits less often.
    pub(crate) fn weight(&self) -> u32 {
        if let Self::Limit { .. } = self { 3 } else { 1 }
    }
}

/// Whether an answer with this status may be another one soon.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// The operation and its target.
fn tried(host: &str, what: &str) -> String {
    if what.contains(host) { format!("cannot {what}") } else { format!("{host}: cannot {what}") }
}

/// An HTTP status for people.
fn meaning(status: u16) -> String {
    let reason = match status {
        429 => Some("rate limited"),
        _ => StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()),
    };
    match reason {
        Some(reason) => format!("{} ({status})", reason.to_lowercase()),
        None => format!("HTTP status {status}"),
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

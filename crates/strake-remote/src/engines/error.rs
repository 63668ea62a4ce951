//! Errors of container engines.

use std::io;

/// Why an engine could not be talked to, or did not take an image.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No answer comes.
    #[error("cannot reach {engine}")]
    Unreachable {
        /// The engine, and where it was looked for.
        engine: String,
        /// The observed error.
        source: io::Error,
    },
    /// The engine refuses, or fails.
    #[error("{engine}: {message}")]
    Refused {
        /// The engine.
        engine: String,
        /// Its own words.
        message: String,
        /// The HTTP status, if it has one.
        status: Option<u16>,
    },
    /// The engine's answer makes no sense.
    #[error("{engine} gives an answer that is not understood: {reason}")]
    Answer {
        /// The engine.
        engine: String,
        /// The reason.
        reason: String,
    },
    /// A program is not installed, or cannot be run.
    #[error("cannot run {program}")]
    Program {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The engine has taken the image and says that it is not whole, though everything was sent.
    #[error("{engine} has taken all layers, but the image is not whole there")]
    Incomplete {
        /// The engine.
        engine: String,
    },
    /// The image is not there.
    #[error("{engine} has no image {name}")]
    NoImage {
        /// The engine.
        engine: String,
        /// The image's name.
        name: String,
    },
    /// The image has no name, and no engine would find it again.
    #[error("the image has no name")]
    NoName,
    /// A node does not run.
    #[error("the kind node {name} is not running: it is {state}")]
    NodeState {
        /// Its name.
        name: String,
        /// Its state, as its provider calls it.
        state: String,
    },
    /// There is no node to load into.
    #[error("there is no kind cluster {cluster:?}, or it has no nodes")]
    NoNodes {
        /// The cluster.
        cluster: String,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(crate::RemoteError),
    /// An archive cannot be written or put aside.
    #[error(transparent)]
    Write(#[from] strake_image::Error),
}

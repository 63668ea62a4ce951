//! Hints for failures of container engines.

use std::io;

use strake_remote::engines::EngineError;

use super::{Failure, chain};

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        if let EngineError::Write(error) = error {
            return error.into();
        }
        let failure = Self::new(chain(&error));
        match &error {
            EngineError::Unreachable { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => failure
                    .hint("add yourself to the group that owns the socket (docker), or run this with sudo"),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    failure.hint("start the daemon, or say where it is with DOCKER_HOST, or name another engine with --to")
                }
                _ => failure,
            },
            EngineError::Program { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                failure.hint("install it, or name another engine with --to")
            }
            EngineError::NoName => failure.hint("name it with -t NAME:TAG"),
            EngineError::NodeState { .. } => failure.hint("start it, or delete the cluster's container"),
            EngineError::NoNodes { .. } => {
                failure.hint("kind get clusters lists clusters; KIND_EXPERIMENTAL_PROVIDER says whose containers its nodes are")
            }
            EngineError::Incomplete { .. } => {
                failure.hint("something removes layers from it at the same time; run this again")
            }
            EngineError::Refused { message, .. } if message.contains("no space left on device") => {
                failure.hint("make room where the engine keeps its images: docker system df, podman system df")
            }
            _ => failure,
        }
    }
}

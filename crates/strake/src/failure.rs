//! Failures, worded for the user: this is the only place where that is done.

mod engine;
mod plan;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use strake_image::layout::PrepareError;
use strake_image::manifest::IndexError;
use strake_image::nix_database::ReadError;
use strake_image::parsed::OpenError;
use strake_image::reference;
use strake_image::spec::{DraftError, SpecError};
use strake_image::{DescribeError, Error, OutputError, Platform, TargetError};
use strake_plan::closure::ClosureError;
use strake_plan::layering::BudgetError;
use strake_plan::layering::lock::LockError;
use strake_plan::layering::pipeline::PipelineError;
use strake_remote::engines::EngineError;
use strake_remote::{ReferenceError, RemoteError};

use crate::report::Style;
use crate::terminal;

/// The exit code of a process that a closed pipe has ended, as shells count it.
const CLOSED_PIPE: u8 = 141;

/// The exit code for a wrong command line, as clap has it.
pub(crate) const USAGE: u8 = 2;

/// The possible defects of an image in a file.
const NOT_WHAT_IT_IS: &str =
    "the file is damaged, or has another form than docker-archive:, oci: or oci-archive: says";

/// An error with its hint.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<Cow<'static, str>>,
    exit_code: u8,
    /// The HTTP status that a registry has answered with.
    status: Option<u16>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit_code: 1, status: None }
    }

    /// The command line contradicts itself or makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: USAGE, ..Self::new(message) }
    }

    pub(crate) fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Stdout failed, outside an archive.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self {
                exit_code: CLOSED_PIPE,
                ..Self::new("the reader of the output went away before it was whole")
            },
            _ => Self::new(format!("cannot write to stdout: {error}")),
        }
    }

    /// There is something to write to stdout, which is not open.
    pub(crate) fn closed_stdout() -> Self {
        Self::new("stdout is closed").hint("redirect it into a file, or to /dev/null")
    }

    /// The conf called `name` is wrong.
    pub(crate) fn spec(name: &str, error: &SpecError) -> Self {
        let failure = Self::new(format!("{name} {}", chain(error)));
        match error {
            SpecError::StorePath { .. } | SpecError::Twice(_) => failure,
            _ => failure.hint("it must be a conf.json as dockerTools.streamLayeredImage writes it"),
        }
    }

    /// The plan from options and store paths is not an image.
    pub(crate) fn planned(error: &SpecError) -> Self {
        Self::new(format!("what is planned {}", chain(error)))
    }

    /// The same where a file says it rather than the command line.
    pub(crate) fn in_file(self) -> Self {
        Self { exit_code: 1, ..self }
    }

    /// The references graph called `name` is none.
    pub(crate) fn closure(name: &str, error: &ClosureError) -> Self {
        let failure = Self::new(format!("{name} {}", chain(error)));
        match error {
            ClosureError::Keys { found: 2.., .. } => failure.hint("say which one with --key NAME"),
            ClosureError::Json(_) | ClosureError::Form | ClosureError::Keys { .. } => failure
                .hint("it must be what exportReferencesGraph, closureInfo or nix path-info --json -r writes"),
            ClosureError::Invalid(_) => failure.hint("build or fetch it first"),
            _ => failure,
        }
    }

    /// The layering pipeline called `name` is wrong, or does not fit the closure.
    pub(crate) fn pipeline(name: &str, error: &PipelineError) -> Self {
        Self::new(format!("{name} {}", chain(error)))
            .hint("docs/layers.md lists the operations of a pipeline")
    }

    /// The lock file called `name` is none.
    pub(crate) fn lock(name: &str, error: &LockError) -> Self {
        let failure = Self::new(format!("{name} {}", chain(error)));
        match error {
            LockError::Json(_) => failure.hint("strake layers --lock FILE --update-lock writes one"),
            LockError::Version(_) | LockError::Planner(_) => {
                failure.hint("use the strake that wrote it, or a later one")
            }
        }
    }

    /// A closure could not be read from the store's database.
    pub(crate) fn read_database(error: &ReadError) -> Self {
        let failure = Self::new(chain(error));
        match error {
            ReadError::NotValid { .. } => {
                failure.hint("build or fetch it first, or say with --store-root where the store lies")
            }
            _ => failure,
        }
    }

    /// There is no layer left for store paths, or there are too many.
    pub(crate) fn budget(error: &BudgetError) -> Self {
        Self::new(error.to_string()).hint(match error {
            BudgetError::Count(_) => "end the pipeline with [\"limit_layers\", N]",
            _ => "set --max-layers: the maximum is 125",
        })
    }

    /// There is no base image in this place.
    pub(crate) fn base(place: &str, error: &OpenError) -> Self {
        let failure = Self::open(&format!("the base image {place}"), error);
        match error {
            OpenError::Read(_)
            | OpenError::NoSuchImage { .. }
            | OpenError::NoPlatform { .. }
            | OpenError::Several(_) => failure,
            _ => failure.hint(
                "a base image is a docker-archive, as docker save and dockerTools write it, or oci:DIR or oci-archive:FILE",
            ),
        }
    }

    /// This is not the name of an image in a registry.
    pub(crate) fn reference(name: &str, error: &ReferenceError) -> Self {
        Self::usage(format!("{name:?} {}", chain(error)))
            .hint("a name is like docker://registry.example.org/team/hello:1.0, in lowercase")
    }

    /// The content of a pipe is not an archive.
    pub(crate) fn no_archive(place: impl fmt::Display) -> Self {
        Self::new(format!("{place} is not a tar archive")).hint(NOT_WHAT_IT_IS)
    }

    /// There is no image in this place.
    pub(crate) fn open(place: &str, error: &OpenError) -> Self {
        if let OpenError::Fetch(error) = error
            && let Some(error) = error.downcast_ref::<RemoteError>()
        {
            return Self::remote(error);
        }
        let failure = Self::new(format!("{place} {}", chain(error)));
        match error {
            OpenError::NoSuchImage { .. } => failure.hint("name one of those, or leave the name out"),
            OpenError::NoPlatform { .. } => failure.hint("--platform and --arch take one of those"),
            OpenError::Several(_) => failure.hint("say which one with :NAME behind it, or with --platform"),
            OpenError::Version(_) | OpenError::Read(_) | OpenError::NoImage => failure,
            OpenError::Contradiction(_) => {
                failure.hint("programs would read different images from it: build it again")
            }
            _ if place.contains("docker://") => {
                failure.hint("the image in the registry is malformed: use another tag, or push it again")
            }
            _ => failure.hint(NOT_WHAT_IT_IS),
        }
    }

    /// A registry cannot be reached or refuses a request.
    fn remote(error: &RemoteError) -> Self {
        Self { hint: hint(error).map(Cow::from), status: error.status(), ..Self::new(chain(error)) }
    }

    /// There are images for several platforms where one is needed.
    pub(crate) fn several_platforms(place: impl fmt::Display, platforms: &[Platform]) -> Self {
        let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        let platforms = reference::list(&platforms.iter().map(String::as_str).collect::<Vec<_>>());
        Self::new(format!("{place} is there for several platforms: {platforms}"))
            .hint("say which one with --platform")
    }

    /// An image cannot be put into this directory.
    pub(crate) fn prepare(path: &Path, error: &PrepareError) -> Self {
        let failure = Self::new(format!("{} {}", path.display(), chain(error)));
        match error {
            PrepareError::Occupied => failure.hint("name an empty or a new directory, or an OCI layout"),
            _ => failure,
        }
    }

    /// Tells the user.
    pub(crate) fn report(&self, style: Style) {
        if let Style::Json = style {
            let Self { message, hint, status, .. } = self;
            let mut event = json!({ "event": "error", "message": message, "hint": hint });
            if let Some(status) = status {
                event["status"] = json!(status);
            }
            terminal::say_event(&event);
        } else {
            terminal::say_error(&self.message);
            if let Some(hint) = &self.hint {
                terminal::say_hint(hint);
            }
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        self.exit_code.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a layer could not be fetched.
fn from_registry(error: &io::Error) -> Option<&RemoteError> {
    error.get_ref()?.downcast_ref()
}

/// The hint for a registry that cannot be reached or refuses a request.
fn hint(error: &RemoteError) -> Option<&'static str> {
    Some(match error {
        RemoteError::Tls { .. } => {
            "give the CA certificate with --cert-dir; --tls-verify=false accepts any certificate"
        }
        RemoteError::Denied { has_credentials: false, .. } => {
            "log in with podman login or docker login, or use --creds or --authfile"
        }
        RemoteError::Denied { status: 401, .. } => {
            "check name and password, and the account's permissions for this repository"
        }
        RemoteError::Denied { .. } => "check the account's permissions for this repository",
        RemoteError::NotFound { .. } => "check the name and the tag",
        RemoteError::Unreachable { .. } => "check the name and the network, and run the command again",
        RemoteError::Status { .. }
        | RemoteError::Busy { .. }
        | RemoteError::Limit { .. }
        | RemoteError::BlobUnknown { .. } => {
            "run the command again later: blobs that were sent are not sent again"
        }
        _ => return None,
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(chain(&error));
        match error {
            Error::Read { ref source, .. } if let Some(remote) = from_registry(source) => {
                Self { hint: hint(remote).map(Cow::from), status: remote.status(), ..failure }
            }
            Error::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => Self {
                exit_code: CLOSED_PIPE,
                ..Self::new("the reader of the image went away before it was whole")
            },
            Error::Write(error) if error.kind() == io::ErrorKind::StorageFull => {
                failure.hint("make room, or write to another file system")
            }
            Error::Changed { .. } => failure.hint(
                "store paths must not change: if a build was running, wait for it and run the command again",
            ),
            Error::Digest { .. } => {
                failure.hint("the file was damaged or changed after it was made; make it again")
            }
            Error::DiffId { .. } => {
                failure.hint("the image is malformed or was damaged: use another tag, or make it again")
            }
            Error::Name { .. } => failure.hint(
                "copy the image to oci:DIR first, where layers have no names, and use that in its place",
            ),
            Error::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                failure.hint("build or fetch it first, or say with --store-root where the store lies")
            }
            Error::Recompressed { .. } => failure.hint("the cache entry was removed: run the command again"),
            Error::Absent { .. } => {
                failure.hint("it was made without that layer, for where the layer is already; fetch it whole")
            }
            _ => failure,
        }
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Layer(error) => error.into(),
            error => Self::remote(&error),
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Write(error) => error.into(),
            TargetError::Describe(error) => error.into(),
            TargetError::Index(error) => error.into(),
            TargetError::Remote(error) => match error.downcast::<RemoteError>() {
                Ok(error) => (*error).into(),
                Err(error) => match error.downcast::<EngineError>() {
                    Ok(error) => (*error).into(),
                    Err(error) => Self::new(chain(&*error)),
                },
            },
            error @ TargetError::Add(_) => Self::new(chain(&error)),
        }
    }
}

impl From<DescribeError> for Failure {
    fn from(error: DescribeError) -> Self {
        match error {
            DescribeError::Layer(error) => error.into(),
            error @ DescribeError::Config(_) => Self::new(chain(&error)),
        }
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::new(chain(&error))
    }
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Read(error) => error.into(),
            error => Self::new(chain(&error)),
        }
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        let failure = Self::new(format!("the images cannot be listed together: {error}"));
        match error {
            IndexError::Twice(_) => failure.hint("an index has one image for each platform"),
            IndexError::NoPlatform(_) => failure,
        }
    }
}

/// An error with all its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

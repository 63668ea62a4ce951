//! Failures of planning.

use std::path::Path;

use strake_image::plan::{
    CompleteError, ConfLayersError, ConfigError, NoProgram, PlanError, ProgramError, RequestError, RootError,
};
use strake_plan::layering::LayeringError;

use super::Failure;
use crate::suggestion;

impl Failure {
    /// No layers can be decided; `pipeline` is what the pipeline is called, if there is one.
    pub(crate) fn layering(pipeline: &str, error: &LayeringError) -> Self {
        match error {
            LayeringError::Pipeline(error) => Self::pipeline(pipeline, error),
            LayeringError::Cost(error) => Self::new(error.to_string()),
        }
    }

    /// An image cannot be planned.
    pub(crate) fn plan(pipeline: &str, error: PlanError) -> Self {
        match error {
            PlanError::Request(error) => error.into(),
            PlanError::Program(error) => error.into(),
            PlanError::Budget(error) => Self::budget(&error),
            PlanError::Layering(error) => Self::layering(pipeline, &error),
            PlanError::Base(error) => error.into(),
            PlanError::NotInGraph(_) => Self::new(error.to_string())
                .hint("the graph must have all store paths that the image's config and customisation name"),
            PlanError::NoName => Self::new(error.to_string()).hint("give it one with --name"),
        }
    }

    /// The conf called `name` cannot be completed.
    pub(crate) fn complete(name: &str, pipeline: &str, error: &CompleteError) -> Self {
        match error {
            CompleteError::Budget(error) => Self::budget(error),
            CompleteError::Layering(error) => Self::layering(pipeline, error),
            CompleteError::Spec(error) => Self::spec(name, error),
            CompleteError::Packed(_) => Self::new(format!("{name} {error}")).hint(
                "layers with files at the image's root can only be below an image that is described, not packed",
            ),
        }
    }

    /// The conf called `name`, whose layers are wanted, is none.
    pub(crate) fn conf_layers(name: &str, error: &ConfLayersError) -> Self {
        match error {
            ConfLayersError::Json(_) => Self::new(format!("{name} {error}")),
            ConfLayersError::Spec(error) => Self::spec(name, error),
        }
    }
}

impl From<RootError> for Failure {
    fn from(error: RootError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            RootError::Outside(ref path) if let Some(hint) = suggestion::of_source(Path::new(path)) => {
                failure.hint(hint)
            }
            RootError::Outside(_) => failure.hint(
                "name what is in the store, /nix/store/<hash>-<name>, or a link to it such as ./result",
            ),
            RootError::Name { .. } | RootError::NotText(_) => failure,
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Root(error) => error.into(),
            RequestError::Config(error) => error.into(),
            RequestError::Contents(_) => Self::new(error.to_string())
                .hint("links in an image can only lead to store paths; --root DIR copies any directory"),
        }
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Missing(NoProgram { key, .. }) => {
                let text = error.to_string();
                let option = key.to_lowercase();
                Self::usage(format!("--{option}{}", text.strip_prefix(key).unwrap_or(&text))).hint(
                    "name a program that is there, or its whole path; with --env PATH=… the container looks for it",
                )
            }
            ProgramError::Config(error) => error.into(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Words { key, text, source } => {
                let option = key.to_lowercase();
                Self::usage(format!("--{option} {text:?} is not a JSON list of words: {source}"))
            }
            // Those that options can have were looked at when the command line was read.
            _ => Self::new(error.to_string()),
        }
    }
}

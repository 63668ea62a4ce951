//! What can be said of how images are made and written, whatever the verb.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::report::Style;

/// How an image is made that is given as a CONF or store paths, and read in any case.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Building")]
pub(crate) struct BuildArgs {
    /// Directory that contains the store: /nix/store is at DIR/nix/store
    #[arg(long, value_name = "DIR", default_value = "/", hide_short_help = true)]
    pub(crate) store_root: PathBuf,
    /// Number of layers that are hashed at once [default: as many as keep all processors busy]
    #[arg(short, long, value_name = "N", hide_short_help = true)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Neither use nor write the digest cache
    #[arg(long, hide_short_help = true)]
    pub(crate) no_cache: bool,
}

/// How an image is written.
#[allow(clippy::struct_excessive_bools)] // Each switch stands for itself.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Writing {
    /// Hash layers from the store again while they are written, and check finished layers again
    #[arg(long, hide_short_help = true)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) messages: Messages,
    /// Write events as JSON to stderr, one a line
    #[arg(long, conflicts_with_all = ["quiet", "verbose"], hide_short_help = true)]
    pub(crate) json: bool,
}

/// How much is said on stderr.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Messages {
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print a line for each layer and each blob
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl Default for BuildArgs {
    fn default() -> Self {
        Self { store_root: "/".into(), jobs: None, no_cache: false }
    }
}

impl Messages {
    /// How to speak to the user.
    pub(crate) fn style(&self) -> Style {
        match self {
            Self { quiet: true, .. } => Style::Quiet,
            Self { verbose: true, .. } => Style::Verbose,
            _ => Style::Lines,
        }
    }
}

impl Writing {
    /// How to speak to the user.
    pub(crate) fn style(&self) -> Style {
        if self.json { Style::Json } else { self.messages.style() }
    }
}

//! What can be said of how images are made and written, whatever the verb.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::report::Style;

/// How an image is made that is given as a CONF or store paths, and read in any case.
#[derive(Clone, Debug, Args)]
pub(crate) struct BuildArgs {
    /// Directory below which the store lies: /nix/store is at DIR/nix/store
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) store_root: PathBuf,
    /// Layers digested at once [default: as many as keep all processors busy]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Neither use nor remember layer digests
    #[arg(long)]
    pub(crate) no_cache: bool,
}

/// How an image is written.
#[derive(Debug, Default, Args)]
pub(crate) struct Writing {
    /// Digest what is packed from the store once more while it is written, and check finished layers again
    #[arg(long)]
    pub(crate) verify: bool,
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Say what happens as JSON, an event a line, on stderr
    #[arg(long)]
    pub(crate) json: bool,
}

impl Default for BuildArgs {
    fn default() -> Self {
        Self { store_root: "/".into(), jobs: None, no_cache: false }
    }
}

impl Writing {
    /// How to speak to the user.
    pub(crate) fn style(&self) -> Style {
        match self {
            Self { json: true, .. } => Style::Json,
            Self { quiet: true, .. } => Style::Quiet,
            _ => Style::Lines,
        }
    }
}

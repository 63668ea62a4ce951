//! What can be said of how registries are talked to.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::values;

/// How registries are talked to.
#[derive(Debug, Args)]
#[command(next_help_heading = "For registries")]
pub(crate) struct RegistryArgs {
    /// File with credentials, as podman login and docker login write it [default: $`REGISTRY_AUTH_FILE`, else those of
    /// podman and docker]
    #[arg(long, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
    /// Name and password for the registry of SOURCE or DEST, in place of all files
    #[arg(long, value_name = "USER:PASSWORD")]
    pub(crate) creds: Option<String>,
    /// Directory with more certificates of authorities (*.crt), or a client's (*.cert, *.key)
    #[arg(long, value_name = "DIR")]
    pub(crate) cert_dir: Vec<PathBuf>,
    /// Whether a registry must prove who it is; if not, it may also be one without TLS
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) tls_verify: bool,
    /// Uploads at the same time [default: 4, or 2 where layers are compressed]
    #[arg(long, value_name = "N")]
    pub(crate) uploads: Option<NonZeroUsize>,
    /// Send blobs in chunks of so many MiB [default: in one piece, unless the registry wants otherwise]
    #[arg(long, value_name = "MIB")]
    pub(crate) chunk_size: Option<NonZeroU32>,
}

/// The tags of a repository.
#[derive(Debug, Args)]
pub(crate) struct ListTags {
    /// The repository, like registry.example.org/team/hello, with or without docker:// before it
    #[arg(value_name = "docker://NAME")]
    pub(crate) name: String,
    /// As JSON: the repository's name and its tags
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// More tags for an image.
#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// The image, by a tag or a digest
    #[arg(value_name = "docker://NAME:OLD")]
    pub(crate) name: String,
    /// The tags that it gets in the same repository, whatever they led to
    #[arg(required = true, value_name = "NEW", value_parser = values::tag)]
    pub(crate) tags: Vec<String>,
    /// As JSON, a tag a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// An image that is to go.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The image, by a tag or a digest
    #[arg(value_name = "docker://NAME:TAG|@DIGEST")]
    pub(crate) name: String,
    /// Delete it though other tags lead to it, which are deleted with it, or indexes list it, which are broken then
    #[arg(long)]
    pub(crate) force: bool,
    /// As JSON, a name a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl Default for RegistryArgs {
    fn default() -> Self {
        Self {
            authfile: None,
            creds: None,
            cert_dir: Vec::new(),
            tls_verify: true,
            uploads: None,
            chunk_size: None,
        }
    }
}

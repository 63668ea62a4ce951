//! What can be said of how registries are talked to.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::help::end;
use crate::values;

/// How registries are talked to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Registries")]
pub(crate) struct RegistryArgs {
    /// File with credentials, as podman login and docker login write it [default: $`REGISTRY_AUTH_FILE`, else the files of
    /// podman and Docker]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) authfile: Option<PathBuf>,
    /// User for the registry that is named
    ///
    /// The value is USER, with --password-stdin, or USER:PASSWORD. These credentials are used instead of all files. Other users of the machine can see a password that stands on the command
    /// line while strake runs: the environment variable `STRAKE_CREDS`, which holds USER:PASSWORD, and --password-stdin keep it
    /// from them.
    #[arg(long, value_name = "USER")]
    pub(crate) creds: Option<String>,
    /// Read the user's password from stdin
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Directory with more CA certificates (*.crt) or a client certificate (*.cert, *.key) (repeat for more)
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) cert_dir: Vec<PathBuf>,
    /// Whether a registry must have a valid certificate; with false, registries without TLS are used, too
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, hide_short_help = true)]
    pub(crate) tls_verify: bool,
}

/// How blobs are uploaded.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Registries")]
pub(crate) struct UploadArgs {
    /// Number of uploads at the same time [default: 4, or 2 where layers are compressed]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) uploads: Option<NonZeroUsize>,
    /// Upload blobs in chunks of at most this size in MiB [default: each blob in one request, unless the registry requires chunks]
    #[arg(long, value_name = "MIB", hide_short_help = true)]
    pub(crate) chunk_size: Option<NonZeroU32>,
}

/// How the registry on one side of a copy is talked to, where that differs from the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Side<'a> {
    pub(crate) authfile: Option<&'a PathBuf>,
    pub(crate) creds: Option<&'a str>,
    pub(crate) cert_dir: &'a [PathBuf],
    pub(crate) tls_verify: Option<bool>,
}

/// The same for the registry of SOURCE.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Registry of SOURCE, where it differs")]
pub(crate) struct SourceArgs {
    /// Like --authfile
    #[arg(long = "src-authfile", id = "src_authfile", value_name = "FILE", hide_short_help = true)]
    authfile: Option<PathBuf>,
    /// Like --creds, for the registry of SOURCE; environment: `STRAKE_SRC_CREDS`
    #[arg(long = "src-creds", id = "src_creds", value_name = "USER", hide_short_help = true)]
    creds: Option<String>,
    /// Like --cert-dir
    #[arg(long = "src-cert-dir", id = "src_cert_dir", value_name = "DIR", hide_short_help = true)]
    cert_dir: Vec<PathBuf>,
    /// Like --tls-verify
    #[arg(long = "src-tls-verify", id = "src_tls_verify", value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, hide_short_help = true)]
    tls_verify: Option<bool>,
}

/// The same for the registry of DEST.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Registry of DEST, where it differs")]
pub(crate) struct DestinationArgs {
    /// Like --authfile
    #[arg(long = "dest-authfile", id = "dest_authfile", value_name = "FILE", hide_short_help = true)]
    authfile: Option<PathBuf>,
    /// Like --creds, for the registry of DEST; environment: `STRAKE_DEST_CREDS`
    #[arg(long = "dest-creds", id = "dest_creds", value_name = "USER", hide_short_help = true)]
    creds: Option<String>,
    /// Like --cert-dir
    #[arg(long = "dest-cert-dir", id = "dest_cert_dir", value_name = "DIR", hide_short_help = true)]
    cert_dir: Vec<PathBuf>,
    /// Like --tls-verify
    #[arg(long = "dest-tls-verify", id = "dest_tls_verify", value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, hide_short_help = true)]
    tls_verify: Option<bool>,
}

impl SourceArgs {
    pub(crate) fn side(&self) -> Side<'_> {
        let Self { authfile, creds, cert_dir, tls_verify } = self;
        Side { authfile: authfile.as_ref(), creds: creds.as_deref(), cert_dir, tls_verify: *tls_verify }
    }
}

impl DestinationArgs {
    pub(crate) fn side(&self) -> Side<'_> {
        let Self { authfile, creds, cert_dir, tls_verify } = self;
        Side { authfile: authfile.as_ref(), creds: creds.as_deref(), cert_dir, tls_verify: *tls_verify }
    }
}

/// The tags of a repository.
#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake list-tags docker://registry.example.org/team/hello",
    "strake list-tags --json debian",
]))]
pub(crate) struct ListTags {
    /// Repository, like registry.example.org/team/hello, with or without `docker://`
    #[arg(value_name = "docker://NAME")]
    pub(crate) name: String,
    /// Print JSON: the repository's name and its tags
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// More tags for an image.
#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake tag docker://registry.example.org/team/hello:1.1 latest",
    "strake tag registry.example.org/team/hello:1.1 1 stable",
]))]
pub(crate) struct Tag {
    /// The image, by a tag or a digest
    #[arg(value_name = "docker://NAME:OLD")]
    pub(crate) name: String,
    /// Tags that the image gets in the same repository
    ///
    /// A tag of another image moves.
    #[arg(required = true, value_name = "NEW", value_parser = values::tag)]
    pub(crate) tags: Vec<String>,
    /// Print JSON, a tag a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// An image to be deleted.
#[derive(Debug, Args)]
#[command(after_long_help = end(&[], [
    "strake delete docker://registry.example.org/team/hello:1.0",
    "strake delete --force docker://registry.example.org/team/hello:old",
]))]
pub(crate) struct Delete {
    /// The image, by a tag or a digest
    #[arg(value_name = "docker://NAME:TAG|@DIGEST")]
    pub(crate) name: String,
    /// Delete it although it has other tags or indexes list it
    ///
    /// The other tags are deleted with it; the indexes are incomplete then.
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON, a name a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

impl Default for RegistryArgs {
    fn default() -> Self {
        Self { authfile: None, creds: None, password_stdin: false, cert_dir: Vec::new(), tls_verify: true }
    }
}

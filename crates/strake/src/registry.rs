//! How registries are talked to: what the user says of it, on the command line, in files and in the environment.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use strake_remote::{AuthFile, Client, Credentials, Limits, Proxies, Reference, Repository, Settings};

use crate::cli::RegistryArgs;
use crate::failure::Failure;

/// What Nix sets where it wants nobody to trust anybody.
const NO_CERTIFICATES: &str = "/no-cert-file.crt";

/// Opens conversations with registries.
pub(crate) struct Registries {
    client: Client,
    settings: Settings,
    /// The registry that the credentials on the command line are for: the first that is asked.
    known_to: OnceLock<String>,
}

impl Registries {
    pub(crate) fn new(registry: &RegistryArgs) -> Result<Self, Failure> {
        Ok(Self::with(settings(registry)?))
    }

    /// As they are talked to where nothing is said on the command line.
    pub(crate) fn usual() -> Result<Self, Failure> {
        Self::new(&RegistryArgs::default())
    }

    /// For a base image. Whatever names it may come from anywhere: credentials on the command line are only for the
    /// registry that is named there.
    pub(crate) fn for_base(&self, of: &Reference) -> Self {
        let is_named = self.known_to.get() == Some(&of.host);
        let credentials = self.settings.credentials.clone().filter(|_| is_named);
        Self::with(Settings { credentials, ..self.settings.clone() })
    }

    fn with(settings: Settings) -> Self {
        Self { client: Client::new(settings.clone()), settings, known_to: OnceLock::new() }
    }

    /// The name with a digest, which is what the tag leads to now if there is none in it.
    pub(crate) fn pinned(&self, of: &Reference) -> Result<Reference, Failure> {
        match of.digest {
            Some(_) => Ok(of.clone()),
            None => Ok(of.pinned(strake_remote::digest(&*self.repository(of)?, of)?)),
        }
    }

    pub(crate) fn repository(&self, of: &Reference) -> Result<Arc<Repository>, Failure> {
        if self.settings.credentials.is_some() {
            let known_to = self.known_to.get_or_init(|| of.host.clone());
            if *known_to != of.host {
                return Err(Failure::usage(format!(
                    "--creds is for one registry, not for {known_to} and {}",
                    of.host
                ))
                .hint("log in to both with podman login or docker login, or name a file with --authfile"));
            }
        }
        Ok(Arc::new(Repository::connect(&self.client, of)?))
    }
}

fn settings(registry: &RegistryArgs) -> Result<Settings, Failure> {
    let credentials = registry
        .creds
        .as_deref()
        .map(|text| Credentials::parse(text).ok_or_else(|| Failure::usage("--creds is not USER:PASSWORD")));
    let under = |directory: &str| [PathBuf::from("/etc"), config_home()].map(|base| base.join(directory));
    let certificates_by_host = under("containers/certs.d").into_iter().chain(under("docker/certs.d"));
    Ok(Settings {
        credentials: credentials.transpose()?,
        auth_files: auth_files(registry),
        verify_tls: registry.tls_verify,
        root_certificates: ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"]
            .into_iter()
            .find_map(path)
            .filter(|path| path.as_os_str() != NO_CERTIFICATES),
        certificates: registry.cert_dir.clone(),
        certificates_by_host: certificates_by_host.collect(),
        proxies: Proxies {
            http: text("http_proxy").or_else(|| text("all_proxy")),
            https: text("https_proxy").or_else(|| text("all_proxy")),
            none_for: text("no_proxy").unwrap_or_default(),
        },
        user_agent: concat!("strake/", env!("CARGO_PKG_VERSION")).to_owned(),
        chunk: registry.chunk_size.map(|mebibytes| u64::from(mebibytes.get()) << 20),
        uploads: registry.uploads.map(NonZeroUsize::get),
        limits: Limits::default(),
        now: SystemTime::now,
    })
}

/// Where credentials may be, in the order in which podman and skopeo look: containers-auth.json(5).
fn auth_files(registry: &RegistryArgs) -> Vec<AuthFile> {
    if let Some(named) = registry.authfile.clone().or_else(|| path("REGISTRY_AUTH_FILE")) {
        return vec![AuthFile { path: named, required: true }];
    }
    let runtime = path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json"));
    let home = config_home().join("containers/auth.json");
    let docker = path("DOCKER_CONFIG").or_else(|| path("HOME").map(|home| home.join(".docker")));
    let docker = docker.map(|directory| directory.join("config.json"));
    let files = runtime.into_iter().chain([home]).chain(docker);
    files.map(|path| AuthFile { path, required: false }).collect()
}

fn config_home() -> PathBuf {
    let home = || path("HOME").map(|home| home.join(".config"));
    path("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(home).unwrap_or_default()
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A variable that may be in small letters or in capitals.
fn text(name: &str) -> Option<String> {
    let either = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_uppercase()));
    either.ok().filter(|value| !value.is_empty())
}

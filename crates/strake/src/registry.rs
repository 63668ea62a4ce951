//! Settings for registries, out of the command line, files and the environment.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use strake_remote::{AuthFile, Client, Credentials, Limits, Proxies, Reference, Repository, Settings};

use crate::cli::{RegistryArgs, Side, UploadArgs};
use crate::failure::Failure;
use crate::input;

/// The file that Nix names where no certificate is to be trusted.
const NO_CERTIFICATES: &str = "/no-cert-file.crt";

/// The environment variables with credentials: for all registries, for that of SOURCE and for that of DEST.
const VARIABLES: [&str; 3] = ["STRAKE_CREDS", "STRAKE_SRC_CREDS", "STRAKE_DEST_CREDS"];

/// The options with credentials, likewise.
const OPTIONS: [&str; 3] = ["--creds", "--src-creds", "--dest-creds"];

/// Opens conversations with registries.
#[derive(Clone)]
pub(crate) struct Registries {
    client: Client,
    settings: Settings,
    given: Option<Arc<Given>>,
}

/// Credentials out of the command line or the environment.
struct Given {
    credentials: Credentials,
    /// The option or variable that they are from.
    from: &'static str,
    /// The registry that they are for: the first that is asked.
    host: OnceLock<String>,
}

impl Registries {
    pub(crate) fn new(registry: &RegistryArgs) -> Result<Self, Failure> {
        let [registries, ..] =
            Self::each(registry, &UploadArgs::default(), [Side::default(), Side::default()])?;
        Ok(registries)
    }

    /// As they are talked to where nothing is said on the command line.
    pub(crate) fn usual() -> Result<Self, Failure> {
        Self::new(&RegistryArgs::default())
    }

    /// For a copy: the registry of the source, and those of the destinations.
    pub(crate) fn of_copy(
        registry: &RegistryArgs,
        uploads: &UploadArgs,
        source: Side<'_>,
        destination: Side<'_>,
    ) -> Result<(Self, Self), Failure> {
        let [_, source, destination] = Self::each(registry, uploads, [source, destination])?;
        Ok((source, destination))
    }

    /// For any registry, and for those on two sides, which are the same if nothing else is said of them.
    fn each(
        registry: &RegistryArgs,
        uploads: &UploadArgs,
        sides: [Side<'_>; 2],
    ) -> Result<[Self; 3], Failure> {
        let [source, destination] = sides;
        let words = [registry.creds.as_deref(), source.creds, destination.creds];
        let files = [registry.authfile.as_ref(), source.authfile, destination.authfile];
        let files = files.map(|file| file.is_some());
        let [common, of_source, of_destination] = given(words, files, registry.password_stdin)?;
        let usual = Self::with(settings(registry, uploads), common.clone());
        let side = |side: &Side<'_>, given: Option<Arc<Given>>| {
            let Side { authfile, cert_dir, tls_verify, .. } = *side;
            if (authfile, tls_verify, given.is_some()) == (None, None, false) && cert_dir.is_empty() {
                return usual.clone();
            }
            let differing = RegistryArgs {
                authfile: authfile.or(registry.authfile.as_ref()).cloned(),
                cert_dir: if cert_dir.is_empty() { &registry.cert_dir } else { cert_dir }.to_vec(),
                tls_verify: tls_verify.unwrap_or(registry.tls_verify),
                ..RegistryArgs::default()
            };
            // A file that is named for one side is for that side, and credentials for both are not.
            let common = common.clone().filter(|_| authfile.is_none());
            Self::with(settings(&differing, uploads), given.or(common))
        };
        let sides = (side(&source, of_source), side(&destination, of_destination));
        Ok([usual, sides.0, sides.1])
    }

    /// For a base image. Whatever names it may come from anywhere: credentials on the command line are only for the
    /// registry that is named there.
    pub(crate) fn for_base(&self, of: &Reference) -> Self {
        let is_named = |given: &Arc<Given>| given.host.get() == Some(&of.host);
        Self::with(self.settings.clone(), self.given.clone().filter(is_named))
    }

    fn with(settings: Settings, given: Option<Arc<Given>>) -> Self {
        let credentials = given.as_ref().map(|given| given.credentials.clone());
        let settings = Settings { credentials, ..settings };
        Self { client: Client::new(settings.clone()), settings, given }
    }

    /// The name with a digest, which is what the tag leads to now if there is none in it.
    pub(crate) fn pinned(&self, of: &Reference) -> Result<Reference, Failure> {
        match of.digest {
            Some(_) => Ok(of.clone()),
            None => Ok(of.pinned(strake_remote::digest(&*self.repository(of)?, of)?)),
        }
    }

    pub(crate) fn repository(&self, of: &Reference) -> Result<Arc<Repository>, Failure> {
        if let Some(Given { from, host, .. }) = self.given.as_deref() {
            let host = host.get_or_init(|| of.host.clone());
            if *host != of.host {
                return Err(Failure::usage(format!(
                    "{from} is for one registry, not for {host} and {}",
                    of.host
                ))
                .hint(
                    "use --src-creds and --dest-creds, or log in to both with podman login or docker login",
                ));
            }
        }
        Ok(Arc::new(Repository::connect(&self.client, of)?))
    }
}

/// The credentials that the options in `words` give, or else the environment unless an option names a file. A password that an
/// option lacks is on stdin if `is_on_stdin`.
fn given(
    words: [Option<&str>; 3],
    files: [bool; 3],
    is_on_stdin: bool,
) -> Result<[Option<Arc<Given>>; 3], Failure> {
    let lacks_password = |words: &&str| !words.contains(':');
    let lacking = words.iter().flatten().copied().filter(|words| lacks_password(words)).count();
    match (lacking, is_on_stdin) {
        (0, true) => {
            return Err(Failure::usage("--password-stdin: no option names a user without a password").hint(
                "name the user with --creds USER, or on copy with --src-creds USER or --dest-creds USER",
            ));
        }
        (2.., true) => {
            return Err(Failure::usage(
                "--password-stdin: several options lack a password, and stdin has one",
            )
            .hint("set STRAKE_SRC_CREDS=USER:PASSWORD in the environment"));
        }
        _ => {}
    }
    let mut all = [None, None, None];
    for (place, words) in words.into_iter().enumerate() {
        let (option, variable) = (OPTIONS[place], VARIABLES[place]);
        let (text, from) = match words {
            Some(user) if lacks_password(&user) && is_on_stdin => {
                (format!("{user}:{}", input::password()?), option)
            }
            Some(words) => (words.to_owned(), option),
            None if files[place] => continue,
            None => match std::env::var(variable) {
                Ok(text) if !text.is_empty() => (text, variable),
                _ => continue,
            },
        };
        let Some(credentials) = Credentials::parse(&text) else {
            return Err(Failure::usage(format!("{from} is not USER:PASSWORD")).hint(
                "--creds USER with --password-stdin reads the password from stdin, STRAKE_CREDS=USER:PASSWORD from the environment",
            ));
        };
        all[place] = Some(Arc::new(Given { credentials, from, host: OnceLock::new() }));
    }
    Ok(all)
}

fn settings(registry: &RegistryArgs, uploads: &UploadArgs) -> Settings {
    let under = |directory: &str| [PathBuf::from("/etc"), config_home()].map(|base| base.join(directory));
    let certificates_by_host = under("containers/certs.d").into_iter().chain(under("docker/certs.d"));
    Settings {
        credentials: None,
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
        chunk: uploads.chunk_size.map(|mebibytes| u64::from(mebibytes.get()) << 20),
        uploads: uploads.uploads.map(NonZeroUsize::get),
        limits: Limits::default(),
        now: SystemTime::now,
    }
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

/// A variable in lowercase or uppercase.
fn text(name: &str) -> Option<String> {
    let either = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_uppercase()));
    either.ok().filter(|value| !value.is_empty())
}

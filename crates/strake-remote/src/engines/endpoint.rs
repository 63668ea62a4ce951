//! Where a Docker daemon listens: `DOCKER_HOST`, and Docker's contexts.

use std::path::{Path, PathBuf};

use serde_json::Value;
use strake_image::Digest;

/// The most that is read of a context's file, in bytes: they take a few hundred.
const MAX_FILE: u64 = 1 << 20;

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host with its port, with TLS if there are files for that.
    Tcp {
        /// Host and port.
        address: String,
        /// The TLS configuration.
        tls: Option<TlsFiles>,
    },
    /// A machine that is logged in to with ssh, where `docker system dial-stdio` speaks to the daemon.
    Ssh {
        /// `USER@HOST` or `HOST`.
        host: String,
        /// The port.
        port: Option<u16>,
    },
}

/// Files for TLS, as Docker calls them: `ca.pem`, `cert.pem` and `key.pem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The directory with the files.
    pub directory: PathBuf,
    /// Whether the daemon must prove who it is.
    pub verify: bool,
}

/// A text is no daemon's address.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It has another form.
    #[error("{0:?} is not the address of a Docker daemon")]
    Form(String),
    /// A context is not there, or damaged.
    #[error("cannot use the Docker context {name:?}: {reason}")]
    Context {
        /// Its name.
        name: String,
        /// The reason.
        reason: String,
    },
}

impl Endpoint {
    /// Where Docker listens by default.
    pub fn usual() -> Self {
        Self::Unix("/var/run/docker.sock".into())
    }

    /// Reads what `DOCKER_HOST` and contexts say: `unix://PATH`, `tcp://HOST:PORT` or `ssh://[USER@]HOST[:PORT]`. `tls` is what TLS
    /// is done with, if a TCP connection is to have it.
    pub fn parse(text: &str, tls: Option<TlsFiles>) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Form(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            // Without TLS, what is to be encrypted is not sent at all.
            "https" if tls.is_none() => Err(wrong()),
            "tcp" | "http" | "https" => {
                let rest = rest.trim_end_matches('/');
                if rest.is_empty() || !rest.bytes().all(is_in_address) {
                    return Err(wrong());
                }
                let usual = if tls.is_some() { 2376 } else { 2375 };
                let address = match rest.rsplit_once(':') {
                    Some((_, port)) if !port.ends_with(']') => {
                        port.parse::<u16>().map_err(|_| wrong())?;
                        rest.to_owned()
                    }
                    _ => format!("{rest}:{usual}"),
                };
                Ok(Self::Tcp { address, tls })
            }
            "ssh" => {
                let rest = rest.split('/').next().unwrap_or_default();
                let (host, port) = match rest.rsplit_once(':') {
                    Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
                    None => (rest, None),
                };
                // A host that begins with a hyphen would be an option of ssh.
                if host.is_empty()
                    || host.starts_with('-')
                    || !host.bytes().all(|byte| byte.is_ascii_graphic())
                {
                    return Err(wrong());
                }
                Ok(Self::Ssh { host: host.to_owned(), port })
            }
            _ => Err(wrong()),
        }
    }
}

fn is_in_address(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { address, .. } => write!(f, "tcp://{address}"),
            Self::Ssh { host, port: None } => write!(f, "ssh://{host}"),
            Self::Ssh { host, port: Some(port) } => write!(f, "ssh://{host}:{port}"),
        }
    }
}

/// Docker's contexts, in its configuration directory (`~/.docker`).
pub struct DockerContext;

impl DockerContext {
    /// The daemon of the context called `name`, or of the current one. `None`: that is Docker's default.
    ///
    /// Format: docker/cli, `cli/context/store`: `contexts/meta/<SHA-256 of the name>/meta.json`.
    pub fn endpoint(directory: &Path, name: Option<&str>) -> Result<Option<Endpoint>, EndpointError> {
        let name = match name {
            Some(name) => Some(name.to_owned()),
            None => json(&directory.join("config.json"))
                .and_then(|config| Some(config.get("currentContext")?.as_str()?.to_owned())),
        };
        let Some(name) = name.filter(|name| !name.is_empty() && name != "default") else { return Ok(None) };
        let place = Digest::of(name.as_bytes()).hex();
        let wrong = |reason: &str| EndpointError::Context { name: name.clone(), reason: reason.to_owned() };
        let meta = json(&directory.join("contexts/meta").join(&place).join("meta.json"))
            .ok_or_else(|| wrong("it is not there, or cannot be read"))?;
        let docker = &meta["Endpoints"]["docker"];
        let host = docker["Host"].as_str().ok_or_else(|| wrong("it says no address"))?;
        let files = directory.join("contexts/tls").join(&place).join("docker");
        let verify = !docker["SkipTLSVerify"].as_bool().unwrap_or_default();
        let tls = files.is_dir().then_some(TlsFiles { directory: files, verify });
        Endpoint::parse(host, tls).map(Some)
    }
}

fn json(file: &Path) -> Option<Value> {
    use std::io::Read;
    let mut text = Vec::new();
    std::fs::File::open(file).ok()?.take(MAX_FILE).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tls = || Some(TlsFiles { directory: "/certs".into(), verify: true });
        let tcp = |address: &str, tls| Some(Endpoint::Tcp { address: address.to_owned(), tls });
        let ssh = |host: &str, port| Some(Endpoint::Ssh { host: host.to_owned(), port });
        for (text, given, expected) in [
            ("unix:///run/docker.sock", None, Some(Endpoint::Unix("/run/docker.sock".into()))),
            ("tcp://10.0.0.1:2375", None, tcp("10.0.0.1:2375", None)),
            ("tcp://host", None, tcp("host:2375", None)),
            ("tcp://host", tls(), tcp("host:2376", tls())),
            ("tcp://[::1]", None, tcp("[::1]:2375", None)),
            ("tcp://host:99999", None, None),
            ("https://host", None, None),
            ("https://host", tls(), tcp("host:2376", tls())),
            ("tcp://[::1]:1", None, tcp("[::1]:1", None)),
            ("ssh://user@host", None, ssh("user@host", None)),
            ("ssh://user@host:22/run/x.sock", None, ssh("user@host", Some(22))),
            ("ssh://-oProxyCommand=x", None, None),
            ("ssh://host:port", None, None),
            ("unix://docker.sock", None, None),
            ("npipe:////./pipe/docker_engine", None, None),
            ("tcp://", None, None),
            ("tcp://a b", None, None),
            ("docker.sock", None, None),
        ] {
            assert_eq!(Endpoint::parse(text, given).ok(), expected, "{text}");
        }
    }

    #[test]
    fn contexts() {
        let directory = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let file = directory.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let check = |name: Option<&str>, expected: Result<Option<&str>, &str>| {
            let found = DockerContext::endpoint(directory.path(), name);
            let found = found.map(|endpoint| endpoint.map(|it| it.to_string())).map_err(|it| it.to_string());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                other => panic!("{other:?}"),
            }
        };
        check(None, Ok(None));
        check(Some("default"), Ok(None));
        check(Some("gone"), Err("it is not there"));
        put("config.json", r#"{"currentContext":"remote"}"#);
        check(None, Err("\"remote\""));
        let place = Digest::of(b"remote").hex();
        put(
            &format!("contexts/meta/{place}/meta.json"),
            r#"{"Endpoints":{"docker":{"Host":"ssh://me@there"}}}"#,
        );
        check(None, Ok(Some("ssh://me@there")));
        check(Some("remote"), Ok(Some("ssh://me@there")));
        put(&format!("contexts/meta/{place}/meta.json"), r#"{"Endpoints":{}}"#);
        check(None, Err("it says no address"));
    }
}

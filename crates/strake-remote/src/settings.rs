//! All that depends on the user and the machine.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::auth_file::AuthFile;
use crate::credentials::Credentials;
use crate::limits::Limits;

/// How registries are to be talked to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Credentials for all registries that were named, in place of all files.
    pub credentials: Option<Credentials>,
    /// Files with credentials; the first that has some for a repository counts.
    pub auth_files: Vec<AuthFile>,
    /// Whether a registry must prove who it is. If not, it may also be one without TLS.
    pub verify_tls: bool,
    /// Certificates of authorities to be trusted in place of the system's, as a PEM file.
    pub root_certificates: Option<PathBuf>,
    /// Directories that hold more certificates (`*.crt`), and a client's (`*.cert` with its `*.key`), for the registries
    /// that were named.
    pub certificates: Vec<PathBuf>,
    /// Directories with such directories, each called like its registry.
    pub certificates_by_host: Vec<PathBuf>,
    /// Proxies.
    pub proxies: Proxies,
    /// The program's `User-Agent`.
    pub user_agent: String,
    /// The maximum size of an upload's chunk in bytes. `None`: all in one, unless the registry requires chunks.
    pub chunk: Option<u64>,
    /// Uploads at the same time. `None`: a few, or two where layers are compressed on their way, each of which takes memory.
    pub uploads: Option<usize>,
    /// The time limits for a registry.
    pub limits: Limits,
    /// Tells the time.
    pub now: fn() -> SystemTime,
}

impl Settings {
    /// Anonymous access over verified TLS, without proxies and files. `now` tells the time.
    pub fn new(now: fn() -> SystemTime) -> Self {
        Self {
            credentials: None,
            auth_files: Vec::new(),
            verify_tls: true,
            root_certificates: None,
            certificates: Vec::new(),
            certificates_by_host: Vec::new(),
            proxies: Proxies::default(),
            user_agent: concat!("strake/", env!("CARGO_PKG_VERSION")).to_owned(),
            chunk: None,
            uploads: None,
            limits: Limits::default(),
            now,
        }
    }
}

/// The proxies.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For `http`: its URL.
    pub http: Option<String>,
    /// For `https`: its URL.
    pub https: Option<String>,
    /// For which hosts there is none: names, which stand for all names below them as well, addresses or `*`, with commas.
    pub none_for: String,
}

impl Proxies {
    /// The proxy for a host. The machine itself is asked without one, as Go's and Python's libraries have it.
    pub(crate) fn of(&self, scheme: &str, host: &str) -> Option<&str> {
        let proxy = if scheme == "https" { &self.https } else { &self.http };
        proxy.as_deref().filter(|proxy| !proxy.is_empty() && !is_loopback(host) && !self.excludes(host))
    }

    fn excludes(&self, host: &str) -> bool {
        let (name, port) = split_port(host);
        self.none_for.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let (entry, wanted_port) = split_port(entry);
            let entry = entry.trim_start_matches('*').trim_start_matches('.');
            let is_below =
                name.strip_suffix(entry).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            (entry.is_empty() || is_below) && (wanted_port.is_none() || wanted_port == port)
        })
    }
}

/// Whether a host, with or without its port, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let (name, _) = split_port(host);
    let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_some_and(|address| address.is_loopback())
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && (!name.contains(':') || name.ends_with(']')) => {
            (name, Some(port))
        }
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine() {
        for (host, expected) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.8.0.1", true),
            ("[::1]:5000", true),
            ("::1", true),
            ("example.org", false),
            ("10.0.0.1:80", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn proxies() {
        for (none_for, host, expected) in [
            ("", "example.org", true),
            ("example.org", "example.org", false),
            ("example.org", "a.example.org:443", false),
            (".example.org", "a.example.org", false),
            ("*.example.org", "a.example.org", false),
            ("example.org", "badexample.org", true),
            ("a, example.org:5000 ,b", "example.org:5000", false),
            ("example.org:5000", "example.org:5001", true),
            ("10.1.2.3", "10.1.2.3:5000", false),
            ("*", "example.org", false),
            ("", "localhost:5000", false),
        ] {
            let proxies = Proxies {
                http: None,
                https: Some("http://proxy:3128".to_owned()),
                none_for: none_for.to_owned(),
            };
            assert_eq!(proxies.of("https", host).is_some(), expected, "{none_for:?} {host}");
            assert_eq!(proxies.of("http", host), None);
        }
    }
}

//! Registries that are other programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificates::{Certificates, Signer};
use crate::command::{command, output_of};
use crate::peer::require;
use crate::registry::{Auth, Personality, Port, Registry, SERVICE, Tokens};
use crate::wait::until;

/// A registry's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Debian's docker-registry: distribution 2.8.
    Distribution2,
    /// distribution 3.
    Distribution3,
    /// `crane registry serve`, which has referrers, but neither TLS nor authentication.
    Crane,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Distribution2, Self::Distribution3, Self::Crane];

    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distribution2 => "docker-registry",
            Self::Distribution3 => "registry",
            Self::Crane => "crane",
        }
    }
}

/// The access rules of a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    #[default]
    Anyone,
    /// `USER` with `PASSWORD`.
    Password,
    /// Those with a token, which `USER` gets with `PASSWORD`, on another port.
    Token,
}

/// The user that registries know.
pub const USER: &str = "tester";
/// The user's password.
pub const PASSWORD: &str = "pass:word";
/// Made by `htpasswd -Bbn -C 4 tester pass:word`.
const HTPASSWD: &str = "tester:$2y$04$2Dbj1cEBMTsH9IjQ608fh.yXQ/RY.c.Q5oHUtSbKnQY2IsTWKv9yO\n";

/// How a registry is to be set up.
#[derive(Clone, Copy, Default)]
pub struct Setup<'a> {
    /// The access rules.
    pub access: Access,
    /// Makes it speak HTTPS.
    pub certificates: Option<&'a Certificates>,
    /// Whether clients have to have a certificate, too.
    pub of_clients: bool,
}

/// A registry that runs until this is dropped.
pub struct RealRegistry {
    process: Child,
    directory: TempDir,
    port: u16,
    tokens: Option<Registry>,
}

impl RealRegistry {
    /// Starts one and waits until it listens.
    pub fn start(program: Program, setup: Setup) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut tokens = None;
        let mut command = Command::new(require(program.name()));
        if program == Program::Crane {
            assert!(
                setup.access == Access::Anyone && setup.certificates.is_none(),
                "crane has no such thing"
            );
            command.args(["registry", "serve", "--address", "127.0.0.1:0"]);
        } else {
            tokens = (setup.access == Access::Token).then(|| token_server(directory.path(), setup));
            let config = config(directory.path(), setup, tokens.as_ref());
            let file = directory.path().join("config.yml");
            // JSON is YAML.
            fs::write(&file, config.to_string()).expect("the file can be written");
            command.arg("serve").arg(file).env("OTEL_TRACES_EXPORTER", "none");
        }
        let log = log(directory.path());
        let file = || fs::File::options().create(true).append(true).open(&log).expect("a log file");
        let process = command.stdin(Stdio::null()).stdout(file()).stderr(file()).spawn();
        let mut process = process.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let port = wait_for_port(&mut process, &log);
        Self { process, directory, port, tokens }
    }

    /// The host and port that images are pushed to: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its token server, if it has one, for its recorded requests.
    pub fn tokens(&self) -> Option<&Registry> {
        self.tokens.as_ref()
    }

    /// Its output.
    pub fn log(&self) -> String {
        fs::read_to_string(log(self.directory.path())).unwrap_or_default()
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = output_of(&mut command("kill", [self.process.id().to_string()]));
        let _ = self.process.wait();
    }
}

fn log(directory: &Path) -> PathBuf {
    directory.join("log")
}

/// The port that a registry says it listens on.
fn wait_for_port(process: &mut Child, log: &Path) -> u16 {
    let said = || fs::read_to_string(log).unwrap_or_default();
    let port = || {
        let said = said();
        let port = ["listening on 127.0.0.1:", "serving on port "].iter().find_map(|words| {
            let (_, rest) = said.split_once(words)?;
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            rest[..end].parse().ok()
        });
        let ended = process.try_wait().expect("the process can be waited for");
        assert!(port.is_some() || ended.is_none(), "no registry: {ended:?}\n{said}");
        port
    };
    until(port, || format!("for a registry\n{}", said()))
}

fn token_server(directory: &Path, setup: Setup) -> Registry {
    let signer = Signer::new(&directory.join("tokens.crt"));
    let tokens = Tokens { signer: Some(signer), other_port: true, ..Tokens::new(USER, PASSWORD) };
    let personality = Personality { auth: Auth::Token(tokens), ..Personality::default() };
    match setup.certificates {
        None => Registry::start(personality),
        Some(certificates) => Registry::start_tls(personality, certificates, false),
    }
}

fn config(directory: &Path, setup: Setup, tokens: Option<&Registry>) -> Value {
    let mut config = json!({
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": directory.join("data")}, "delete": {"enabled": true}},
        "http": {"addr": "127.0.0.1:0", "secret": "of one test"},
    });
    if let Some(certificates) = setup.certificates {
        let file = |name| certificates.file(name);
        config["http"]["tls"] = json!({"certificate": file("server.crt"), "key": file("server.key")});
        if setup.of_clients {
            config["http"]["tls"]["clientcas"] = json!([file("ca.crt")]);
        }
    }
    if setup.access == Access::Password {
        let file = directory.join("htpasswd");
        fs::write(&file, HTPASSWD).expect("the file can be written");
        config["auth"] = json!({"htpasswd": {"realm": "strake's tests", "path": file}});
    }
    if let Some(tokens) = tokens {
        let scheme = if setup.certificates.is_some() { "https" } else { "http" };
        config["auth"] = json!({"token": {
            "realm": format!("{scheme}://{}/token", tokens.address_of(Port::Tokens)),
            "service": SERVICE,
            "issuer": Signer::ISSUER,
            "rootcertbundle": directory.join("tokens.crt"),
        }});
    }
    config
}

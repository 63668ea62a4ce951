//! Container engines as the user's environment has them: Docker's variables and contexts, podman, containerd, clusters.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use strake_image::{Context, Piped};
use strake_remote::engines::{
    Containerd, Docker, DockerContext, Endpoint, Engine, EngineTarget, Podman, Program, TlsFiles, kind_nodes,
};

use crate::engine_place::{EngineKind, EnginePlace};
use crate::failure::Failure;

/// Where containerd listens on most machines.
const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// The way to engines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Engines {
    /// A command in front of an engine's own: `ssh host`, `sudo`, `docker exec -i node`.
    via: Vec<OsString>,
}

impl Engines {
    /// `via` is a command with its arguments, with spaces between them.
    pub(crate) fn new(via: Option<&str>) -> Self {
        Self { via: via.into_iter().flat_map(str::split_whitespace).map(OsString::from).collect() }
    }

    /// The engine that an image goes to if none is named.
    pub(crate) fn usual(&self) -> Result<EngineKind, Failure> {
        if !self.via.is_empty() {
            return Ok(EngineKind::Containerd { namespace: None });
        }
        if let Some(engine) = text("CONTAINER_ENGINE") {
            return match Path::new(&engine).file_name().and_then(|name| name.to_str()) {
                Some("docker") => Ok(EngineKind::Docker),
                Some("podman" | "podman-remote") => Ok(EngineKind::Podman),
                _ => Err(Failure::new(format!("CONTAINER_ENGINE is {engine:?}, which strake does not know"))
                    .hint("set it to docker or podman, or say --to ENGINE")),
            };
        }
        let is_said = ["DOCKER_HOST", "DOCKER_CONTEXT"].iter().any(|name| text(name).is_some());
        if is_said || docker_endpoint()? != Endpoint::usual() || exists(&Endpoint::usual()) {
            return Ok(EngineKind::Docker);
        }
        if text("CONTAINER_HOST").is_some() || is_installed("podman") {
            return Ok(EngineKind::Podman);
        }
        if text("CONTAINERD_ADDRESS").is_some() || Path::new(CONTAINERD).exists() {
            return Ok(EngineKind::Containerd { namespace: None });
        }
        Err(Failure::new(
            "there is no container engine: neither Docker's socket, nor podman, nor containerd's socket",
        )
        .hint("start Docker, install podman, set DOCKER_HOST, or say --to ENGINE"))
    }

    /// The engines that a kind of engine stands for: one, or all nodes of a cluster.
    fn open(&self, engine: &EngineKind) -> Result<Vec<Box<dyn Engine>>, Failure> {
        Ok(match engine {
            EngineKind::Docker if !self.via.is_empty() => {
                return Err(Failure::usage("--via: Docker is reached by its API, not by a command")
                    .hint("set DOCKER_HOST=ssh://HOST, or name another engine with --to"));
            }
            EngineKind::Docker => vec![Box::new(docker()?)],
            EngineKind::Podman => vec![Box::new(self.podman())],
            EngineKind::Containerd { namespace } => {
                let usual = || text("CONTAINERD_NAMESPACE").unwrap_or_else(|| "default".to_owned());
                let namespace = namespace.clone().unwrap_or_else(usual);
                vec![Box::new(Containerd::new(&self.program(["ctr"], "containerd"), &namespace))]
            }
            EngineKind::K3s => vec![Box::new(Containerd::node(&self.program(["k3s", "ctr"], "k3s"), None))],
            EngineKind::Minikube { profile } => {
                // Its own ssh hands stdin on only where it is the system's.
                let words =
                    ["minikube", "--profile", profile, "ssh", "--native-ssh=false", "--", "sudo", "ctr"];
                vec![Box::new(Containerd::node(&self.program(words, "minikube"), None))]
            }
            EngineKind::Kind { cluster } => {
                let provider = text("KIND_EXPERIMENTAL_PROVIDER").unwrap_or_else(|| "docker".to_owned());
                let nodes = kind_nodes(&self.program([provider], "kind"), cluster)?;
                nodes.into_iter().map(|node| Box::new(node.containerd) as _).collect()
            }
        })
    }

    /// The engine as a target. `names` are the image's in place of its own.
    pub(crate) fn target<'c>(
        &self,
        engine: &EngineKind,
        names: Option<Vec<String>>,
        mtime: i64,
        context: &'c Context,
    ) -> Result<EngineTarget<'c>, Failure> {
        let engines = self.open(engine)?;
        Ok(EngineTarget::new(engines, engine.to_string(), names, mtime, std::env::temp_dir(), context))
    }

    /// An image out of an engine.
    pub(crate) fn fetch(&self, place: &EnginePlace) -> Result<Piped, Failure> {
        let aside = std::env::temp_dir();
        match &place.engine {
            EngineKind::Docker => Ok(docker()?.save(&place.name, &aside)?),
            EngineKind::Podman => Ok(self.podman().save(&place.name, &aside)?),
            _ => Err(Failure::usage(format!("{place} can only be a destination"))
                .hint("images are read from docker-daemon:NAME and containers-storage:NAME")),
        }
    }

    fn podman(&self) -> Podman {
        let named = text("CONTAINER_ENGINE").filter(|engine| engine.contains("podman"));
        let program = self.program([named.unwrap_or_else(|| "podman".to_owned())], "podman");
        let is_remote = text("CONTAINER_HOST").is_some();
        Podman::new(if is_remote { program.with(["--remote"]) } else { program })
    }

    fn program<S: Into<OsString>>(&self, words: impl IntoIterator<Item = S>, engine: &str) -> Program {
        Program::new(self.via.iter().cloned(), engine).with(words)
    }
}

fn docker() -> Result<Docker, Failure> {
    Ok(Docker::new(&docker_endpoint()?)?)
}

/// Where Docker's own command would look: `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context, the usual socket.
fn docker_endpoint() -> Result<Endpoint, Failure> {
    let directory = path("DOCKER_CONFIG").or_else(|| path("HOME").map(|home| home.join(".docker")));
    if let Some(host) = text("DOCKER_HOST") {
        let verify = text("DOCKER_TLS_VERIFY").is_some();
        let is_tls = verify || text("DOCKER_TLS").is_some() || host.starts_with("https://");
        let named = path("DOCKER_CERT_PATH");
        if let Some(missing) = named.as_ref().filter(|directory| is_tls && !directory.is_dir()) {
            return Err(Failure::new(format!(
                "DOCKER_CERT_PATH: there is no directory {}",
                missing.display()
            )));
        }
        // Without files the system's authorities are trusted, and no certificate is shown.
        let directory = named.or(directory).unwrap_or_default();
        let tls = is_tls.then(|| TlsFiles { directory, verify: verify || text("DOCKER_TLS").is_none() });
        return Endpoint::parse(&host, tls).map_err(|error| {
            Failure::new(format!("DOCKER_HOST: {error}"))
                .hint("it is unix://PATH, tcp://HOST:PORT or ssh://HOST")
        });
    }
    let context = text("DOCKER_CONTEXT");
    let found = directory.map(|directory| DockerContext::endpoint(&directory, context.as_deref()));
    let found = found.transpose().map_err(|error| Failure::new(error.to_string()))?.flatten();
    Ok(found.unwrap_or_else(Endpoint::usual))
}

fn exists(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Unix(socket) if socket.exists())
}

fn is_installed(program: &str) -> bool {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&directories).any(|directory| directory.join(program).is_file())
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

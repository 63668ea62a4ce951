//! Images in container engines, as the user names them: `docker-daemon:NAME:TAG` and so on, and the engines of `strake load --to`.

use std::fmt;
use std::str::FromStr;

use strake_image::reference;

use crate::failure::Failure;

/// An engine that images are loaded into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EngineKind {
    Docker,
    Podman,
    Containerd { namespace: Option<String> },
    Kind { cluster: String },
    K3s,
    Minikube { profile: String },
}

/// An image in an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnginePlace {
    pub(crate) engine: EngineKind,
    /// The image's name, with its tag.
    pub(crate) name: String,
}

/// Namespaces of containerd that are told from the first part of an image's name.
const NAMESPACES: [&str; 3] = ["default", "k8s.io", "moby"];

const TRANSPORTS: [&str; 6] =
    ["docker-daemon", "containers-storage", "containerd", "kind", "k3s", "minikube"];

/// Whether a text names an image in an engine.
pub(crate) fn is_engine(text: &str) -> bool {
    transport(text).is_some()
}

fn transport(text: &str) -> Option<(&'static str, &str)> {
    let (word, rest) = text.split_once(':')?;
    Some((TRANSPORTS.into_iter().find(|transport| *transport == word)?, rest))
}

impl EnginePlace {
    /// Reads `TRANSPORT:NAME`. `None`: it names no engine.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Failure> {
        let Some((transport, rest)) = transport(text) else { return Ok(None) };
        let (first, name) = rest.split_once('/').map_or((None, rest), |(first, name)| (Some(first), name));
        let (engine, name) = match transport {
            "docker-daemon" => (EngineKind::Docker, rest),
            "containers-storage" => (EngineKind::Podman, rest),
            "k3s" => (EngineKind::K3s, rest),
            "kind" => (EngineKind::Kind { cluster: first.unwrap_or("kind").to_owned() }, name),
            "minikube" => (EngineKind::Minikube { profile: first.unwrap_or("minikube").to_owned() }, name),
            _ => match first.filter(|first| NAMESPACES.contains(first)) {
                Some(namespace) => (EngineKind::Containerd { namespace: Some(namespace.to_owned()) }, name),
                None => (EngineKind::Containerd { namespace: None }, rest),
            },
        };
        let name = reference::with_tag(name).ok_or_else(|| {
            Failure::usage(format!("{text:?}: {name:?} is not a name that an image can have"))
                .hint("a name is like hello:1.0 or registry.example.org/team/hello:1.0")
        })?;
        Ok(Some(Self { engine, name }))
    }
}

impl fmt::Display for EnginePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.engine {
            EngineKind::Docker => write!(f, "docker-daemon:{name}"),
            EngineKind::Podman => write!(f, "containers-storage:{name}"),
            EngineKind::Containerd { namespace: None } => write!(f, "containerd:{name}"),
            EngineKind::Containerd { namespace: Some(namespace) } => {
                write!(f, "containerd:{namespace}/{name}")
            }
            EngineKind::Kind { cluster } => write!(f, "kind:{cluster}/{name}"),
            EngineKind::K3s => write!(f, "k3s:{name}"),
            EngineKind::Minikube { profile } => write!(f, "minikube:{profile}/{name}"),
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Docker => f.write_str("docker"),
            Self::Podman => f.write_str("podman"),
            Self::Containerd { namespace: None } => f.write_str("containerd"),
            Self::Containerd { namespace: Some(namespace) } => write!(f, "containerd={namespace}"),
            Self::Kind { cluster } => write!(f, "kind={cluster}"),
            Self::K3s => f.write_str("k3s"),
            Self::Minikube { profile } => write!(f, "minikube={profile}"),
        }
    }
}

/// The value of `--to`.
impl FromStr for EngineKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (engine, which) =
            text.split_once('=').map_or((text, None), |(engine, which)| (engine, Some(which)));
        if which.is_some_and(|which| {
            which.is_empty() || which.starts_with('-') || !which.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            return Err(format!("{text:?} does not end with a name"));
        }
        let named = |usual: &str| which.unwrap_or(usual).to_owned();
        Ok(match (engine, which) {
            ("docker", None) => Self::Docker,
            ("podman", None) => Self::Podman,
            ("containerd", namespace) => Self::Containerd { namespace: namespace.map(str::to_owned) },
            ("kind", _) => Self::Kind { cluster: named("kind") },
            ("k3s", None) => Self::K3s,
            ("minikube", _) => Self::Minikube { profile: named("minikube") },
            _ => {
                return Err(
                    "it is docker, podman, containerd[=NAMESPACE], kind[=CLUSTER], k3s or minikube[=PROFILE]"
                        .to_owned(),
                );
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (text, expected) in [
            ("docker-daemon:hello:1", Some("docker-daemon:hello:1")),
            ("docker-daemon:team/hello", Some("docker-daemon:team/hello:latest")),
            ("containers-storage:localhost/hello:1", Some("containers-storage:localhost/hello:1")),
            ("containerd:hello:1", Some("containerd:hello:1")),
            ("containerd:k8s.io/hello:1", Some("containerd:k8s.io/hello:1")),
            ("containerd:team/hello:1", Some("containerd:team/hello:1")),
            ("kind:hello:1", Some("kind:kind/hello:1")),
            ("kind:blue/team/hello:1", Some("kind:blue/team/hello:1")),
            ("k3s:hello:1", Some("k3s:hello:1")),
            ("minikube:hello:1", Some("minikube:minikube/hello:1")),
            ("oci:hello:1", None),
            ("docker-daemon", None),
        ] {
            let found = EnginePlace::parse(text).unwrap().map(|place| place.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        for text in
            ["docker-daemon:", "docker-daemon:Hello:1", "containers-storage:[vfs@/x]hello:1", "kind:blue/"]
        {
            assert!(EnginePlace::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn engines() {
        for text in
            ["docker", "podman", "containerd", "containerd=k8s.io", "kind=blue", "k3s", "minikube=minikube"]
        {
            assert_eq!(text.parse::<EngineKind>().unwrap().to_string(), text);
        }
        for text in ["", "docker=x", "kind=", "kind=-x", "lxc"] {
            assert!(text.parse::<EngineKind>().is_err(), "{text}");
        }
    }
}

//! kind: clusters whose nodes are containers.
//!
//! It works as `kind load image-archive` does: it finds the nodes by their label, asks each for its snapshotter, and has
//! each node's own `ctr` import an archive.

use super::containerd::Containerd;
use super::error::EngineError;
use super::program::Program;

const CLUSTER: &str = "io.x-k8s.kind.cluster";
const ROLE: &str = "io.x-k8s.kind.role";

/// A node in front of others, which runs nothing.
const LOAD_BALANCER: &str = "external-load-balancer";

/// A node.
#[derive(Debug)]
pub struct KindNode {
    /// Its name.
    pub name: String,
    /// Its containerd.
    pub containerd: Containerd,
}

/// The nodes of a cluster. `provider` is the program whose containers they are: `docker`, `podman` or `nerdctl`.
pub fn kind_nodes(provider: &Program, cluster: &str) -> Result<Vec<KindNode>, EngineError> {
    let program = provider.named(&format!("kind cluster {cluster}"));
    let label = format!("label={CLUSTER}={cluster}");
    let ids = program.run(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &label])?;
    let mut nodes = Vec::new();
    for id in ids.split_whitespace() {
        let format = format!("{{{{.Name}}}} {{{{.State.Status}}}} {{{{index .Config.Labels \"{ROLE}\"}}}}");
        let about = program.run(&["inspect", "--type", "container", "--format", &format, id])?;
        let mut words = about.split_whitespace().map(str::to_owned);
        let name = words.next().unwrap_or_default().trim_start_matches('/').to_owned();
        let state = words.next().unwrap_or_default();
        if words.next().as_deref() == Some(LOAD_BALANCER) {
            continue;
        }
        if state != "running" {
            return Err(EngineError::NodeState { name, state });
        }
        let inside = provider.named(&format!("kind node {name}")).with(["exec", "--interactive", id]);
        let config = inside.run(&["containerd", "config", "dump"])?;
        let containerd = Containerd::node(&inside.with(["ctr"]), snapshotter(&config));
        nodes.push(KindNode { name, containerd });
    }
    if nodes.is_empty() {
        return Err(EngineError::NoNodes { cluster: cluster.to_owned() });
    }
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(nodes)
}

/// The snapshotter that the kubelet's images are unpacked with, in containerd's configuration.
fn snapshotter(config: &str) -> Option<String> {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (key.trim() == "snapshotter" && !value.is_empty()).then(|| value.to_owned())
    };
    config.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshotters() {
        for (config, expected) in [
            ("", None),
            ("  snapshotter = \"overlayfs\"\n", Some("overlayfs")),
            ("  default_runtime = 'x'\n  snapshotter = 'fuse-overlayfs'\n", Some("fuse-overlayfs")),
            ("  snapshotter = \"\"\n", None),
            ("  disable_snapshot_annotations = true\n", None),
        ] {
            assert_eq!(snapshotter(config).as_deref(), expected, "{config}");
        }
    }
}

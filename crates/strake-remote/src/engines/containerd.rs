//! containerd, by its own command `ctr`: on this machine, or wherever a command in front of it leads.

use std::collections::HashSet;

use strake_image::{Digest, reference};

use super::error::EngineError;
use super::program::Program;
use super::{Archive, Engine, Found, Imported, Presence, WantedImage};

/// A namespace of a containerd.
pub struct Containerd {
    program: Program,
    namespace: String,
    /// Whether the images are a kubelet's, which needs layers unpacked and may discard their blobs.
    is_node: bool,
    snapshotter: Option<String>,
}

impl Containerd {
    /// `program` is `ctr`, with what leads to it before it and options behind it.
    pub fn new(program: &Program, namespace: &str) -> Self {
        let (program, namespace) = (program.with(["--namespace", namespace]), namespace.to_owned());
        Self { program, namespace, is_node: false, snapshotter: None }
    }

    /// A node of a Kubernetes cluster: there a layer that is unpacked is there, with or without its blob.
    #[must_use]
    pub fn node(program: &Program, snapshotter: Option<String>) -> Self {
        Self { is_node: true, snapshotter, ..Self::new(program, "k8s.io") }
    }

    fn lines(&self, arguments: &[&str]) -> Result<HashSet<String>, EngineError> {
        Ok(self.program.run(arguments)?.lines().map(|line| line.trim().to_owned()).collect())
    }

    /// The manifest's digest of the image with this name, and whether nothing is missing of it.
    fn image(&self, name: &str) -> Result<Option<(String, bool)>, EngineError> {
        let table = self.program.run(&["images", "check", &format!("name=={name}")])?;
        let row = table.lines().find(|line| line.split_whitespace().next() == Some(name));
        let digest =
            |row: &str| row.split_whitespace().find(|cell| cell.starts_with("sha256:")).map(str::to_owned);
        Ok(row.and_then(|row| Some((digest(row)?, row.contains(" complete ")))))
    }

    /// The chain IDs of unpacked layers.
    fn snapshots(&self) -> Result<HashSet<String>, EngineError> {
        let mut arguments = vec!["snapshots"];
        if let Some(snapshotter) = &self.snapshotter {
            arguments.extend(["--snapshotter", snapshotter]);
        }
        arguments.push("ls");
        let table = self.program.run(&arguments)?;
        Ok(table.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// The layers that are there: their blobs are, or, on a node, they or a layer above them are unpacked.
    fn layers(&self, wanted: &WantedImage<'_>) -> Result<Vec<bool>, EngineError> {
        let blobs = self.lines(&["content", "ls", "--quiet"])?;
        let has = |digest: Digest| blobs.contains(&digest.to_string());
        let mut there: Vec<bool> = wanted.blobs().map(has).collect();
        if self.is_node && there.contains(&false) {
            let snapshots = self.snapshots()?;
            let chains = wanted.image.chain_ids();
            let unpacked = chains.iter().rposition(|chain| snapshots.contains(&chain.to_string()));
            there.iter_mut().take(unpacked.map_or(0, |place| place + 1)).for_each(|there| *there = true);
        }
        Ok(there)
    }
}

/// A name in full, as containerd has it.
fn full(name: &str) -> String {
    let (repository, tag) = reference::full(name);
    format!("{repository}:{tag}")
}

impl Engine for Containerd {
    fn name(&self) -> String {
        self.program.engine().to_owned()
    }

    fn look(&self, wanted: &WantedImage<'_>) -> Result<Found, EngineError> {
        let manifest = wanted.manifest.digest().to_string();
        let (mut unnamed, mut replaced) = (Vec::new(), Vec::new());
        for name in wanted.names {
            match self.image(&full(name))? {
                Some((digest, is_whole)) if digest == manifest && (is_whole || self.is_node) => {}
                other => {
                    unnamed.push(name.clone());
                    let other = other.filter(|(digest, _)| *digest != manifest);
                    replaced.extend(other.map(|(digest, _)| (name.clone(), digest)));
                }
            }
        }
        let is_named = unnamed.len() < wanted.names.len();
        if is_named && (!self.is_node || !self.layers(wanted)?.contains(&false)) {
            return Ok(Found { replaced, presence: Presence::Whole { unnamed } });
        }
        Ok(Found { replaced, presence: Presence::Layers(self.layers(wanted)?) })
    }

    fn tag(&self, wanted: &WantedImage<'_>, names: &[String]) -> Result<(), EngineError> {
        let Some(known) = wanted.names.iter().find(|name| !names.contains(name)) else { return Ok(()) };
        for name in names {
            self.program.run(&["images", "tag", "--force", &full(known), &full(name)])?;
        }
        Ok(())
    }

    fn import(&self, _: &WantedImage<'_>, archive: Archive) -> Result<Imported, EngineError> {
        let mut arguments = vec!["images", "import"];
        if self.is_node {
            arguments.push("--all-platforms");
        }
        if let Some(snapshotter) = &self.snapshotter {
            arguments.extend(["--snapshotter", snapshotter]);
        }
        arguments.push("-");
        match self.program.feed(&arguments, archive.pipe) {
            Ok(()) => Ok(Imported::Taken),
            // A layer's blob that is nowhere.
            Err(EngineError::Refused { message, .. })
                if message.contains("not found") && message.contains("sha256:") =>
            {
                Ok(Imported::Lacks)
            }
            Err(other) => Err(other),
        }
    }

    fn is_whole(&self, wanted: &WantedImage<'_>) -> Result<bool, EngineError> {
        let manifest = wanted.manifest.digest().to_string();
        for name in wanted.names {
            let found = self.image(&full(name))?;
            if !found.is_some_and(|(digest, is_whole)| digest == manifest && (is_whole || self.is_node)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run_command(&self, name: &str) -> Option<Vec<String>> {
        if self.is_node {
            return None;
        }
        // A container's ID has single separators between letters and digits.
        let id = reference::split_tag(name).0.rsplit('/').next().unwrap_or_default();
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let command = self.program.with(["run".to_owned(), "--rm".to_owned(), full(name), id]);
        Some(command.words())
    }
}

impl std::fmt::Debug for Containerd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.program.engine(), self.namespace)
    }
}

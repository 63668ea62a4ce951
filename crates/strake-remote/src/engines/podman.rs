//! Podman, by its command. It has no daemon; the command finds its storage.

use std::collections::HashSet;
use std::path::Path;

use strake_image::{Piped, reference};

use super::error::EngineError;
use super::program::Program;
use super::{Archive, Engine, Found, Imported, Presence, WantedImage};

/// The maximum number of images in one command.
const ASKED: usize = 500;

/// Podman's storage.
pub struct Podman {
    program: Program,
}

impl Podman {
    /// The words with which its command lines begin: `podman`, and options that say which storage.
    pub fn new(program: Program) -> Self {
        Self { program }
    }

    /// Reads an image, as a docker-archive.
    pub fn save(&self, name: &str, into: &Path) -> Result<Piped, EngineError> {
        if self.id(name)?.is_none() {
            return Err(EngineError::NoImage { engine: self.name(), name: name.to_owned() });
        }
        let engine = self.name();
        self.program.read(&["save", "--quiet", "--format", "docker-archive", name], |source| {
            Piped::new(source, into).map_err(|source| EngineError::Unreachable { engine, source })
        })
    }

    /// The ID of the image with this name or ID, in hexadecimal.
    fn id(&self, name: &str) -> Result<Option<String>, EngineError> {
        match self.program.run(&["image", "inspect", "--format", "{{.Id}}", name]) {
            Ok(id) => Ok(Some(id.trim().trim_start_matches("sha256:").to_owned())),
            Err(EngineError::Refused { message, .. })
                if ["not known", "no such image", "failed to find"]
                    .iter()
                    .any(|word| message.contains(word)) =>
            {
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// The diff ids of all layers.
    fn diff_ids(&self) -> Result<HashSet<String>, EngineError> {
        let ids = self.program.run(&["images", "--all", "--quiet", "--no-trunc"])?;
        let ids: Vec<&str> = ids.lines().collect::<HashSet<_>>().into_iter().take(ASKED).collect();
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let format = ["image", "inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}"];
        let arguments: Vec<&str> = format.into_iter().chain(ids).collect();
        // An image may be gone by now. Then nothing is known, and all is sent.
        let layers = self.program.run(&arguments).unwrap_or_default();
        Ok(layers.split_whitespace().map(str::to_owned).collect())
    }
}

impl Engine for Podman {
    fn name(&self) -> String {
        self.program.engine().to_owned()
    }

    /// As `podman build` has it: without a registry's name, it is this machine's. An image that was built here under the same
    /// name is replaced, rather than found before this one.
    fn name_of(&self, name: &str) -> String {
        let has_host = name.split_once('/').is_some_and(|(host, _)| reference::is_host(host));
        if has_host { name.to_owned() } else { format!("localhost/{name}") }
    }

    fn look(&self, wanted: &WantedImage<'_>) -> Result<Found, EngineError> {
        let id = wanted.image.id().hex();
        let (mut unnamed, mut replaced) = (Vec::new(), Vec::new());
        for name in wanted.names {
            let named = self.id(name)?;
            if named.as_ref() != Some(&id) {
                unnamed.push(name.clone());
                replaced.extend(named.map(|id| (name.clone(), format!("sha256:{id}"))));
            }
        }
        if unnamed.len() < wanted.names.len() || self.id(&id)?.is_some() {
            return Ok(Found { replaced, presence: Presence::Whole { unnamed } });
        }
        let known = self.diff_ids()?;
        let diff_ids = wanted.image.layers.iter().map(|one| one.layer.diff_id.to_string());
        // Storage finds a layer by its diff id if the blob is not compressed, and else by a cache of its own.
        let blobs = wanted.blobs().map(|blob| blob.to_string());
        let there = diff_ids.zip(blobs).map(|(diff_id, blob)| diff_id == blob && known.contains(&diff_id));
        Ok(Found { replaced, presence: Presence::Layers(there.collect()) })
    }

    fn tag(&self, wanted: &WantedImage<'_>, names: &[String]) -> Result<(), EngineError> {
        let id = wanted.image.id().hex();
        for name in names {
            self.program.run(&["tag", &id, name])?;
        }
        Ok(())
    }

    fn import(&self, wanted: &WantedImage<'_>, archive: Archive) -> Result<Imported, EngineError> {
        match self.program.feed(&["load", "--quiet"], archive.pipe) {
            Ok(()) => Ok(Imported::Taken),
            // A blob that is not in the archive.
            Err(EngineError::Refused { message, .. })
                if message.contains("no such file or directory")
                    && wanted.blobs().any(|blob| message.contains(&blob.hex())) =>
            {
                Ok(Imported::Lacks)
            }
            Err(other) => Err(other),
        }
    }

    fn is_whole(&self, wanted: &WantedImage<'_>) -> Result<bool, EngineError> {
        let id = wanted.image.id().hex();
        for name in wanted.names {
            if self.id(name)?.as_ref() != Some(&id) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run_command(&self, name: &str) -> Option<Vec<String>> {
        Some(self.program.with(["run", "--rm", name]).words())
    }
}

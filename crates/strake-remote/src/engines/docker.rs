//! Docker, by its API.
//!
//! It has one of two stores. The classic one keeps layers by chain ID, and reads of an archive only the layers above those that it
//! has; which these are an archive without layers tells, whose failure names the first that is missing. The containerd store keeps
//! blobs by digest, and takes an archive in which any of those that it has are left out.

use std::collections::HashSet;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;
use strake_image::{Digest, Piped, reference};

use super::api::Api;
use super::endpoint::Endpoint;
use super::error::EngineError;
use super::{Archive, Engine, Found, Imported, Presence, WantedImage};

/// The maximum number of images whose layers are listed, where the store does not list them.
const ASKED: usize = 16;

/// The containerd store's message about an image with missing layers, in a load that succeeds.
const NOT_UNPACKED: &str = "Error unpacking image";

/// A Docker daemon.
pub struct Docker {
    api: Api,
    store: OnceLock<Store>,
}

/// Which of its stores a daemon has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Classic,
    Containerd,
}

impl Docker {
    /// The daemon at this place. It is not asked anything yet.
    pub fn new(endpoint: &Endpoint) -> Result<Self, EngineError> {
        Ok(Self { api: Api::new(endpoint, format!("Docker at {endpoint}"))?, store: OnceLock::new() })
    }

    /// Reads an image, as the docker-archive that `docker save` writes.
    pub fn save(&self, name: &str, into: &Path) -> Result<Piped, EngineError> {
        let path = format!("/images/{}", escaped(name));
        if self.api.get(&format!("{path}/json"))?.is_none() {
            return Err(EngineError::NoImage { engine: self.name(), name: name.to_owned() });
        }
        let mut answer = self.api.stream(&format!("{path}/get"))?;
        let kept = Piped::new(&mut answer.body_mut().as_reader(), into);
        kept.map_err(|source| EngineError::Unreachable { engine: self.name(), source })
    }

    fn store(&self) -> Result<Store, EngineError> {
        let info = self.api.get("/info")?.ok_or_else(|| self.api.not_understood(&"it knows no /info"))?;
        let status = info["DriverStatus"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_containerd = |row: &Value| row[0] == "driver-type" && row[1] == "io.containerd.snapshotter.v1";
        let store = if status.iter().any(is_containerd) { Store::Containerd } else { Store::Classic };
        Ok(*self.store.get_or_init(|| store))
    }

    /// The images that have this name: one, or none.
    fn named(&self, name: &str) -> Result<Vec<Value>, EngineError> {
        let filter = serde_json::json!({ "reference": [familiar(name)] }).to_string();
        self.list(&format!("&filters={}", escaped(&filter)))
    }

    fn list(&self, filter: &str) -> Result<Vec<Value>, EngineError> {
        let list = self.api.get(&format!("/images/json?manifests=1{filter}"))?;
        match list {
            Some(Value::Array(list)) => Ok(list),
            _ => Err(self.api.not_understood(&"it is no list of images")),
        }
    }

    /// The diff ids of layers that images have which are listed as whole, those of our own repository first.
    fn diff_ids(&self, wanted: &WantedImage<'_>) -> Result<HashSet<String>, EngineError> {
        let mut images = self.list("")?;
        let repositories: Vec<_> = wanted.names.iter().map(|name| reference::full(name).0).collect();
        let is_ours = |image: &Value| {
            let names = image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str);
            names.map(reference::full).any(|(repository, _)| repositories.contains(&repository))
        };
        images.retain(is_available);
        images.sort_by_key(|image| (!is_ours(image), std::cmp::Reverse(image["Created"].as_i64())));
        let mut diff_ids = HashSet::new();
        for image in images.iter().take(ASKED) {
            let Some(id) = image["Id"].as_str() else { continue };
            let about = self.api.get(&format!("/images/{}/json", escaped(id)))?.unwrap_or_default();
            let layers = about["RootFS"]["Layers"].as_array().into_iter().flatten();
            diff_ids.extend(layers.filter_map(Value::as_str).map(str::to_owned));
        }
        Ok(diff_ids)
    }
}

/// Whether everything is there of an image, by its entry in a list. Only the containerd store says so.
fn is_available(image: &Value) -> bool {
    let Some(manifests) = image["Manifests"].as_array() else { return false };
    manifests.iter().any(|manifest| manifest["Available"] == true)
}

/// Whether an entry in the list of images is this image, whole: by the config's digest in the classic store, by the manifest's
/// in the other.
fn is_same(entry: &Value, wanted: &WantedImage<'_>) -> bool {
    let manifest = wanted.manifest.digest().to_string();
    entry["Id"] == wanted.image.id().to_string() || (entry["Id"] == manifest && is_available(entry))
}

impl Engine for Docker {
    fn name(&self) -> String {
        self.api.engine().to_owned()
    }

    fn look(&self, wanted: &WantedImage<'_>) -> Result<Found, EngineError> {
        let (mut unnamed, mut replaced) = (Vec::new(), Vec::new());
        for name in wanted.names {
            let named = self.named(name)?;
            if !named.iter().any(|entry| is_same(entry, wanted)) {
                unnamed.push(name.clone());
                let other = named.first().and_then(|entry| entry["Id"].as_str());
                replaced.extend(other.map(|id| (name.clone(), id.to_owned())));
            }
        }
        if unnamed.len() < wanted.names.len() {
            return Ok(Found { replaced, presence: Presence::Whole { unnamed } });
        }
        let id = wanted.image.id().to_string();
        let by_id = self.api.get(&format!("/images/{id}/json"))?;
        if by_id.is_some_and(|found| found["Id"] == id) {
            return Ok(Found { replaced, presence: Presence::Whole { unnamed } });
        }
        let there = match self.store()? {
            // The first archive is a question.
            Store::Classic => vec![true; wanted.image.layers.len()],
            Store::Containerd => {
                let known = self.diff_ids(wanted)?;
                wanted.blobs().map(|blob| known.contains(&blob.to_string())).collect()
            }
        };
        Ok(Found { replaced, presence: Presence::Layers(there) })
    }

    fn tag(&self, wanted: &WantedImage<'_>, names: &[String]) -> Result<(), EngineError> {
        let id = wanted.image.id();
        // The image that has one of the names already, in any store.
        let known = wanted.names.iter().find(|name| !names.contains(name));
        let image = known.map_or_else(|| id.to_string(), Clone::clone);
        for name in names {
            let (repository, tag) = reference::split_tag(name);
            let tag = tag.unwrap_or("latest");
            let query = format!("repo={}&tag={}", escaped(repository), escaped(tag));
            self.api.post(&format!("/images/{}/tag?{query}", escaped(&image)))?;
        }
        Ok(())
    }

    fn import(&self, wanted: &WantedImage<'_>, archive: Archive) -> Result<Imported, EngineError> {
        let said = match self.api.post_archive("/images/load?quiet=1", archive) {
            Ok(said) => said,
            // Not a line of the answer, but all of it.
            Err(EngineError::Refused { message, status, engine }) => {
                return missing_layer(&message, wanted).ok_or(EngineError::Refused {
                    engine,
                    message,
                    status,
                });
            }
            Err(other) => return Err(other),
        };
        let said = String::from_utf8_lossy(&said);
        for line in said.lines().filter(|line| !line.trim().is_empty()) {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let error = line["errorDetail"]["message"].as_str().or(line["error"].as_str());
            if let Some(message) = error {
                let (engine, message) = (self.name(), message.to_owned());
                let lacks = missing_layer(&message, wanted);
                return lacks.ok_or(EngineError::Refused { engine, message, status: None });
            }
            if line["stream"].as_str().is_some_and(|text| text.contains(NOT_UNPACKED)) {
                return Ok(Imported::Lacks);
            }
        }
        if said.contains(NOT_UNPACKED) { Ok(Imported::Lacks) } else { Ok(Imported::Taken) }
    }

    fn is_whole(&self, wanted: &WantedImage<'_>) -> Result<bool, EngineError> {
        for name in wanted.names {
            let named = self.named(name)?;
            let Some(entry) = named.first() else { return Ok(false) };
            // A daemon that does not list manifests says nothing about what is missing: it was sent all layers.
            let is_unlisted =
                entry["Manifests"].is_null() && entry["Id"] == wanted.manifest.digest().to_string();
            if !is_same(entry, wanted) && !is_unlisted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn keeps_blobs(&self) -> bool {
        self.store.get() == Some(&Store::Containerd)
    }

    fn run_command(&self, name: &str) -> Option<Vec<String>> {
        Some(["docker", "run", "--rm", name].map(str::to_owned).to_vec())
    }
}

/// The layer that a failure is about: it could not be opened, by its name in the archive.
fn missing_layer(message: &str, wanted: &WantedImage<'_>) -> Option<Imported> {
    let is_named = |blob: Digest| message.contains(&blob.hex());
    let place = wanted.blobs().position(is_named)?;
    message.contains("no such file or directory").then_some(Imported::LacksFrom(place))
}

/// A name as Docker shows it, and as its filters compare it.
fn familiar(name: &str) -> String {
    let (repository, tag) = reference::full(name);
    let short = repository.strip_prefix("docker.io/library/").or(repository.strip_prefix("docker.io/"));
    format!("{}:{tag}", short.unwrap_or(&repository))
}

/// A part of a path or a query.
fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
        .replace("%2F", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_docker_shows_them() {
        for (name, expected) in [
            ("hello", "hello:latest"),
            ("docker.io/library/hello:1", "hello:1"),
            ("docker.io/team/hello:1", "team/hello:1"),
            ("team/hello:1", "team/hello:1"),
            ("localhost:5000/hello:1", "localhost:5000/hello:1"),
        ] {
            assert_eq!(familiar(name), expected);
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(escaped("localhost:5000/a b:1"), "localhost%3A5000/a%20b%3A1");
    }
}

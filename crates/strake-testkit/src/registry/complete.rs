//! Whether an image is all there.

use super::digest::digest;
use super::state::Repository;

/// Checks that a tag's manifest and all that it leads to are in the repository, with the right digests and sizes.
pub(super) fn check(repository: &Repository, tag: &str) -> Result<(), String> {
    let (name, manifest) = repository.manifest(tag).ok_or_else(|| format!("{tag} is not there"))?;
    let mut open = vec![(name, manifest)];
    while let Some((name, manifest)) = open.pop() {
        is(&name, &manifest.bytes)?;
        if let Some(lack) = repository.lacks(&manifest.bytes).first() {
            return Err(format!("{name}: {lack}"));
        }
        let value: serde_json::Value =
            serde_json::from_slice(&manifest.bytes).map_err(|error| format!("{name}: {error}"))?;
        for descriptor in value["manifests"].as_array().into_iter().flatten() {
            open.extend(repository.manifest(descriptor["digest"].as_str().unwrap_or_default()));
        }
        for descriptor in value["layers"].as_array().into_iter().flatten().chain(value.get("config")) {
            let name = descriptor["digest"].as_str().unwrap_or_default();
            if let Some(blob) = repository.blobs.get(name) {
                is(name, blob)?;
            }
        }
    }
    Ok(())
}

fn is(name: &str, bytes: &[u8]) -> Result<(), String> {
    let actual = digest(bytes);
    if actual == name { Ok(()) } else { Err(format!("{name} is {actual}")) }
}

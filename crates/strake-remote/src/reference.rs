//! Names of images in registries.
//!
//! Format: the distribution project's "reference" package. A name without a registry is Docker Hub's.

use std::fmt;

use strake_image::reference::{is_host, is_repository, is_tag, split_tag};
use strake_image::{Digest, DigestError};

const HUB: &str = "docker.io";
/// Where Docker Hub answers.
const HUB_ADDRESS: &str = "registry-1.docker.io";
/// Other names of Docker Hub, that old files use.
const HUB_ALIASES: [&str; 2] = ["index.docker.io", HUB_ADDRESS];
const DEFAULT_TAG: &str = "latest";

/// The name of an image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry, with its port if it has one.
    pub host: String,
    /// The repository in it.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The manifest's digest.
    pub digest: Option<Digest>,
}

/// Why a text is not the name of an image in a registry.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It has a wrong form.
    #[error("is not the name of an image in a registry")]
    Form,
    /// The part after the `@` is not a digest.
    #[error("has a wrong digest")]
    Digest(#[from] DigestError),
}

impl Reference {
    /// Reads `[HOST/]REPOSITORY[:TAG][@DIGEST]`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(name);
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path.to_owned()),
            _ => (HUB, name.to_owned()),
        };
        let host = if HUB_ALIASES.contains(&host) { HUB } else { host };
        let repository = if host == HUB && !path.contains('/') { format!("library/{path}") } else { path };
        let is_host_fine = ureq::http::uri::Authority::try_from(host).is_ok();
        if !is_host_fine || !is_repository(&repository) || !tag.is_none_or(is_tag) {
            return Err(ReferenceError::Form);
        }
        Ok(Self { host: host.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }

    /// Where the registry answers.
    pub fn address(&self) -> &str {
        if self.host == HUB { HUB_ADDRESS } else { &self.host }
    }

    /// The reference in requests: a digest, or else a tag.
    pub fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// The tag, or the one that counts where neither tag nor digest is said.
    pub fn tag_or_default(&self) -> Option<&str> {
        match (&self.tag, self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some(DEFAULT_TAG),
            (None, Some(_)) => None,
        }
    }

    /// The same repository's image of this digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), tag: None, ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, expected) in [
            ("hello", "docker.io/library/hello"),
            ("hello:1", "docker.io/library/hello:1"),
            ("a/b", "docker.io/a/b"),
            ("index.docker.io/hello", "docker.io/library/hello"),
            ("localhost/hello", "localhost/hello"),
            ("localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x"),
            ("[::1]:5000/a:x", "[::1]:5000/a:x"),
            (&format!("ghcr.io/a/b:1@{digest}"), &format!("ghcr.io/a/b:1@{digest}")),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), expected, "{text}");
        }
        for refused in
            ["", "A", "a@sha256:12", "host:5000/", "a:", "a/../b", "host:x:1/a", "a@", "ghcr.io/a b"]
        {
            assert!(Reference::parse(refused).is_err(), "{refused}");
        }
    }
}

//! What an image runs on.
//!
//! Format: the OCI image specification 1.1, "image index", key `platform`, and "image configuration", which say it by the
//! same keys.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A platform. Keys that are not listed here are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// The processor architecture, by Go's name for it.
    pub architecture: String,
    /// The operating system, by Go's name for it.
    pub os: String,
    /// The version of the operating system, where one image is not for all.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system that the image requires.
    #[serde(default, rename = "os.features", skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Vec<String>>,
    /// The variant of the architecture, like `v7` of `arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on this architecture.
    pub fn linux(architecture: impl Into<String>) -> Self {
        let (os, architecture) = ("linux".to_owned(), architecture.into());
        Self { architecture, os, os_version: None, os_features: None, variant: None }
    }

    /// Where nobody says what it is.
    pub fn unknown() -> Self {
        Self { os: "unknown".to_owned(), ..Self::linux("unknown") }
    }

    /// Takes `os/architecture` or `os/architecture/variant`.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return None,
        };
        let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        parts.iter().all(is_word).then(|| Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            os_version: None,
            os_features: None,
            variant: variant.map(str::to_owned),
        })
    }

    /// What a config says that its image runs on. `None`: it does not say it.
    pub fn of_config(config: &[u8]) -> Option<Self> {
        serde_json::from_slice(config).ok()
    }

    /// Whether an image for this platform is what is meant by another, which may say less.
    pub fn is_a(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.kind() == wanted.kind())
    }

    /// Whether nothing tells the two apart.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_a(other) && self.kind() == other.kind() && self.os_version == other.os_version
    }

    /// The variant, or the one that is meant where none is said.
    fn kind(&self) -> Option<&str> {
        match &self.variant {
            None if self.architecture == "arm64" => Some("v8"),
            variant => variant.as_deref(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))?;
        self.os_version.iter().try_for_each(|version| write!(f, " {version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant() {
        for (image, wanted, expected) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/amd64", "linux/arm64", false),
            ("linux/amd64", "windows/amd64", false),
            ("linux/arm/v7", "linux/arm", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/arm", "linux/arm/v7", false),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64/v8", true),
            ("linux/arm64/v9", "linux/arm64/v8", false),
        ] {
            let parsed = |text| Platform::parse(text).unwrap();
            assert_eq!(parsed(image).is_a(&parsed(wanted)), expected, "{image} {wanted}");
            assert_eq!(parsed(image).to_string(), image);
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux/amd64/", "linux/amd 64"] {
            assert_eq!(Platform::parse(text), None, "{text}");
        }
    }
}

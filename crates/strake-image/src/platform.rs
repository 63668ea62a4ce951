//! What an image runs on.
//!
//! Format: the OCI image specification 1.1, "image index", key `platform`, and "image configuration", which say it by the
//! same keys.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Which of several images for several platforms is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlatformPick {
    /// The one for this platform, and no other.
    Only(Platform),
    /// The one for this platform, or else the only one.
    Preferred(Platform),
}

impl PlatformPick {
    /// The platform.
    pub fn platform(&self) -> &Platform {
        match self {
            Self::Only(platform) | Self::Preferred(platform) => platform,
        }
    }

    /// The same, where another will do if there is only that.
    #[must_use]
    pub fn preferred(self) -> Self {
        match self {
            Self::Only(platform) | Self::Preferred(platform) => Self::Preferred(platform),
        }
    }
}

/// A platform. Keys that are not listed here are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// The processor architecture, by Go's name for it.
    pub architecture: String,
    /// The operating system, by Go's name for it.
    pub os: String,
    /// The version of the operating system, where one image is not for all.
    #[serde(
        default,
        deserialize_with = "said",
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Features of the operating system that the image requires.
    #[serde(default, rename = "os.features", skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Vec<String>>,
    /// The variant of the architecture, like `v7` of `arm`.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
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
        serde_json::from_slice(config).ok().filter(Self::is_said)
    }

    /// Whether it says what it is.
    pub(crate) fn is_said(&self) -> bool {
        !self.os.is_empty() && !self.architecture.is_empty()
    }

    /// Whether it is the one of manifests that are no image's.
    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::unknown()
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

    /// In what the two contradict each other: what each says. Nothing contradicts what is not said.
    pub(crate) fn differences(&self, other: &Self) -> Vec<[String; 2]> {
        let features = |platform: &Self| platform.os_features.as_ref().map(BTreeSet::from_iter).map(set_text);
        let is_one_kind = self.architecture == other.architecture;
        [
            [Some(self.architecture.clone()), Some(other.architecture.clone())],
            [Some(self.os.clone()), Some(other.os.clone())],
            [self.kind().filter(|_| is_one_kind), other.kind()],
            [self.os_version.clone(), other.os_version.clone()],
            [features(self), features(other)],
        ]
        .into_iter()
        .filter_map(|[one, other]| Some([one?, other?]))
        .filter(|said| said.iter().all(|said| !said.is_empty()) && said[0] != said[1])
        .collect()
    }

    /// The variant, or the one that is meant where none is said, as containerd has it. For `arm` it takes `v7` then, but old
    /// images for other variants do not say theirs.
    fn kind(&self) -> Option<String> {
        let variant = match (&*self.architecture, self.variant.as_deref()) {
            ("arm64", None | Some("8")) => Some("v8"),
            ("amd64", None) => Some("v1"),
            ("arm", Some("5")) => Some("v5"),
            ("arm", Some("6")) => Some("v6"),
            ("arm", Some("7")) => Some("v7"),
            (_, variant) => variant,
        };
        variant.map(str::to_owned)
    }
}

/// A set on a line.
fn set_text(set: BTreeSet<&String>) -> String {
    set.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// An empty string says nothing: programs in Go write it for what is absent.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.filter(|text: &String| !text.is_empty()))
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
            ("linux/amd64", "linux/amd64/v1", true),
            ("linux/amd64/v1", "linux/amd64", true),
            ("linux/amd64/v3", "linux/amd64/v1", false),
            ("linux/arm/7", "linux/arm/v7", true),
        ] {
            let parsed = |text| Platform::parse(text).unwrap();
            assert_eq!(parsed(image).is_a(&parsed(wanted)), expected, "{image} {wanted}");
            assert_eq!(parsed(image).to_string(), image);
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux/amd64/", "linux/amd 64"] {
            assert_eq!(Platform::parse(text), None, "{text}");
        }
    }

    #[test]
    fn contradictions() {
        let windows = |version: &str, features: &[&str]| Platform {
            os_version: (!version.is_empty()).then(|| version.to_owned()),
            os_features: Some(features.iter().map(|feature| (*feature).to_owned()).collect()),
            ..Platform::parse("windows/amd64").unwrap()
        };
        let parsed = |text| Platform::parse(text).unwrap();
        for (one, other, expected) in [
            (parsed("linux/amd64"), parsed("linux/amd64/v1"), &[][..]),
            (parsed("linux/arm64"), parsed("linux/arm64/v8"), &[]),
            (parsed("linux/arm64/8"), parsed("linux/arm64"), &[]),
            (parsed("linux/arm/v7"), parsed("linux/arm"), &[]),
            (parsed("linux/arm/v6"), parsed("linux/arm/6"), &[]),
            (parsed("linux/arm/v6"), parsed("linux/arm/v7"), &[["v6", "v7"]]),
            (parsed("linux/amd64"), parsed("linux/amd64/v3"), &[["v1", "v3"]]),
            (parsed("linux/arm64/v9"), parsed("linux/arm64"), &[["v9", "v8"]]),
            (parsed("linux/amd64"), parsed("windows/arm64"), &[["amd64", "arm64"], ["linux", "windows"]]),
            (windows("1", &["a", "b"]), windows("", &["b", "a"]), &[]),
            (windows("1", &["a"]), windows("2", &["b"]), &[["1", "2"], ["a", "b"]]),
            (windows("1", &["a"]), parsed("windows/amd64"), &[]),
        ] {
            assert_eq!(one.differences(&other), expected, "{one} {other}");
            let turned: Vec<[String; 2]> = other.differences(&one).into_iter().map(|[a, b]| [b, a]).collect();
            assert_eq!(turned, expected, "{other} {one}");
        }
    }
}

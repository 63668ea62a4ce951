//! How layers are to be compressed.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::codec::Codec;

/// A format, a level, and with them the bytes that any stream becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compression {
    method: Method,
    level: u32,
}

/// The formats that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Method {
    Gzip,
    Zstd,
}

/// The level where none is asked for, of both formats: the fastest that makes layers as small as skopeo's default does, or 3 %
/// larger at most. bench/README.md has the figures.
const DEFAULT_LEVEL: u32 = 1;

/// Why a text is no [`Compression`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// The format is none that is written.
    #[error("{0:?} is neither gzip nor zstd")]
    Codec(String),
    /// The format has no such level.
    #[error("{codec} has levels from {least} to {most}, and {found:?} is none of them")]
    Level {
        /// The format's name.
        codec: &'static str,
        /// The fastest level.
        least: u32,
        /// The smallest result's level.
        most: u32,
        /// The requested value.
        found: String,
    },
}

impl Method {
    pub(super) fn codec(self) -> Codec {
        match self {
            Self::Gzip => Codec::Gzip,
            Self::Zstd => Codec::Zstd,
        }
    }

    fn levels(self) -> RangeInclusive<u32> {
        match self {
            Self::Gzip => 1..=12,
            // Above that zstd takes memory without bounds.
            Self::Zstd => 1..=19,
        }
    }

    /// The size of the blocks that are compressed on their own, in bytes. Larger blocks make the result smaller, and take more memory.
    pub(super) fn block(self) -> usize {
        match self {
            Self::Gzip => 1024 * 1024,
            Self::Zstd => 2 * 1024 * 1024,
        }
    }

    /// The encoder with its exact version: of libdeflate that of the crate which has its source. Another version may write other
    /// bytes. Cargo.toml pins it, and a test compares.
    fn encoder(self) -> &'static str {
        match self {
            Self::Gzip => "libdeflate-sys 1.26.1",
            Self::Zstd => "zstd 1.5.7",
        }
    }
}

impl Compression {
    /// gzip at the level where none is asked for.
    pub const GZIP: Self = Self { method: Method::Gzip, level: DEFAULT_LEVEL };

    /// The format of what comes out.
    pub fn codec(self) -> Codec {
        self.method.codec()
    }

    pub(super) fn method(self) -> Method {
        self.method
    }

    pub(super) fn level(self) -> u32 {
        self.level
    }

    /// All that decides what comes out, but for what goes in: format, level, encoder with its version, block size.
    ///
    /// It may be shown to people. As long as it is the same, so is the result.
    pub fn identity(self) -> String {
        format!("{self}, {}, blocks of {}", self.method.encoder(), self.method.block())
    }
}

/// `gzip`, `gzip:9`, `zstd` or `zstd:19`.
impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, CompressionError> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let method = match name {
            "gzip" => Method::Gzip,
            "zstd" => Method::Zstd,
            _ => return Err(CompressionError::Codec(name.chars().take(80).collect())),
        };
        let Some(level) = level else { return Ok(Self { method, level: DEFAULT_LEVEL }) };
        let levels = method.levels();
        // Not "+3" or "03", which would be other names for the same.
        let plain = level.bytes().all(|byte| byte.is_ascii_digit()) && !level.starts_with('0');
        let found = level.parse().ok().filter(|number| plain && levels.contains(number));
        let error = || CompressionError::Level {
            codec: method.codec().name(),
            least: *levels.start(),
            most: *levels.end(),
            found: level.chars().take(80).collect(),
        };
        Ok(Self { method, level: found.ok_or_else(error)? })
    }
}

/// With the level, always.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.codec().name(), self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("gzip", "gzip:1"),
            ("zstd", "zstd:1"),
            ("gzip:1", "gzip:1"),
            ("gzip:12", "gzip:12"),
            ("zstd:19", "zstd:19"),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), expected);
        }
        for refused in [
            "", "none", "xz", "gzip:", "gzip:0", "gzip:13", "gzip:+3", "gzip:03", "zstd:20", "zstd:-1",
            "zstd:3:3", "GZIP",
        ] {
            assert!(refused.parse::<Compression>().is_err(), "{refused}");
        }
    }

    #[test]
    fn encoders_are_the_ones_that_are_linked() {
        assert_eq!(Method::Zstd.encoder(), format!("zstd {}", zstd_safe::version_string()));
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        let (name, version) = Method::Gzip.encoder().split_once(' ').unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")));
        assert_eq!(lock.matches(&format!("name = \"{name}\"\n")).count(), 1);
    }
}

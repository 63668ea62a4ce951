//! Store directories and store paths, as names: nothing here looks at a disk.
//!
//! Format: the "store path" section of the Nix manual. A store path is `<store dir>/<hash>-<name>`, where the whole
//! last component is made of `[0-9a-zA-Z+-._?=]`. The hash part is not checked further: stores other than Nix's own
//! (Guix, test stores) use other alphabets and lengths, and nothing in an image depends on it.

use std::fmt;

/// The longest last component a file system takes, in bytes.
const MAX_BASE_NAME: usize = 255;

/// The logical directory of a store: `/nix/store` but for rare cases.
///
/// Absolute, without a trailing slash, and without empty, `.` or `..` components.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreDir(String);

/// The logical name of one object in a store: `/nix/store/<hash>-<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    path: String,
    base_name: usize,
}

/// Why a text is not the name of a store directory or of a store path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorePathError {
    /// Not an absolute, normalised directory name.
    #[error("{0:?} is not an absolute path without '.', '..' or empty components")]
    StoreDir(String),
    /// Not below the store directory.
    #[error("{path:?} is not in the store {store_dir}")]
    OutsideStore {
        /// The text.
        path: String,
        /// The store directory it was held against.
        store_dir: StoreDir,
    },
    /// Below the store directory, but not directly, or with characters that no store path has.
    #[error(
        "{0:?} is not the name of a store path: it must be the store directory, a slash and <hash>-<name>"
    )]
    BaseName(String),
}

impl StoreDir {
    /// Takes the name of a store directory.
    pub fn parse(text: &str) -> Result<Self, StorePathError> {
        let normal = text.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !text.contains('\0')
        });
        if normal { Ok(Self(text.to_owned())) } else { Err(StorePathError::StoreDir(text.to_owned())) }
    }

    /// The directory's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes the name of a store path in this store.
    pub fn store_path(&self, text: &str) -> Result<StorePath, StorePathError> {
        let base_name = text
            .strip_prefix(&self.0)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| StorePathError::OutsideStore { path: text.to_owned(), store_dir: self.clone() })?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
        let well_formed = !base_name.is_empty()
            && base_name.len() <= MAX_BASE_NAME
            && !base_name.starts_with('.')
            && base_name.bytes().all(allowed);
        if well_formed {
            Ok(StorePath { path: text.to_owned(), base_name: self.0.len() + 1 })
        } else {
            Err(StorePathError::BaseName(text.to_owned()))
        }
    }
}

impl StorePath {
    /// The whole name, beginning with the store directory.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The last component: `<hash>-<name>`.
    pub fn base_name(&self) -> &str {
        &self.path[self.base_name..]
    }

    /// The name without the hash: what a person calls the package. All of the last component where it has no `-`.
    pub fn name(&self) -> &str {
        let base = self.base_name();
        base.split_once('-').map_or(base, |(_, name)| name)
    }
}

impl fmt::Display for StoreDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is the name without the hash, or `None` where the text is refused.
    fn check(store_dir: &str, text: &str, expected: Option<&str>) {
        let parsed = StoreDir::parse(store_dir).unwrap().store_path(text);
        assert_eq!(parsed.as_ref().ok().map(StorePath::name), expected, "{text:?} in {store_dir}");
        if let Ok(path) = parsed {
            assert_eq!(path.as_str(), text);
            assert_eq!(format!("{store_dir}/{}", path.base_name()), text);
        }
    }

    #[test]
    fn store_paths() {
        check("/nix/store", "/nix/store/00000000000000000000000000000000-hello-2.12", Some("hello-2.12"));
        check("/nix/store", "/nix/store/aaa-a+b_c?d=e", Some("a+b_c?d=e"));
        check("/nix/store", "/nix/store/nodash", Some("nodash"));
        check("/gnu/store", "/gnu/store/aaa-b", Some("b"));
        for refused in [
            "",
            "/nix/store",
            "/nix/store/",
            "/nix/store/aaa-b/",
            "/nix/store/aaa-b/bin",
            "/nix/store//aaa-b",
            "/nix/store/..",
            "/nix/store/.links",
            "/nix/store/aaa-ü",
            "/nix/store/aaa b",
            "/nix/store/aaa\0",
            "/nix/storeaaa-b",
            "/etc/passwd",
            "nix/store/aaa-b",
        ] {
            check("/nix/store", refused, None);
        }
        check("/nix/store", &format!("/nix/store/{}", "a".repeat(256)), None);
    }

    #[test]
    fn store_dirs() {
        for refused in
            ["", "/", "nix/store", "/nix/store/", "/nix//store", "/nix/../store", "/nix/./store", "/a\0b"]
        {
            assert_eq!(StoreDir::parse(refused), Err(StorePathError::StoreDir(refused.to_owned())));
        }
    }
}

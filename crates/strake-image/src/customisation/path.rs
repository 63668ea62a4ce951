//! Paths in an image.

use std::cmp::Ordering;

use super::CustomisationError;

/// The longest path that Linux takes, in bytes.
const MAX_PATH: usize = 4095;

/// A path in an image without its leading slash; the root's is empty. Their order is that of `tar --sort=name`: a
/// directory before what is in it, siblings by the bytes of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImagePath(Vec<u8>);

impl ImagePath {
    /// The root.
    pub(super) fn root() -> Self {
        Self(Vec::new())
    }

    /// Takes an absolute path.
    pub(super) fn parse(text: &str) -> Result<Self, CustomisationError> {
        let normal = text.len() <= MAX_PATH && !text.contains('\0');
        match text.strip_prefix('/') {
            Some("") => Ok(Self::root()),
            Some(relative) if normal && relative.split('/').all(|part| !matches!(part, "" | "." | "..")) => {
                Ok(Self(relative.into()))
            }
            _ => Err(CustomisationError::Path(text.to_owned())),
        }
    }

    /// Takes a path below the root as a walk has it: with a leading slash unless it is the root.
    pub(super) fn walked(path: &[u8]) -> Self {
        Self(path.strip_prefix(b"/").unwrap_or(path).to_vec())
    }

    /// The path of what has this name in the directory.
    pub(super) fn join(&self, name: &[u8]) -> Self {
        Self([&self.0, &b"/"[..], name].concat())
    }

    /// The directory it is in.
    pub(super) fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// Its components; the root has none.
    fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|part| !part.is_empty())
    }

    /// Its bytes, without a leading slash.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a person writes it.
    pub(super) fn shown(&self) -> String {
        format!("/{}", String::from_utf8_lossy(&self.0))
    }
}

impl Ord for ImagePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.components().cmp(other.components())
    }
}

impl PartialOrd for ImagePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::ImagePath;

    #[test]
    fn order() {
        let sorted = ["/", "/a", "/a/b", "/a/b/c", "/a-b", "/a.b", "/ab"];
        let paths: Vec<_> = sorted.iter().map(|path| ImagePath::parse(path).unwrap()).collect();
        assert!(paths.is_sorted() && paths.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(paths[3].parent().as_ref(), Some(&paths[2]));
        assert_eq!(paths[1].parent().as_ref(), Some(&paths[0]));
        assert_eq!(paths[0].parent(), None);
    }

    #[test]
    fn refused() {
        for text in ["", "a", "//", "/a/", "/a//b", "/./a", "/a/..", "/a\0"] {
            assert!(ImagePath::parse(text).is_err(), "{text:?}");
        }
    }
}

//! The name of an archive's member, as those mean it who unpack archives.

/// The meaning of a member's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MemberName {
    /// A path in the archive, without parts that mean nothing.
    Inside {
        path: String,
        /// Whether it begins with a slash. Docker finds such a member, skopeo, podman and containerd do not.
        is_absolute: bool,
    },
    /// The same, but no text.
    Binary,
    /// It leads out of the archive.
    Outside,
}

impl MemberName {
    pub(super) fn of(name: &[u8]) -> Self {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in name.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." if parts.is_empty() => return Self::Outside,
                b".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        match String::from_utf8(parts.join(&b'/')) {
            Ok(path) => Self::Inside { path, is_absolute: name.starts_with(b"/") },
            Err(_) => Self::Binary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &[u8], expected: Option<(&str, bool)>) {
        let expected =
            expected.map(|(path, is_absolute)| MemberName::Inside { path: path.to_owned(), is_absolute });
        assert_eq!(MemberName::of(name), expected.unwrap_or(MemberName::Outside), "{}", name.escape_ascii());
    }

    #[test]
    fn names() {
        for name in ["a/b", "./a/b", "a//b", "a/./b", "a/b/", "a/b/.", "x/../a/b", "a/x/../b", "./././/a/b"] {
            check(name.as_bytes(), Some(("a/b", false)));
        }
        check(b"/a/b", Some(("a/b", true)));
        check(b"//a/../b", Some(("b", true)));
        check(b"./", Some(("", false)));
        check(b"...", Some(("...", false)));
        check(b"A", Some(("A", false)));
        for name in ["..", "../a", "a/../../b", "/..", "./../a", "a/../.."] {
            check(name.as_bytes(), None);
        }
        assert_eq!(MemberName::of(b"a\xff"), MemberName::Binary);
    }
}

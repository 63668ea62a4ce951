//! Absolute symbolic links in the place of `/etc/passwd` and `/etc/group`.
//!
//! A runtime looks users up in these two files before it starts a container, from outside and below the container's root. containerd
//! 2.2 opens them with Go's `os.Root`, which refuses a symbolic link that is absolute, and refuses to start the container. dockerTools'
//! `contents` makes such links into the store.

use crate::tar::{Kind, Member};

/// The paths that are looked for. `/etc` comes first, as it holds the others.
const PATHS: [&str; 3] = ["/etc", "/etc/passwd", "/etc/group"];

/// In front of the name of something that a layer removes from those below it.
///
/// Format: the OCI image specification 1.1, "image layer filesystem changeset", section "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";

/// In a directory with an entry of this name nothing is left of what the layers below have in it.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The entry at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EtcEntry {
    Directory,
    AbsoluteLink,
    Other,
}

/// A layer's changes to `/etc`, `/etc/passwd` and `/etc/group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcChanges {
    /// Of what is under them in the layers below, what is hidden.
    hides: [bool; 3],
    /// The layer's entries at these paths.
    has: [Option<EtcEntry>; 3],
}

impl EtcChanges {
    /// Those of the paths that are absolute symbolic links in an image with such layers, the lowest first. Where `/etc` itself is
    /// one, nothing is in it.
    pub fn links(layers: impl IntoIterator<Item = Self>) -> Vec<&'static str> {
        let mut now: [Option<EtcEntry>; 3] = [None; 3];
        for Self { hides, has } in layers {
            let was_directory = matches!(now[0], None | Some(EtcEntry::Directory));
            let is_new = hides[0] || has[0].is_some_and(|etc| !was_directory || etc != EtcEntry::Directory);
            for (place, now) in now.iter_mut().enumerate() {
                let is_hidden = hides[place] || place > 0 && is_new;
                *now = has[place].or(now.filter(|_| !is_hidden));
            }
        }
        let is_link = |place: &usize| now[*place] == Some(EtcEntry::AbsoluteLink);
        (0..PATHS.len()).filter(is_link).map(|place| PATHS[place]).collect()
    }

    /// Adds an entry of the layer. A later entry replaces an earlier one.
    pub(crate) fn add(&mut self, member: &Member) {
        let mut parts = member.name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
        match (parts.next(), parts.next(), parts.next()) {
            (Some(b"etc"), None, _) => self.entry(0, member),
            (Some(b"etc"), Some(b"passwd"), None) => self.entry(1, member),
            (Some(b"etc"), Some(b"group"), None) => self.entry(2, member),
            (Some(OPAQUE), None, _) => self.hides = [true; 3],
            (Some(b"etc"), Some(OPAQUE), None) => (self.hides[1], self.hides[2]) = (true, true),
            (Some(name), None, _) if name.strip_prefix(WHITEOUT) == Some(b"etc") => self.hides = [true; 3],
            (Some(b"etc"), Some(name), None) => match name.strip_prefix(WHITEOUT) {
                Some(b"passwd") => self.hides[1] = true,
                Some(b"group") => self.hides[2] = true,
                _ => {}
            },
            _ => {}
        }
    }

    fn entry(&mut self, place: usize, member: &Member) {
        self.has[place] = Some(match member.kind {
            Kind::DIRECTORY => EtcEntry::Directory,
            Kind::SYMLINK if member.linkname.starts_with(b"/") => EtcEntry::AbsoluteLink,
            _ => EtcEntry::Other,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers as lists of entries, lowest first: a directory's name ends in a slash, ` -> ` stands in front of a link's target.
    fn check(layers: &[&[&str]], expected: &[&str]) {
        let changes = layers.iter().map(|layer| {
            let mut changes = EtcChanges::default();
            for entry in *layer {
                let (name, link) = entry.split_once(" -> ").unwrap_or((entry, ""));
                let kind = match (name.ends_with('/'), link) {
                    (true, _) => Kind::DIRECTORY,
                    (false, "") => Kind::FILE,
                    _ => Kind::SYMLINK,
                };
                changes.add(&Member { kind, linkname: link.into(), ..Member::file(name, 0, 0) });
            }
            changes
        });
        assert_eq!(EtcChanges::links(changes), expected, "{layers:?}");
    }

    #[test]
    fn what_the_image_has() {
        let links: &[&str] = &["./etc/", "./etc/passwd -> /nix/store/a/etc/passwd", "etc/group -> /x"];
        check(&[], &[]);
        check(&[links], &["/etc/passwd", "/etc/group"]);
        check(&[&["/etc/passwd -> ../x", "etc/group", "usr/etc/passwd -> /x", "etc/passwd/x -> /x"]], &[]);
        check(&[&["etc -> /nix/store/a/etc"]], &["/etc"]);
        // Layers above.
        check(&[links, &["etc/", "etc/passwd"]], &["/etc/group"]);
        check(&[&["etc/", "etc/passwd"], links], &["/etc/passwd", "/etc/group"]);
        check(&[links, &["etc/.wh.passwd"]], &["/etc/group"]);
        check(&[links, &["etc/.wh..wh..opq", "etc/group -> /y"]], &["/etc/group"]);
        check(&[links, &[".wh.etc"]], &[]);
        check(&[links, &[".wh..wh..opq"]], &[]);
        check(&[links, &["etc -> usr/etc"]], &[]);
        check(&[&["etc -> /a"], links], &["/etc/passwd", "/etc/group"]);
        check(&[links, &["etc -> /a"], &["etc/"]], &[]);
        check(&[links, &["etc -> /a"], &["etc/", "etc/group"]], &[]);
    }
}

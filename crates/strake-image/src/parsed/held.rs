//! Which store paths the layers of an image hold.
//!
//! An image holds a store path if it has an entry with the path's name in the store's directory, and if exactly one
//! layer has entries of it: additions, changes and removals by another layer make it something else than the store path.
//! It is assumed that the one layer has all of it.

use std::collections::{HashMap, HashSet};

use strake_plan::StorePath;

use super::ParsedImage;
use crate::error::Error;
use crate::recipe::{Recipe, Tarball};
use crate::tar::{Kind, TarReader};

/// The prefix of the name of an entry that a layer removes from those below it.
///
/// Format: the OCI image specification 1.1, "image layer filesystem changeset", section "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";

/// In a directory with an entry of this name nothing is left of what the layers below have in it.
const OPAQUE: &[u8] = b".wh..wh..opq";

impl ParsedImage {
    /// Those of the store paths that the image holds. Reads all its layers, of those that are not compressed only what
    /// their entries are called.
    pub fn held<'p>(&self, paths: impl Iterator<Item = &'p StorePath>) -> Result<HashSet<StorePath>, Error> {
        let paths: Vec<&StorePath> = paths.collect();
        let wanted = Wanted::new(&paths);
        let mut held = Held::default();
        for layer in &self.layers {
            if let Recipe::Tarball(tarball) = &layer.recipe {
                held.add(Changes::of(tarball, &wanted)?);
            }
        }
        let is_whole = |path: &&StorePath| held.0.get(path.as_str().as_bytes()) == Some(&true);
        Ok(paths.into_iter().filter(is_whole).cloned().collect())
    }
}

/// The store paths that are asked for.
struct Wanted {
    paths: HashSet<Vec<u8>>,
    /// The directories above them; the root's name is empty.
    above: HashSet<Vec<u8>>,
}

/// A layer's changes to the requested paths.
#[derive(Default)]
struct Changes {
    /// Paths, and directories above them, of which nothing is left that is in the layers below.
    gone: HashSet<Vec<u8>>,
    /// Paths that it has something of.
    parts: HashMap<Vec<u8>, Part>,
}

/// A layer's part of a path.
#[derive(Default)]
struct Part {
    /// The entry itself.
    entry: bool,
    /// Something in it is removed.
    removed: bool,
}

/// The paths that the layers so far hold a part of, and whether it is all.
#[derive(Default)]
struct Held(HashMap<Vec<u8>, bool>);

impl Wanted {
    fn new(paths: &[&StorePath]) -> Self {
        let paths: HashSet<Vec<u8>> = paths.iter().map(|path| path.as_str().into()).collect();
        let above = |path: &Vec<u8>| slashes(path).map(|at| path[..at].to_vec()).collect::<Vec<_>>();
        Self { above: paths.iter().flat_map(above).collect(), paths }
    }

    /// The wanted path that something is, or is in.
    fn path_of(&self, name: &[u8]) -> Option<&Vec<u8>> {
        slashes(name).chain([name.len()]).find_map(|end| self.paths.get(&name[..end]))
    }
}

impl Changes {
    fn of(tarball: &Tarball, wanted: &Wanted) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: tarball.source.path().to_owned(), source };
        let mut archive = TarReader::seeking(tarball.content()?);
        let mut changes = Self::default();
        while let Some(found) = archive.next_member().map_err(failed)? {
            changes.add(&found.member.name, found.member.kind == Kind::DIRECTORY, wanted);
        }
        archive.into_inner().end().map_err(failed)?;
        Ok(changes)
    }

    fn add(&mut self, name: &[u8], is_directory: bool, wanted: &Wanted) {
        let Some(name) = absolute(name) else { return };
        let (directory, base) = name.split_at(slashes(&name).last().unwrap_or(0));
        let base = base.strip_prefix(b"/").unwrap_or(base);
        if base == OPAQUE {
            self.remove(directory, wanted);
        } else if let Some(base) = base.strip_prefix(WHITEOUT) {
            self.remove(&[directory, b"/", base].concat(), wanted);
        } else if wanted.above.contains(&name) {
            if !is_directory {
                self.gone.insert(name);
            }
        } else if let Some(path) = wanted.path_of(&name) {
            self.parts.entry(path.clone()).or_default().entry |= *path == name;
        }
    }

    fn remove(&mut self, name: &[u8], wanted: &Wanted) {
        match wanted.path_of(name) {
            Some(path) if path != name => self.parts.entry(path.clone()).or_default().removed = true,
            Some(_) => drop(self.gone.insert(name.to_owned())),
            None if wanted.above.contains(name) => drop(self.gone.insert(name.to_owned())),
            None => {}
        }
    }
}

impl Held {
    /// Puts a layer on top.
    fn add(&mut self, layer: Changes) {
        let is_gone =
            |path: &Vec<u8>| slashes(path).chain([path.len()]).any(|end| layer.gone.contains(&path[..end]));
        self.0.retain(|path, _| !is_gone(path));
        for (path, part) in layer.parts {
            let is_new = !self.0.contains_key(&path);
            self.0.insert(path, is_new && part.entry && !part.removed);
        }
    }
}

fn slashes(name: &[u8]) -> impl Iterator<Item = usize> {
    name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at)
}

/// An entry's name with a slash in front of each part; the root's is empty. `None` where it leads upwards, which is
/// nowhere.
fn absolute(name: &[u8]) -> Option<Vec<u8>> {
    let mut absolute = Vec::with_capacity(name.len() + 1);
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part => {
                absolute.push(b'/');
                absolute.extend(part);
            }
        }
    }
    Some(absolute)
}

#[cfg(test)]
mod tests {
    use strake_plan::StoreDir;

    use super::*;

    /// Layers as lists of entries, lowest first; a directory's name ends in a slash.
    fn check(layers: &[&[&str]], expected: bool) {
        let store_dir = StoreDir::parse("/nix/store").unwrap();
        let path = store_dir.store_path("/nix/store/00000000000000000000000000000000-a").unwrap();
        let wanted = Wanted::new(&[&path]);
        let mut held = Held::default();
        for layer in layers {
            let mut changes = Changes::default();
            for name in *layer {
                let name = name.replace('A', "00000000000000000000000000000000-a");
                changes.add(name.as_bytes(), name.ends_with('/'), &wanted);
            }
            held.add(changes);
        }
        assert_eq!(held.0.get(path.as_str().as_bytes()) == Some(&true), expected, "{layers:?}");
    }

    #[test]
    fn one_layer_has_all_of_it() {
        let all: &[&str] = &["nix/", "nix/store/", "nix/store/A/", "nix/store/A/file"];
        check(&[], false);
        check(&[all], true);
        check(&[&["./nix/store/A"]], true);
        check(&[&["/nix/store/A/file", "/nix/store/A/"]], true);
        check(&[&["nix/store/A/file"]], false);
        check(&[&["nix/store/A.drv", "nix/store/A-b/"]], false);
        check(&[&["nix/store/../store/A/"]], false);
        check(&[all, &["nix/", "nix/store/", "nix/store/B/"]], true);
        check(&[all, &["nix/store/.wh.B", "etc/.wh.A", "nix/.wh.st"]], true);
    }

    #[test]
    fn others_have_a_hand_in_it() {
        let all: &[&str] = &["nix/store/A/", "nix/store/A/file"];
        // And whether it is all there if that is the lower layer.
        for (change, below) in [
            (&["nix/store/A/"][..], false),
            (&["nix/store/A/", "nix/store/A/more"], false),
            (&["nix/store/A/.wh.file"], false),
            (&["nix/store/A/dir/.wh..wh..opq"], false),
            (&["nix/store/.wh.A"], true),
            (&["nix/store/A/.wh..wh..opq"], true),
            (&["nix/store/.wh..wh..opq"], true),
            (&[".wh..wh..opq"], true),
            (&["nix/.wh.store"], true),
            (&[".wh.nix"], true),
            (&["nix"], true),
            (&["nix/store"], true),
        ] {
            check(&[all, change], false);
            check(&[change, all], below);
            check(&[all, change, &[".wh.nix"], all], true);
        }
        // All of it anew.
        check(&[all, &["nix/store/.wh.A", "nix/store/A/"]], true);
        check(&[all, &["nix/store/A/", "nix/store/A/.wh..wh..opq", "nix/store/A/file"]], true);
        check(&[&["nix/store/A/", "nix/store/A/.wh.file"]], false);
    }
}

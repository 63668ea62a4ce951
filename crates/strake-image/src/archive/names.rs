//! The names of a docker-archive's members: where they would meet, no archive is written.
//!
//! Layers of a base image, or of a copied one, keep the names that they have in their archive, as dockerTools' script keeps them.
//! A third party has chosen those. Programs read an archive by name, in any order, or unpack it first, so a layer whose name leads to
//! anything else would become that.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::digest::Digest;
use crate::error::Error;
use crate::layer::Layer;

/// The file names that programs look for in an archive: Docker's two lists, and those of an OCI layout.
const RESERVED: [&str; 4] = ["manifest.json", "repositories", "oci-layout", "index.json"];

/// The names that are taken, without what does not tell them apart.
pub(super) struct MemberNames {
    taken: HashMap<String, NamedMember>,
    /// The directories that hold the names.
    directories: HashSet<String>,
}

/// The entry that a name refers to.
#[derive(PartialEq)]
enum Meaning {
    /// A layer, by its diff id.
    Layer(Digest),
    /// A config, by its digest.
    Config(Digest),
}

struct NamedMember {
    meaning: Meaning,
    /// The blobs that were seen to be this layer.
    blobs: HashSet<Digest>,
}

/// Whether a layer of this name is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    New,
    Present,
    /// The same layer is, compressed in another way.
    Recoded,
    /// One with this diff id is. Whether this is the same layer, only its bytes can show.
    Unproven,
}

impl MemberNames {
    pub(super) fn new() -> Self {
        Self { taken: HashMap::new(), directories: HashSet::new() }
    }

    /// Takes a name for a layer.
    pub(super) fn layer(&mut self, name: &str, layer: &Layer) -> Result<Presence, Error> {
        let blob = layer.stored.digest;
        let (presence, member) = self.take(name, Meaning::Layer(layer.diff_id))?;
        let is_new = member.blobs.insert(blob);
        Ok(match presence {
            Presence::Present if is_new && !layer.is_checked => Presence::Unproven,
            Presence::Present if is_new => Presence::Recoded,
            presence => presence,
        })
    }

    /// Takes a name for a config.
    pub(super) fn config(&mut self, name: &str, id: Digest) -> Result<Presence, Error> {
        Ok(self.take(name, Meaning::Config(id))?.0)
    }

    fn take(&mut self, name: &str, meaning: Meaning) -> Result<(Presence, &mut NamedMember), Error> {
        let collision = |other: &str| Error::Name { name: name.to_owned(), other: other.to_owned() };
        // None leads out of the archive: no archive that has such is opened.
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let clean = parts.join("/");
        let ends = clean.match_indices('/').map(|(end, _)| end);
        let directories: Vec<&str> = ends.map(|end| &clean[..end]).collect();
        let is_file = |name: &&&str| RESERVED.contains(*name) || self.taken.contains_key(**name);
        if let Some(file) = directories.iter().find(is_file) {
            return Err(collision(file));
        }
        if RESERVED.contains(&&*clean) || self.directories.contains(&clean) {
            return Err(collision(&clean));
        }
        self.directories.extend(directories.into_iter().map(str::to_owned));
        match self.taken.entry(clean) {
            Entry::Occupied(entry) if entry.get().meaning != meaning => Err(collision(entry.key())),
            Entry::Occupied(entry) => Ok((Presence::Present, entry.into_mut())),
            Entry::Vacant(entry) => {
                Ok((Presence::New, entry.insert(NamedMember { meaning, blobs: HashSet::new() })))
            }
        }
    }
}

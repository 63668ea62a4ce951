//! Customisation: what an image holds besides store paths, said in its conf rather than packed beforehand.
//!
//! Format: docs/conf.md, key `customisation`. It takes the place of dockerTools' `customisation_layer`, a directory with
//! a tar archive that `symlinkJoin`, `fakeroot` and GNU tar have made; here nothing is made but the layer itself.

mod capabilities;
mod contents;
mod etc;
mod merge;
mod path;
mod rules;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Stat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strake_plan::Closure;

use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::nix_database;
use crate::recipe::Files;
use crate::store::Store;
use merge::{Merge, What};
use path::ImagePath;

pub use capabilities::CapabilitiesError;

/// Files that are put into an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Customisation {
    /// Directories whose trees are merged at the image's root: directories are made, files become symbolic links to the
    /// files, symbolic links are copied. What `symlinkJoin` does with its `paths`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<String>,
    /// A directory whose tree is copied to the image's root, with its files' modes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Single files, directories and symbolic links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<Entry>,
    /// Owners, modes, times and capabilities of all these, by path. Later rules win.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// A Nix database in which the image's store paths are registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nix_database: Option<NixDatabase>,
    /// `true`: copies of the files in place of `/etc/passwd` and `/etc/group`, where these, or `/etc`, would be links into the store.
    /// containerd 2.2 starts no container in which they are absolute links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialize_etc: Option<bool>,
}

/// A file, a directory or a symbolic link: just one of `text`, `file`, `symlink` and `directory` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its absolute path in the image. Directories on the way are made.
    pub path: String,
    /// A regular file with this text. Its mode is 0644 unless a rule says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A regular file that is a copy of this one, with its mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A symbolic link to this path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symlink: Option<String>,
    /// `true`: a directory. Its mode is 0755 unless a rule says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub directory: bool,
}

/// Attributes of the files that a pattern matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A pattern for absolute paths in the image: `*` and `?` match within a component, `**` any number of components,
    /// `[…]` one of several characters, `{a,b}` one of several texts. It must match something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// In place of `path`: a regular expression that is found anywhere in an absolute path in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Only files of this type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub file_type: Option<FileType>,
    /// The owner's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The group's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Permissions in octal digits, as `chmod` takes them: `"4755"`. Symbolic links have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The modification time, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
    /// File capabilities, as `setcap` takes them: `"cap_net_bind_service=ep"`. Only regular files have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<String>,
}

/// A file's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// A Nix database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NixDatabase {
    /// Store paths that the image's garbage collector is to keep, with all that they need.
    pub roots: Vec<String>,
}

/// Why a customisation cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CustomisationError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// What is to be merged or copied is no directory.
    #[error("{} is not a directory, so it cannot be laid at the image's root", .0.display())]
    NotADirectory(PathBuf),
    /// What is to be copied is no regular file.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Not an absolute, normalised path.
    #[error("{0:?} is not an absolute path without '.', '..' and empty components")]
    Path(String),
    /// An entry says nothing, or too much.
    #[error("the entry {0:?} must have just one of text, file, symlink and directory")]
    Entry(String),
    /// Two sources have different things under one path.
    #[error("{path} is {} in {first}, and {} in {second}", what.0, what.1)]
    Conflict {
        /// The path.
        path: String,
        /// What it is in each.
        what: (&'static str, &'static str),
        /// The first source.
        first: String,
        /// The second.
        second: String,
    },
    /// A pattern that cannot be understood.
    #[error("the rule's pattern {pattern:?} is wrong: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A rule for nothing.
    #[error("the rule for {0:?} matches nothing")]
    NoMatch(String),
    /// A mode that is none.
    #[error("the mode {0:?} is not one to four octal digits")]
    Mode(String),
    /// Capabilities that cannot be understood.
    #[error("the capabilities {text:?} are wrong: {source}")]
    Capabilities {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: CapabilitiesError,
    },
    /// Capabilities on something else than a regular file.
    #[error("{0} is not a regular file, so it cannot have capabilities")]
    NoCapabilities(String),
    /// A Nix database needs to know what to register.
    #[error("a Nix database needs the key \"closure\", with each store path's references, size and NAR hash")]
    NoClosure,
    /// A store path without a NAR hash.
    #[error("a Nix database needs the NAR hash of {0}")]
    NoNarHash(String),
    /// A garbage collector's root that the image does not have.
    #[error("the garbage collector's root {0} is not in the closure")]
    Root(String),
    /// The database could not be made.
    #[error("cannot make the Nix database")]
    Database(#[source] nix_database::DatabaseError),
}

impl Customisation {
    /// Whether it puts nothing into an image, so that there is no layer.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
            && self.root.is_none()
            && self.entries.is_empty()
            && self.nix_database.is_none()
    }

    /// Whether something in it may be a symbolic link.
    pub fn may_have_links(&self) -> bool {
        let is_link = |entry: &Entry| entry.symlink.is_some();
        !self.contents.is_empty() || self.root.is_some() || self.entries.iter().any(is_link)
    }

    /// Those of `/etc`, `/etc/passwd` and `/etc/group` that are absolute symbolic links in the layer.
    pub fn etc_changes(&self, store: &Store) -> Result<EtcChanges, CustomisationError> {
        let files = Self { rules: Vec::new(), nix_database: None, ..self.clone() }.recipe(store, None, 0)?;
        Ok(files.etc_changes())
    }

    /// Finds everything that belongs into the layer. `closure` is what the image's store holds.
    pub fn recipe(
        &self,
        store: &Store,
        closure: Option<&Closure>,
        mtime: i64,
    ) -> Result<Files, CustomisationError> {
        let mut merge = Merge::new(store);
        for contents in &self.contents {
            contents::link(&mut merge, store, contents)?;
        }
        if let Some(root) = &self.root {
            contents::copy(&mut merge, store, root)?;
        }
        for entry in &self.entries {
            merge.insert(&ImagePath::parse(&entry.path)?, "an entry of the conf", entry.what(store)?)?;
        }
        if self.materialize_etc == Some(true) {
            etc::materialise(&mut merge, store)?;
        }
        if let Some(database) = &self.nix_database {
            database.add(&mut merge, closure.ok_or(CustomisationError::NoClosure)?)?;
        }
        let mut files = merge.finish(mtime);
        rules::apply(&self.rules, &mut files)?;
        Ok(Files { files: Arc::new(files) })
    }
}

impl Entry {
    fn what(&self, store: &Store) -> Result<What, CustomisationError> {
        let Self { text, file, symlink, directory, path } = self;
        match (text, file, symlink, directory) {
            (Some(text), None, None, false) => Ok(What::Text(text.clone().into_bytes())),
            (None, Some(file), None, false) => {
                let real = store.locate(Path::new(file));
                let stat = stat(&real)?;
                if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
                    return Err(CustomisationError::NotAFile(real));
                }
                Ok(What::file(real, &stat))
            }
            (None, None, Some(symlink), false) if !symlink.is_empty() && !symlink.contains('\0') => {
                Ok(What::Symlink(symlink.clone().into_bytes()))
            }
            (None, None, None, true) => Ok(What::Directory { mode: 0o755 }),
            _ => Err(CustomisationError::Entry(path.clone())),
        }
    }
}

impl NixDatabase {
    fn add(&self, merge: &mut Merge<'_>, closure: &Closure) -> Result<(), CustomisationError> {
        const ORIGIN: &str = "the Nix database";
        if let Some(info) = closure.paths().iter().find(|info| info.nar_hash.is_none()) {
            return Err(CustomisationError::NoNarHash(info.path.to_string()));
        }
        let bytes = nix_database::write(closure).map_err(CustomisationError::Database)?;
        let state = nix_database::state_directory(closure.store_dir());
        let mut add =
            |path: &str, what| merge.insert(&ImagePath::parse(&format!("{state}/{path}"))?, ORIGIN, what);
        add("db/db.sqlite", What::Text(bytes))?;
        add("db/schema", What::Text(nix_database::SCHEMA_VERSION.into()))?;
        for root in &self.roots {
            let path = closure
                .node(root)
                .map(|node| &closure.path(node).path)
                .ok_or_else(|| CustomisationError::Root(root.clone()))?;
            add(&format!("gcroots/docker/{}", path.base_name()), What::Symlink(path.as_str().into()))?;
        }
        Ok(())
    }
}

fn stat(path: &Path) -> Result<Stat, Error> {
    rustix::fs::lstat(path)
        .map_err(|error| Error::Read { path: path.to_owned(), source: io::Error::from(error) })
}

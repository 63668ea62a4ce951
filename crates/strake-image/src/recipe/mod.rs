//! Recipes: what a layer is made of.
//!
//! A recipe can write itself as a tar stream, always the same bytes. It knows no image and no manifest, so a layer's
//! digest cannot depend on the image that the layer is in. That makes caching digests sound.

mod checking;
mod content;
mod digests;
mod files;
mod layer_archive;
mod store_paths;
mod stored;
mod tarball;

pub(crate) use checking::Checking;
pub use digests::{Depth, Digests};
pub use files::{FileContent, Files};
pub(crate) use layer_archive::check as check_layer;
use std::ffi::CStr;
use std::ops::Range;
use std::path::Path;
pub use store_paths::{Owner, StorePaths};
pub use tarball::{Remote, Source, Tarball};

use strake_plan::StorePath;

use crate::cache::Key;
use crate::codec::Codec;
use crate::digest::Digest;
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::sink::{Sink, Watch};
use crate::survey::Survey;

/// The source of a layer.
#[derive(Clone, Debug)]
pub enum Recipe {
    /// Store paths, to be packed.
    StorePaths(StorePaths),
    /// A tar archive that somebody has made.
    Tarball(Tarball),
    /// Single files, links and directories, to be packed.
    Files(Files),
}

impl Recipe {
    /// The store paths it is made of, where it is made of such.
    pub fn store_paths(&self) -> Option<&[StorePath]> {
        match self {
            Self::StorePaths(recipe) => Some(&recipe.paths),
            Self::Tarball(_) | Self::Files(_) => None,
        }
    }

    /// The name of the source of its bytes in messages.
    pub fn place(&self) -> &Path {
        match self {
            Self::StorePaths(recipe) => recipe.place(),
            Self::Tarball(recipe) => recipe.source.path(),
            Self::Files(_) => Path::new("the customisation layer"),
        }
    }

    /// Whether it packs files itself, rather than hand on what somebody has packed.
    pub fn packs(&self) -> bool {
        !matches!(self, Self::Tarball(_))
    }

    /// The registry and the repository in which its bytes are, if that is where they are.
    pub fn repository(&self) -> Option<(&str, &str)> {
        match self {
            Self::Tarball(Tarball { source: Source::Remote(remote), .. }) => Some(remote.repository()),
            _ => None,
        }
    }

    /// Whether its bytes are not here.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Tarball(Tarball { source: Source::Elsewhere { .. }, .. }))
    }

    /// The key of this recipe's digest in the cache.
    pub fn key(&self) -> Key {
        match self {
            Self::StorePaths(recipe) => recipe.key(),
            Self::Tarball(recipe) => recipe.key(),
            Self::Files(recipe) => recipe.key(),
        }
    }

    /// The layer's changes to the files in which runtimes look users up, as far as they are known without decompressing or
    /// fetching anything.
    pub fn etc_changes(&self) -> Result<EtcChanges, Error> {
        match self {
            Self::StorePaths(_) => Ok(EtcChanges::default()),
            Self::Tarball(recipe) => recipe.etc_changes(),
            Self::Files(recipe) => Ok(recipe.etc_changes()),
        }
    }

    /// Looks at the files without reading them.
    pub fn survey(&self) -> Result<Survey, Error> {
        match self {
            Self::StorePaths(recipe) => recipe.survey(),
            Self::Tarball(recipe) => recipe.survey(),
            Self::Files(recipe) => recipe.survey(),
        }
    }

    /// The diff id that a third party says. It is checked whenever the recipe is hashed.
    pub fn claimed_diff_id(&self) -> Option<Digest> {
        match self {
            Self::Tarball(recipe) => Some(recipe.diff_id),
            Self::StorePaths(_) | Self::Files(_) => None,
        }
    }

    /// Whether it is a layer, rather than something that is attached to images.
    pub(crate) fn is_layer(&self) -> bool {
        !matches!(self, Self::Tarball(Tarball { is_layer: false, .. }))
    }

    /// The digest that is said of bytes that are not here, and that only reading them can prove.
    pub(crate) fn believed(&self) -> Option<(Digest, Survey)> {
        match self {
            Self::Tarball(recipe) => recipe.believed(),
            Self::StorePaths(_) | Self::Files(_) => None,
        }
    }

    /// How the stream is compressed. To be asked only where its digest is not the diff id.
    pub(crate) fn codec(&self) -> Result<Option<Codec>, Error> {
        match self {
            Self::Tarball(recipe) => recipe.codec(),
            Self::StorePaths(_) | Self::Files(_) => Ok(None),
        }
    }

    /// Reads everything and computes the digest of the stream: the diff id, unless it is a tarball that is compressed.
    ///
    /// `watch` tells how far it is, and can stop it; `depth` how closely a tarball is looked at.
    pub fn digest(&self, watch: Watch<'_>, depth: Depth) -> Result<(Digest, Survey), Error> {
        match self {
            Self::StorePaths(recipe) => recipe.digest(watch),
            Self::Tarball(recipe) => recipe.digest(watch, depth),
            Self::Files(recipe) => recipe.digest(watch),
        }
    }

    /// Writes the stream. Fails at the first file that is not as it was `seen` before, if it was.
    pub fn write(&self, seen: Option<&Survey>, sink: &mut dyn Sink) -> Result<(), Error> {
        match self {
            Self::StorePaths(recipe) => recipe.write(seen, sink),
            Self::Tarball(recipe) => recipe.write(seen, sink),
            Self::Files(recipe) => recipe.write(seen, sink),
        }
    }

    /// Writes a range of the stream that [`Recipe::write`] writes, in bytes from its beginning. `seen` is what a survey or
    /// a digest of this recipe has shown.
    ///
    /// The bytes before the range are not read: of store paths at most about 1,000 entries in front of it are looked at; of
    /// single files and of a tar archive nothing. Only where an archive is in a compressed file that file is decompressed
    /// from its beginning, or from where the last range ended, if that is not behind.
    ///
    /// Fails at the first file in the range that is not as it was seen, and maybe at one in front of it. A change that the
    /// range does not touch goes unnoticed. Of a blob on another machine only the whole can be held against its digest.
    /// An empty range writes nothing and looks at nothing; one that is not in the stream is [`Error::Range`].
    pub fn write_range(&self, seen: &Survey, range: Range<u64>, sink: &mut dyn Sink) -> Result<(), Error> {
        let size = seen.size;
        if range.start > range.end || range.end > size {
            return Err(Error::Range { start: range.start, end: range.end, size });
        }
        if range.is_empty() {
            return Ok(());
        }
        match self {
            Self::StorePaths(recipe) => recipe.write_range(seen, range, sink),
            Self::Tarball(recipe) => recipe.write_range(Some(seen), range, sink),
            Self::Files(recipe) => recipe.write_range(seen, range, sink),
        }
    }
}

/// A file's name as the system requires it.
fn c_name<'a>(name: &str, buffer: &'a mut Vec<u8>) -> &'a CStr {
    buffer.clear();
    buffer.extend_from_slice(name.as_bytes());
    buffer.push(0);
    CStr::from_bytes_until_nul(buffer).expect("a zero byte was added")
}

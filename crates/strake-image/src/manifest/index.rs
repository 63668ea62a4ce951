//! Opens all that an index lists: an image for each of several platforms, and what stands beside them.

use std::collections::HashSet;

use super::Platform;
use super::pick::Entry;
use super::read::{self, Blobs, Listed, MAX_DEPTH, ManifestText};
use crate::draft::{LayerDraft, Origin};
use crate::foreign::{Foreign, OpenError, parse};
use crate::media_type::Format;
use crate::recipe::{Recipe, Tarball};

/// What the texts of all that an index lists may take together, in bytes.
const MAX_TEXTS: u64 = 16 * 1024 * 1024;

/// What a name leads to.
pub enum Opened {
    /// An image.
    Image(Box<Foreign>),
    /// An index.
    Index(ForeignIndex),
}

/// Images for several platforms that somebody else has listed together.
#[derive(Debug)]
pub struct ForeignIndex {
    /// The names that the index has.
    pub tags: Vec<String>,
    /// Its text.
    pub text: Vec<u8>,
    /// Whose media type it has.
    pub format: Format,
    /// The images, in its order, each once.
    pub images: Vec<(Platform, Foreign)>,
    /// What else it leads to.
    pub companions: Companions,
}

/// What an index leads to besides images: what builds attest of them, signatures, indexes.
#[derive(Debug, Default)]
pub struct Companions {
    /// Manifests and indexes with their media types, each behind what it lists.
    pub manifests: Vec<(String, Vec<u8>)>,
    /// What the manifests among them list.
    pub blobs: Vec<LayerDraft>,
}

/// Opens what is listed: an image, or all that an index leads to.
pub fn open_all(blobs: &dyn Blobs, listed: Listed) -> Result<Opened, OpenError> {
    let media_type = read::media_type(&listed.entry, &listed.text)?;
    let Some(format) = Format::of_index(&media_type) else {
        return read::open_image(blobs, listed).map(Box::new).map(Opened::Image);
    };
    let mut walk = Walk {
        blobs,
        left: MAX_TEXTS,
        seen: HashSet::new(),
        images: Vec::new(),
        companions: Companions::default(),
    };
    walk.index(&listed.entry, &listed.text, 1)?;
    let Walk { images, companions, .. } = walk;
    Ok(Opened::Index(ForeignIndex { tags: listed.tags, text: listed.text, format, images, companions }))
}

/// Goes through all that an index lists.
struct Walk<'b> {
    blobs: &'b dyn Blobs,
    /// What texts may still take.
    left: u64,
    seen: HashSet<String>,
    images: Vec<(Platform, Foreign)>,
    companions: Companions,
}

impl Walk<'_> {
    fn index(&mut self, entry: &Entry, text: &[u8], depth: usize) -> Result<(), OpenError> {
        if depth > MAX_DEPTH {
            return Err(OpenError::Depth);
        }
        for entry in read::all_entries(entry, text)?.unwrap_or_default() {
            if self.seen.insert(entry.digest.clone()) {
                self.entry(entry, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry, depth: usize) -> Result<(), OpenError> {
        let listed_as = entry.media_type.as_str();
        if !entry.is_index() && Format::of_manifest(listed_as).is_none() && !listed_as.is_empty() {
            return self.blob(&entry);
        }
        self.left =
            self.left.checked_sub(entry.size).ok_or_else(|| OpenError::TooLarge(entry.digest.clone()))?;
        let text = self.blobs.manifest(entry.digest()?, entry.size)?;
        let media_type = read::media_type(&entry, &text)?;
        if Format::of_index(&media_type).is_some() {
            self.index(&entry, &text, depth + 1)?;
            self.companions.manifests.push((media_type, text));
            return Ok(());
        }
        let manifest: ManifestText = parse(&entry.digest, &text)?;
        let is_image = Format::ALL.iter().any(|format| format.config() == manifest.config.media_type);
        if is_image && !entry.is_remark() {
            self.left = self
                .left
                .checked_sub(manifest.config.size)
                .ok_or_else(|| OpenError::TooLarge(entry.digest.clone()))?;
            let listed = entry.platform.clone();
            let image = read::open_image(self.blobs, Listed { entry, text, tags: Vec::new() })?;
            let platform = listed.or_else(|| Platform::of_config(&image.config.text));
            self.images.push((platform.unwrap_or_else(Platform::unknown), image));
            return Ok(());
        }
        for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
            if self.seen.insert(part.digest.clone()) {
                self.blob(part)?;
            }
        }
        self.companions.manifests.push((media_type, text));
        Ok(())
    }

    /// Something of which only the digest matters.
    fn blob(&mut self, entry: &Entry) -> Result<(), OpenError> {
        let digest = entry.digest()?;
        let found = self.blobs.layer(digest, entry.size);
        if let Some(problem) = found.problem {
            return Err(problem);
        }
        let source = found.source;
        let tarball =
            Tarball { source, size: entry.size, diff_id: digest, digest: Some(digest), codec: None };
        self.companions.blobs.push(LayerDraft {
            recipe: Recipe::Tarball(tarball),
            origin: Origin::Copied,
            contents: vec![entry.media_type.clone()],
            member: None,
        });
        Ok(())
    }
}

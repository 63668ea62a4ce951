//! Opens all that an index lists: an image for each of several platforms, and what stands beside them.

use std::collections::HashSet;

use super::pick::Entry;
use super::read::{self, Blobs, Listed, MAX_DEPTH, ManifestText};
use super::{IndexPlan, Manifest, Platform};
use crate::digest::Digest;
use crate::draft::{LayerDraft, Origin};
use crate::media_type::Format;
use crate::parsed::{OpenError, ParsedImage, parse};
use crate::recipe::{Recipe, Tarball};

/// What the texts of all that an index lists may take together, in bytes.
const MAX_TEXTS: u64 = 16 * 1024 * 1024;

/// What a name leads to.
pub enum Opened {
    /// An image.
    Image(Box<ParsedImage>),
    /// An index.
    Index(ParsedIndex),
}

/// Images for several platforms that somebody else has listed together.
#[derive(Debug)]
pub struct ParsedIndex {
    /// The images, in its order, each once.
    pub images: Vec<(Platform, ParsedImage)>,
    /// What the manifests list that are no images'.
    pub attachments: Vec<LayerDraft>,
    /// All that lists these.
    pub frame: IndexPlan,
}

/// Opens what is listed: an image, or all that an index leads to.
pub fn open_all(blobs: &dyn Blobs, listed: Listed) -> Result<Opened, OpenError> {
    let media_type = read::media_type(&listed.entry, &listed.text)?;
    if Format::of_index(&media_type).is_none() {
        return read::open_image(blobs, listed).map(Box::new).map(Opened::Image);
    }
    let mut walk = Walk {
        blobs,
        left: MAX_TEXTS,
        seen: HashSet::new(),
        images: Vec::new(),
        attachments: Vec::new(),
        manifests: Vec::new(),
    };
    walk.index(&listed.entry, &listed.text, 1)?;
    let Walk { images, attachments, manifests, .. } = walk;
    let frame = IndexPlan {
        tags: listed.tags,
        top: Manifest { text: listed.text, media_type },
        manifests,
        images: images.iter().map(|(_, image)| Digest::of(&image.manifest)).collect(),
    };
    Ok(Opened::Index(ParsedIndex { images, attachments, frame }))
}

/// Goes through all that an index lists.
struct Walk<'b> {
    blobs: &'b dyn Blobs,
    /// What texts may still take.
    left: u64,
    seen: HashSet<String>,
    images: Vec<(Platform, ParsedImage)>,
    attachments: Vec<LayerDraft>,
    manifests: Vec<Manifest>,
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
            self.manifests.push(Manifest { text, media_type });
            return Ok(());
        }
        let manifest: ManifestText = parse(&entry.digest, &text)?;
        let is_image = Format::ALL.iter().any(|format| format.config() == manifest.config.media_type);
        if is_image && !entry.is_attestation() {
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
        self.manifests.push(Manifest { text, media_type });
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
        self.attachments.push(LayerDraft {
            recipe: Recipe::Tarball(tarball),
            origin: Origin::Copied,
            contents: vec![entry.media_type.clone()],
            member: None,
            described: None,
            history: serde_json::Map::new(),
        });
        Ok(())
    }
}

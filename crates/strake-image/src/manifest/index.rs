//! Opens all that an index lists: an image for each of several platforms, and what stands beside them.

use std::collections::HashSet;

use super::IndexPlan;
use super::read::{self, Blobs, Listed, MAX_DEPTH, ManifestParts};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::document::Document;
use crate::draft::{Contents, LayerDraft, Origin};
use crate::parsed::{OpenError, ParsedImage};
use crate::platform::Platform;
use crate::recipe::{Recipe, Tarball};

/// What the texts of all that an index lists may take together, in bytes.
const MAX_TEXTS: u64 = 16 * 1024 * 1024;

/// What a name leads to.
pub enum Opened {
    /// An image.
    Image(Box<ParsedImage>),
    /// An index.
    Index(Box<ParsedIndex>),
}

/// Images for several platforms that somebody else has listed together.
#[derive(Debug)]
pub struct ParsedIndex {
    /// The images, in its order, each once.
    pub images: Vec<(Platform, ParsedImage)>,
    /// What the manifests list that are no images'.
    pub attachments: Vec<LayerDraft>,
    /// All that lists these.
    pub plan: IndexPlan,
}

/// Opens what is listed: an image, or all that an index leads to.
pub fn open_all(blobs: &dyn Blobs, listed: Listed) -> Result<Opened, OpenError> {
    let media_type = read::media_type(&listed.descriptor, &listed.text)?;
    if media_type.index_format().is_none() {
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
    walk.index(&listed.descriptor, &listed.text, 1)?;
    let Walk { images, attachments, manifests, .. } = walk;
    let plan = IndexPlan {
        tags: listed.tags,
        top: Document::new(media_type, listed.text),
        manifests,
        images: images.iter().map(|(_, image)| Digest::of(&image.manifest)).collect(),
    };
    Ok(Opened::Index(Box::new(ParsedIndex { images, attachments, plan })))
}

/// Goes through all that an index lists.
struct Walk<'b> {
    blobs: &'b dyn Blobs,
    /// What texts may still take.
    left: u64,
    seen: HashSet<Digest>,
    images: Vec<(Platform, ParsedImage)>,
    attachments: Vec<LayerDraft>,
    manifests: Vec<Document>,
}

impl Walk<'_> {
    fn index(&mut self, listed: &Descriptor, text: &[u8], depth: usize) -> Result<(), OpenError> {
        if depth > MAX_DEPTH {
            return Err(OpenError::Depth);
        }
        for listed in read::all_entries(listed, text)?.unwrap_or_default() {
            if self.seen.insert(listed.digest) {
                self.entry(listed, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, listed: Descriptor, depth: usize) -> Result<(), OpenError> {
        let listed_as = &listed.media_type;
        if !listed.is_index() && listed_as.manifest_format().is_none() && !listed_as.is_empty() {
            return self.blob(&listed);
        }
        self.take(&listed, listed.size)?;
        let text = self.blobs.manifest(&listed)?;
        let media_type = read::media_type(&listed, &text)?;
        if media_type.index_format().is_some() {
            self.index(&listed, &text, depth + 1)?;
            self.manifests.push(Document::new(media_type, text));
            return Ok(());
        }
        let manifest = ManifestParts::parse(listed.digest, &text)?;
        if manifest.config.media_type.is_config() && !listed.is_attestation() {
            self.take(&listed, manifest.config.size)?;
            let platform = listed.platform.clone();
            let listed = Listed { descriptor: listed, text, tags: Vec::new() };
            let image = read::open_image(self.blobs, listed)?;
            let platform = platform.or_else(|| Platform::of_config(&image.config.text));
            self.images.push((platform.unwrap_or_else(Platform::unknown), image));
            return Ok(());
        }
        for part in std::iter::once(&manifest.config).chain(&manifest.layers) {
            if self.seen.insert(part.digest) {
                self.blob(part)?;
            }
        }
        self.manifests.push(Document::new(media_type, text));
        Ok(())
    }

    /// Makes sure that there is room in memory for so many bytes more.
    fn take(&mut self, listed: &Descriptor, bytes: u64) -> Result<(), OpenError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| OpenError::TooLarge(listed.digest.to_string()))?;
        Ok(())
    }

    /// Something of which only the digest matters.
    fn blob(&mut self, blob: &Descriptor) -> Result<(), OpenError> {
        let found = self.blobs.layer(blob);
        if let Some(problem) = found.problem {
            return Err(problem);
        }
        let Descriptor { digest, size, .. } = *blob;
        let tarball = Tarball {
            source: found.source,
            size,
            diff_id: digest,
            digest: Some(digest),
            codec: None,
            is_layer: false,
        };
        let contents = Contents::Attachment(blob.media_type.clone());
        self.attachments.push(LayerDraft::new(Recipe::Tarball(tarball), Origin::Copied, contents));
        Ok(())
    }
}

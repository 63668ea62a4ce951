//! Opens all that an index lists: an image for each of several platforms, and what stands beside them.

use std::collections::HashMap;

use serde_json::Value;

use super::IndexPlan;
use super::contradictions::{Repeats, contradictions};
use super::read::{self, Blobs, Listed, MAX_DEPTH};
use super::text::{Lists, ManifestParts, ManifestText};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::document::Document;
use crate::draft::{Contents, LayerDraft, Origin};
use crate::media_type::MediaType;
use crate::parsed::{OpenError, ParsedImage};
use crate::platform::Platform;
use crate::recipe::{Recipe, Tarball};

/// The maximum size of all documents that an index lists, together, in bytes.
const MAX_TEXTS: u64 = 16 * 1024 * 1024;

/// The manifest or index that a name refers to.
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
    /// The blobs of manifests that are not images.
    pub attachments: Vec<LayerDraft>,
    /// All that lists these.
    pub plan: IndexPlan,
}

/// Opens what is listed: an image, or all that an index leads to.
pub fn open_all(blobs: &dyn Blobs, listed: Listed) -> Result<Opened, OpenError> {
    let ManifestText { media_type, lists } = ManifestText::read(&listed.descriptor, &listed.text)?;
    let entries = match lists {
        Lists::Entries(entries) => entries,
        Lists::Parts(parts) => {
            let image = read::open_image(blobs, listed, &media_type, *parts)?;
            return Ok(Opened::Image(Box::new(image)));
        }
    };
    let mut walk = Walk {
        blobs,
        left: MAX_TEXTS,
        listed: Repeats::default(),
        places: HashMap::new(),
        others: HashMap::new(),
        parts: HashMap::new(),
        images: Vec::new(),
        attachments: Vec::new(),
        manifests: Vec::new(),
    };
    walk.index(&listed.descriptor, entries, 1)?;
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
    /// The bytes left for documents.
    left: u64,
    /// All entries so far.
    listed: Repeats,
    /// The places of images among those below, by the digests of their manifests.
    places: HashMap<Digest, usize>,
    /// For what platforms all others were listed, if for any.
    others: HashMap<Digest, Option<Platform>>,
    /// The sizes of what manifests list that are no images'.
    parts: HashMap<Digest, u64>,
    images: Vec<(Platform, ParsedImage)>,
    attachments: Vec<LayerDraft>,
    manifests: Vec<Document>,
}

impl Walk<'_> {
    fn index(&mut self, index: &Descriptor, entries: Vec<Value>, depth: usize) -> Result<(), OpenError> {
        if depth > MAX_DEPTH {
            return Err(OpenError::Depth);
        }
        let first = self.images.len();
        for listed in read::all_entries(index, entries)? {
            if self.listed.note(&listed)? {
                self.entry(listed, depth)?;
            } else {
                self.again(&listed)?;
            }
        }
        for (_, image) in &mut self.images[first..] {
            image.problems.extend(contradictions(index, &image.config));
        }
        Ok(())
    }

    /// A document that was read is listed again, perhaps with another type.
    fn again(&mut self, listed: &Descriptor) -> Result<(), OpenError> {
        if let Some(place) = self.places.get(&listed.digest) {
            let (_, image) = &mut self.images[*place];
            image.problems.extend(contradictions(listed, &image.config));
            return Ok(());
        }
        // The platforms listed before decide whether a manifest is an image's, and for which platform an index is.
        let before = self.others.get(&listed.digest);
        let is_new = listed.is_for_a_platform() && before.is_some_and(|before| *before != listed.platform);
        if is_new && (listed.is_index() || before.is_some_and(Option::is_none)) {
            let text = format!("{} is listed for different platforms", listed.digest);
            return Err(OpenError::Contradiction(text));
        }
        Ok(())
    }

    fn entry(&mut self, listed: Descriptor, depth: usize) -> Result<(), OpenError> {
        if !listed.is_index() && listed.media_type.manifest_format().is_none() {
            if listed.platform.is_some() || listed.is_called_attestation() {
                return Err(OpenError::NotAnImage(listed.media_type));
            }
            return self.part(&listed);
        }
        self.take(&listed, listed.size)?;
        let text = self.blobs.manifest(&listed)?;
        let for_platform = listed.platform.clone().filter(|_| listed.is_for_a_platform());
        self.others.insert(listed.digest, for_platform);
        let ManifestText { media_type, lists } = ManifestText::read(&listed, &text)?;
        match lists {
            Lists::Entries(entries) => self.index(&listed, entries, depth + 1)?,
            Lists::Parts(parts) if is_image(&listed, &parts)? => {
                return self.image(
                    Listed { descriptor: listed, text, tags: Vec::new() },
                    &media_type,
                    *parts,
                );
            }
            Lists::Parts(parts) => {
                std::iter::once(&parts.config).chain(&parts.layers).try_for_each(|part| self.part(part))?;
            }
        }
        self.manifests.push(Document::new(media_type, text));
        Ok(())
    }

    fn image(&mut self, listed: Listed, of: &MediaType, parts: ManifestParts) -> Result<(), OpenError> {
        self.take(&listed.descriptor, parts.config.size)?;
        let Descriptor { digest, platform, .. } = listed.descriptor.clone();
        let image = read::open_image(self.blobs, listed, of, parts)?;
        let of_config = || Some(image.config.platform.clone()).filter(Platform::is_said);
        let platform = platform.or_else(of_config).unwrap_or_else(Platform::unknown);
        self.places.insert(digest, self.images.len());
        self.images.push((platform, image));
        Ok(())
    }

    /// Makes sure that memory has room for this number of further bytes.
    fn take(&mut self, listed: &Descriptor, bytes: u64) -> Result<(), OpenError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| OpenError::TooLarge(listed.digest.to_string()))?;
        Ok(())
    }

    /// Something of which only digest and size matter.
    fn part(&mut self, blob: &Descriptor) -> Result<(), OpenError> {
        let Descriptor { digest, size, .. } = *blob;
        match self.parts.insert(digest, size) {
            Some(other) if other != size => {
                return Err(OpenError::Size { digest, expected: size, found: other });
            }
            Some(_) => return Ok(()),
            None => {}
        }
        let found = self.blobs.layer(blob);
        if let Some(problem) = found.problem {
            return Err(problem);
        }
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

/// Types that old programs give to configs of images, and that Docker takes for those.
const CONFIGS_TO_DOCKER: [&str; 4] = ["", "application/octet-stream", "application/json", "text/html"];

/// Whether a manifest is an image's: attestations and signatures have a config of an image's type, too, but no layers, and are
/// for no platform.
fn is_image(listed: &Descriptor, parts: &ManifestParts) -> Result<bool, OpenError> {
    let has_layers = parts.layers.iter().any(|layer| layer.media_type.layer().is_some());
    let of_type = &parts.config.media_type;
    if of_type.is_config() {
        return Ok(has_layers || parts.layers.is_empty() || listed.is_for_a_platform());
    }
    if has_layers && (listed.is_for_a_platform() || CONFIGS_TO_DOCKER.contains(&of_type.as_str())) {
        let (name, of_type) = (listed.digest, of_type.as_str());
        let text = format!(
            "{name} has an image's layers, and a config of the type {of_type:?}, which is not an image's"
        );
        return Err(OpenError::Contradiction(text));
    }
    Ok(false)
}

//! JSON documents that are named by their digests: configs, manifests and indexes.

use std::ops::Range;

use crate::content::Content;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::Error;
use crate::media_type::MediaType;
use crate::sink::Sink;

/// A config, manifest or index: its text, byte for byte, and what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    descriptor: Descriptor,
    text: Vec<u8>,
}

impl Document {
    /// Names a text.
    pub fn new(media_type: MediaType, text: Vec<u8>) -> Self {
        Self { descriptor: Descriptor::of(media_type, &text), text }
    }

    /// The descriptor that refers to it.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The digest of the text.
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }

    /// The media type.
    pub fn media_type(&self) -> &MediaType {
        &self.descriptor.media_type
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The text alone.
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }
}

impl Content for Document {
    fn descriptor(&self) -> Option<&Descriptor> {
        Some(&self.descriptor)
    }

    fn weight(&self) -> u64 {
        self.descriptor.size
    }

    fn title(&self) -> &str {
        if self.media_type().is_config() { "config" } else { "manifest" }
    }

    fn write(&self, sink: &mut dyn Sink) -> Result<Descriptor, Error> {
        sink.bytes(&self.text)?;
        Ok(self.descriptor.clone())
    }

    fn write_range(&self, range: Range<u64>, sink: &mut dyn Sink) -> Result<(), Error> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.text.len());
        let (start, end) = (place(range.start), place(range.end));
        Ok(sink.bytes(&self.text[start..end.max(start)])?)
    }
}

//! Contents: bytes that can be asked for, whole or in part.

use std::ops::Range;

use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::sink::Sink;

/// Bytes that have a descriptor, or will have one when they are compressed on their way, and write themselves as often
/// as they are asked to, always the same.
///
/// Layers (`LayerContent`), compressed layers (`CompressedContent`), configs and manifests (`Document`) are contents.
pub trait Content: Sync {
    /// The descriptor, if it is known before the bytes are written.
    fn descriptor(&self) -> Option<&Descriptor>;

    /// About how many bytes they are.
    fn weight(&self) -> u64;

    /// Bytes of layers that are read to write them: none for documents.
    fn source_size(&self) -> u64 {
        0
    }

    /// The name in messages.
    fn title(&self) -> &str;

    /// The registry and the repository that the bytes come from, if they do.
    fn repository(&self) -> Option<(&str, &str)> {
        None
    }

    /// Writes all bytes, and returns their descriptor.
    fn write(&self, sink: &mut dyn Sink) -> Result<Descriptor, Error>;

    /// Writes a part of the bytes. The part beyond their end is left out.
    fn write_range(&self, range: Range<u64>, sink: &mut dyn Sink) -> Result<(), Error>;
}

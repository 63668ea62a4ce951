//! Layers that are compressed on their way.

use std::ops::Range;

use crate::cache::Maker;
use crate::compression::{Compressing, Compression, Pool};
use crate::content::Content;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::layer::{Layer, LayerContent};
use crate::sink::{Sink, Window};

/// A layer's compressed blob and its maker.
#[derive(Clone, Debug)]
pub struct KnownBlob {
    /// The blob.
    pub descriptor: Descriptor,
    /// The maker.
    pub maker: Maker,
}

/// A layer, compressed.
pub struct CompressedContent<'l> {
    layer: LayerContent<'l>,
    pool: &'l Pool,
    known: Option<KnownBlob>,
}

impl<'l> CompressedContent<'l> {
    /// A layer that the pool compresses. `known` is what it will be, which may have been promised already.
    pub fn new(layer: LayerContent<'l>, pool: &'l Pool, known: Option<KnownBlob>) -> Self {
        Self { layer, pool, known }
    }

    /// Compresses the layer into a sink, and compares the result with what was known, or caches it.
    pub(crate) fn compress(
        &self,
        sink: &mut dyn Sink,
        write: impl FnOnce(&mut dyn Sink) -> Result<(), Error>,
    ) -> Result<Descriptor, Error> {
        let mut stream = Compressing::new(self.pool, sink, &self.layer.context.progress.compressed);
        write(&mut stream)?;
        let made = stream.finish()?;
        self.compare(self.pool.compression(), &made)?;
        Ok(made)
    }

    fn compare(&self, compression: Compression, made: &Descriptor) -> Result<(), Error> {
        let Layer { diff_id, settled, .. } = self.layer.layer;
        let cache = self.layer.context.cache.as_ref();
        if let Some(KnownBlob { descriptor, maker }) =
            self.known.as_ref().filter(|known| !known.descriptor.is_same_blob(made))
        {
            if let Some(cache) = cache {
                cache.forget_blob(*diff_id, *maker);
            }
            return Err(Error::Recompressed { expected: descriptor.digest, found: made.digest });
        }
        // A blob of files that may have changed unnoticed is not cached for the diff id.
        let is_new = self.known.as_ref().is_none_or(|known| matches!(known.maker, Maker::Elsewhere(_)));
        if let (true, Some(cache), true) = (is_new, cache, *settled) {
            // If it cannot be cached, the layer is compressed again the next time. That the cache cannot be written to is
            // reported where layers are hashed.
            let _ = cache.put_blob(*diff_id, Maker::Here(compression), made);
        }
        Ok(())
    }
}

impl Content for CompressedContent<'_> {
    fn descriptor(&self) -> Option<&Descriptor> {
        self.known.as_ref().map(|known| &known.descriptor)
    }

    fn weight(&self) -> u64 {
        self.descriptor().map_or(self.layer.weight(), |descriptor| descriptor.size)
    }

    fn source_size(&self) -> u64 {
        self.layer.source_size()
    }

    fn title(&self) -> &str {
        self.layer.title()
    }

    fn repository(&self) -> Option<(&str, &str)> {
        self.layer.repository()
    }

    fn write(&self, sink: &mut dyn Sink) -> Result<Descriptor, Error> {
        self.compress(sink, |stream| self.layer.write(stream).map(drop))
    }

    fn write_range(&self, range: Range<u64>, sink: &mut dyn Sink) -> Result<(), Error> {
        Window::write(sink, range, |whole| self.write(whole).map(drop))
    }
}

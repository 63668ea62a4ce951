//! Layers: recipes whose digests are known.

use std::io;

use crate::cache::Key;
use crate::codec::Codec;
use crate::digest::Digest;
use crate::draft::LayerDraft;
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::sink::{Sink, Tee};
use crate::store::Store;

/// A layer.
#[derive(Debug)]
pub struct Layer {
    /// What it was made from.
    pub draft: LayerDraft,
    /// The digest of its tar stream, uncompressed.
    pub diff_id: Digest,
    /// The digest of what [`Layer::write`] writes. Only for a layer that somebody has compressed it is not the diff id.
    pub digest: Digest,
    /// How what [`Layer::write`] writes is compressed.
    pub codec: Option<Codec>,
    /// The length of what [`Layer::write`] writes, in bytes.
    pub size: u64,
    /// What to call it in front of people: the names of its largest packages.
    pub title: String,
    /// Whether the digest was remembered rather than computed.
    pub remembered: bool,
    /// Why the digest could not be remembered for the next time.
    pub not_remembered: Option<io::Error>,
    pub(crate) key: Key,
    pub(crate) fingerprint: Fingerprint,
}

impl Layer {
    /// Where the cache remembers this layer.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Whether its bytes are not here, so that it cannot be written.
    pub fn is_elsewhere(&self) -> bool {
        self.draft.recipe.is_elsewhere()
    }

    /// Writes the layer: [`Layer::size`] bytes.
    ///
    /// Fails at the first file that is no longer as it was when the digest was computed. With `verify`, what is packed
    /// here is digested once more on its way.
    pub fn write(&self, store: &Store, verify: bool, sink: &mut dyn Sink) -> Result<(), Error> {
        let recipe = &self.draft.recipe;
        if !verify || !recipe.packs() {
            return recipe.write(store, &self.fingerprint, sink);
        }
        let mut tee = Tee::new(sink);
        recipe.write(store, &self.fingerprint, &mut tee)?;
        let found = tee.finish();
        if found == self.digest {
            return Ok(());
        }
        let paths = recipe.store_paths().unwrap_or_default();
        let path = paths.first().map_or(store.dir().as_str(), |path| path.as_str()).into();
        Err(Error::Digest { path, expected: self.digest, found })
    }
}

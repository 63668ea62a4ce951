//! Layers: recipes whose digests are known.

use std::io;

use crate::blob::Blob;
use crate::cache::Key;
use crate::digest::Digest;
use crate::draft::LayerDraft;
use crate::error::Error;
use crate::sink::{Sink, Tee};
use crate::survey::Survey;

/// A layer.
#[derive(Debug)]
pub struct Layer {
    /// What it was made from.
    pub draft: LayerDraft,
    /// The digest of its tar stream, uncompressed.
    pub diff_id: Digest,
    /// What [`Layer::write`] writes. Only for a layer that somebody has compressed its digest is not the diff id.
    pub blob: Blob,
    /// What to call it in front of people: the names of its largest packages.
    pub title: String,
    /// Whether the digest was remembered rather than computed.
    pub remembered: bool,
    /// Why the digest could not be remembered for the next time.
    pub not_remembered: Option<io::Error>,
    /// Whether its files had been unchanged for long enough that their fingerprint shows any change since.
    pub settled: bool,
    pub(crate) key: Key,
    /// What its files were like when the digest was computed; `None` if the digest was described.
    pub(crate) survey: Option<Survey>,
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

    /// Whether nobody has compressed it.
    pub fn is_plain(&self) -> bool {
        self.blob.digest == self.diff_id
    }

    /// Writes the layer's blob.
    ///
    /// Fails at the first file that is no longer as it was when the digest was computed. With `verify`, and where the
    /// digest was only described, what is packed here is digested on its way.
    pub fn write(&self, verify: bool, sink: &mut dyn Sink) -> Result<(), Error> {
        let recipe = &self.draft.recipe;
        let survey = self.survey.as_ref();
        if !recipe.packs() || (survey.is_some() && !verify) {
            return recipe.write(survey, sink);
        }
        let mut tee = Tee::new(sink);
        recipe.write(survey, &mut tee)?;
        let size = tee.size();
        let found = tee.finish();
        if (found, size) == (self.blob.digest, self.blob.size) {
            return Ok(());
        }
        Err(Error::Digest { path: recipe.place().to_owned(), expected: self.blob.digest, found })
    }
}

//! Layers: recipes whose digests are known.

use std::io;
use std::ops::Range;
use std::sync::OnceLock;

use crate::cache::Key;
use crate::content::Content;
use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::draft::LayerDraft;
use crate::error::Error;
use crate::etc_changes::EtcChanges;
use crate::recipe::{Checking, Depth, Recipe, Tarball};
use crate::sink::{Counted, Discard, Sink, Tee};
use crate::survey::Survey;

/// A layer.
#[derive(Debug)]
pub struct Layer {
    /// The source.
    pub draft: LayerDraft,
    /// The digest of its tar stream, uncompressed.
    pub diff_id: Digest,
    /// The descriptor of [`LayerContent`]'s bytes. Its digest is the diff id unless a third party has compressed the layer.
    pub stored: Descriptor,
    /// The name in messages: the names of its largest packages.
    pub title: String,
    /// Whether the digest was cached or described rather than computed now.
    pub is_cached: bool,
    /// Why the digest could not be cached for the next time.
    pub not_cached: Option<io::Error>,
    /// Whether its files had been unchanged for long enough that their fingerprint shows any change since.
    pub settled: bool,
    /// Whether the diff id was computed from the layer's bytes, now or earlier. If not, it is what a third party says of bytes on
    /// another machine, and it is checked when they are written.
    pub is_checked: bool,
    pub(crate) key: Key,
    /// The state of its files when the digest was computed; `None` if the digest was described.
    pub(crate) survey: Option<Survey>,
    /// The same, found when the first range of a described layer was wanted.
    pub(crate) proven: OnceLock<Survey>,
}

impl Layer {
    /// Whether its bytes are absent, so that it cannot be written.
    pub fn is_elsewhere(&self) -> bool {
        self.draft.recipe.is_elsewhere()
    }

    /// Whether it is stored uncompressed.
    pub fn is_plain(&self) -> bool {
        self.stored.digest == self.diff_id
    }

    /// Its changes to the files in which runtimes look users up, where its bytes were read to describe it.
    pub fn etc_changes(&self) -> EtcChanges {
        self.survey.as_ref().map(|survey| survey.etc.clone()).unwrap_or_default()
    }

    /// The layer's bytes as they are stored.
    pub fn content<'l>(&'l self, context: &'l Context) -> LayerContent<'l> {
        LayerContent { layer: self, context, verify: context.verify }
    }

    /// The layer is another one than its image says.
    pub(crate) fn other_diff_id(&self, found: Digest) -> Error {
        let path = self.draft.recipe.place().to_owned();
        Error::DiffId { path, expected: self.diff_id, found }
    }
}

/// A layer as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct LayerContent<'l> {
    pub(crate) layer: &'l Layer,
    pub(crate) context: &'l Context,
    /// Whether what is packed here is hashed on its way.
    pub(crate) verify: bool,
}

impl LayerContent<'_> {
    /// The same, hashed on its way if the digest was not computed just now.
    #[must_use]
    pub fn hashed(self) -> Self {
        Self { verify: self.verify || self.layer.is_cached, ..self }
    }

    fn write_stored(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        let Layer { draft, stored, survey, .. } = self.layer;
        let (recipe, survey) = (&draft.recipe, survey.as_ref());
        if let Recipe::Tarball(tarball) = recipe {
            return if self.is_checked() { recipe.write(survey, sink) } else { self.check(tarball, sink) };
        }
        if survey.is_some() && !self.verify {
            return recipe.write(survey, sink);
        }
        let mut tee = Tee::new(sink);
        recipe.write(survey, &mut tee)?;
        let size = tee.size();
        let found = tee.finish();
        if (found, size) == (stored.digest, stored.size) {
            return Ok(());
        }
        Err(Error::Digest { path: recipe.place().to_owned(), expected: stored.digest, found })
    }

    fn is_checked(&self) -> bool {
        let Layer { is_checked, stored, diff_id, .. } = self.layer;
        *is_checked || self.context.diff_id(stored.digest) == Some(*diff_id)
    }

    /// Writes a third-party layer whose diff id is unknown, and computes it on the way.
    fn check(&self, tarball: &Tarball, sink: &mut dyn Sink) -> Result<(), Error> {
        let Layer { survey, stored, .. } = self.layer;
        let failed = |source| Error::Read { path: tarball.source.path().to_owned(), source };
        let mut checking = Checking::new(sink).map_err(failed)?;
        tarball.write(survey.as_ref(), &mut checking)?;
        let digests = checking.finish().map_err(failed)?;
        if let Some(found) = digests.diff_id() {
            self.context.computed(stored.digest, found);
        }
        tarball.checked(&digests, Depth::Content).map(drop)
    }
}

impl Content for LayerContent<'_> {
    fn descriptor(&self) -> Option<&Descriptor> {
        Some(&self.layer.stored)
    }

    fn weight(&self) -> u64 {
        self.layer.stored.size
    }

    fn source_size(&self) -> u64 {
        self.weight()
    }

    fn title(&self) -> &str {
        &self.layer.title
    }

    fn repository(&self) -> Option<(&str, &str)> {
        self.layer.draft.recipe.repository()
    }

    /// Fails at the first file that is no longer as it was when the digest was computed. With [`Context::verify`], and where the
    /// digest was only described, what is packed here is hashed on its way. A diff id that is only said is checked.
    ///
    /// A digest that turns out to be wrong is removed from the cache.
    fn write(&self, sink: &mut dyn Sink) -> Result<Descriptor, Error> {
        let written = self.write_stored(&mut Counted::new(sink, &self.context.progress.passed));
        if let (Err(Error::Changed { .. } | Error::Digest { .. }), Some(cache)) =
            (&written, &self.context.cache)
        {
            cache.remove(self.layer.key);
        }
        written.map(|()| self.layer.stored.clone())
    }

    fn write_range(&self, range: Range<u64>, sink: &mut dyn Sink) -> Result<(), Error> {
        let size = self.layer.stored.size;
        let range = range.start.min(size)..range.end.min(size);
        if range.is_empty() {
            return Ok(());
        }
        let survey = match &self.layer.survey {
            Some(survey) if self.is_checked() => survey,
            _ => self.proven()?,
        };
        self.layer.draft.recipe.write_range(survey, range, sink)
    }
}

impl LayerContent<'_> {
    /// The survey of a layer whose digest was only described, or whose diff id is only said: the layer is hashed once, before the
    /// first range of it leaves.
    fn proven(&self) -> Result<&Survey, Error> {
        if let Some(survey) = self.layer.proven.get() {
            return Ok(survey);
        }
        let recipe = &self.layer.draft.recipe;
        let survey = recipe.survey()?;
        self.write(&mut Discard)?;
        if recipe.survey()?.fingerprint != survey.fingerprint {
            return Err(Error::Changed { path: recipe.place().to_owned() });
        }
        Ok(self.layer.proven.get_or_init(|| survey))
    }
}

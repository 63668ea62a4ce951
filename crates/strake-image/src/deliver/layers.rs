//! A layer on its way to targets: it is read once, and compressed once, for however many there are.

use super::{Delivery, Takers};
use crate::cache::Maker;
use crate::compressed::{CompressedContent, KnownBlob};
use crate::compression::{Compression, Pool};
use crate::content::Content;
use crate::descriptor::Descriptor;
use crate::draft::LayerDraft;
use crate::error::Error;
use crate::layer::{Layer, LayerContent};
use crate::recipe::{Recipe, Source};
use crate::sink::{Fan, Sink};
use crate::target::{BlobWriter, Target, TargetError};

/// Blobs that are being written to targets.
type Writers<'w> = Vec<Box<dyn BlobWriter + 'w>>;

impl Delivery<'_> {
    /// Offers a layer to all that take it, and reads it if one of them lacks it. Returns what manifests list; nothing if that
    /// is not known yet, since the only taker will ask for it.
    pub(super) fn layer(
        &self,
        layer: &Layer,
        takers: &mut Takers<'_, '_>,
        pool: Option<&Pool>,
    ) -> Result<Option<Descriptor>, TargetError> {
        let compresses = layer.is_plain() && !takers.iter().all(|target| target.uncompressed_only());
        let pool = pool.filter(|_| compresses);
        if let [target] = &takers[..]
            && target.asks()
        {
            return Ok(pool.is_none().then(|| layer.stored.clone()));
        }
        match pool {
            Some(pool) => self.compress(layer, pool, takers).map(Some),
            None => self.pass_on(layer, takers).map(Some),
        }
    }

    /// Writes a layer as it is stored.
    fn pass_on(&self, layer: &Layer, takers: &mut Takers<'_, '_>) -> Result<Descriptor, TargetError> {
        let mut writers = Writers::with_capacity(takers.len());
        for target in takers {
            writers.extend(target.blob(layer, Some(&layer.stored))?);
        }
        write(layer.content(self.context), &mut sinks(&mut writers))?;
        finish(writers, &layer.stored)?;
        Ok(layer.stored.clone())
    }

    fn compress(
        &self,
        layer: &Layer,
        pool: &Pool,
        takers: &mut Takers<'_, '_>,
    ) -> Result<Descriptor, TargetError> {
        let known = self.known(layer, pool.compression(), takers)?;
        let (mut plain, mut compressed) = (Writers::new(), Writers::new());
        for target in takers {
            if target.uncompressed_only() {
                plain.extend(target.blob(layer, Some(&layer.stored))?);
            } else {
                compressed.extend(target.blob(layer, known.as_ref().map(|known| &known.descriptor))?);
            }
        }
        let content = layer.content(self.context);
        let blob = match known {
            Some(known) if compressed.is_empty() => {
                write(content, &mut sinks(&mut plain))?;
                known.descriptor
            }
            known => {
                let mut sink = Fan(sinks(&mut compressed));
                CompressedContent::new(content, pool, known).compress(&mut sink, |stream| {
                    let mut all = sinks(&mut plain);
                    all.push(stream);
                    write(content, &mut all)
                })?
            }
        };
        finish(plain, &layer.stored)?;
        finish(compressed, &blob)?;
        Ok(blob)
    }

    /// The cached blob of a layer. A blob that a third party made counts only if no taker lacks it.
    fn known(
        &self,
        layer: &Layer,
        compression: Compression,
        takers: &Takers<'_, '_>,
    ) -> Result<Option<KnownBlob>, TargetError> {
        let Some(cache) = &self.context.cache else { return Ok(None) };
        let look_up = |maker| Some(KnownBlob { descriptor: cache.blob(layer.diff_id, maker)?, maker });
        let made = look_up(Maker::Here(compression));
        for known in made.iter().cloned().chain(look_up(Maker::Elsewhere(compression.codec()))) {
            // Only these would get it.
            let compressed = takers.iter().filter(|target| !target.uncompressed_only());
            if has_all(&known.descriptor, compressed)? {
                return Ok(Some(known));
            }
        }
        Ok(made)
    }

    /// Layers that no target lacks need not be read, and need not even be at hand.
    pub(super) fn leave_out(
        &self,
        drafts: &mut [LayerDraft],
        takers: &Takers<'_, '_>,
        may_be_compressed: bool,
    ) -> Result<(), TargetError> {
        let pool = self.options.pool.as_ref().filter(|_| may_be_compressed);
        let compressed = self.context.cache.as_ref().zip(pool.map(Pool::compression));
        for draft in drafts {
            let Recipe::Tarball(tarball) = &mut draft.recipe else { continue };
            let (Some(digest), Ok(codec)) = (tarball.digest, tarball.codec()) else { continue };
            let stored = Descriptor::layer(digest, tarball.size, codec);
            let is_there = match compressed {
                Some((cache, compression)) if digest == tarball.diff_id => {
                    let makers = [Maker::Here(compression), Maker::Elsewhere(compression.codec())];
                    let mut blobs = makers.into_iter().filter_map(|maker| cache.blob(digest, maker));
                    blobs.try_fold(false, |found, blob| {
                        Ok::<_, TargetError>(found || has_all(&blob, takers.iter())?)
                    })?
                }
                _ => has_all(&stored, takers.iter())?,
            };
            // With `verify` it is read, unless it was read before.
            let is_checked = self.context.diff_id(digest) == Some(tarball.diff_id) || !tarball.is_layer;
            if is_there && (is_checked || !self.context.verify) {
                tarball.source = Source::Elsewhere { path: tarball.source.path().to_owned() };
            }
        }
        Ok(())
    }
}

/// Whether none of these targets lacks a blob.
fn has_all<'r, 't: 'r>(
    blob: &Descriptor,
    targets: impl IntoIterator<Item = &'r &'r mut (dyn Target + 't)>,
) -> Result<bool, TargetError> {
    for target in targets {
        if target.missing(std::slice::from_ref(blob))?.contains(&true) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sinks<'s>(writers: &'s mut Writers<'_>) -> Vec<&'s mut dyn Sink> {
    writers.iter_mut().map(|writer| &mut **writer as &mut dyn Sink).collect()
}

/// Reads a layer once, if there is anybody to read it for.
fn write(content: LayerContent<'_>, sinks: &mut Vec<&mut dyn Sink>) -> Result<(), Error> {
    match &mut sinks[..] {
        [] => Ok(()),
        [sink] => content.write(*sink).map(drop),
        _ => content.write(&mut Fan(std::mem::take(sinks))).map(drop),
    }
}

fn finish(writers: Writers<'_>, blob: &Descriptor) -> Result<(), TargetError> {
    writers.into_iter().try_for_each(|writer| writer.finish(blob))
}

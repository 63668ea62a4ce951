//! The compressed blobs of layers, as far as they are known without compressing: from the cache, or from what
//! targets have.

use std::collections::{BTreeMap, HashMap};

use super::{Options, Takers};
use crate::cache::Maker;
use crate::compressed::{CompressedContent, KnownBlob};
use crate::compression::Pool;
use crate::content::Content;
use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::image::Image;
use crate::target::TargetError;

/// The blobs of an image's layers that are not compressed yet.
#[derive(Default)]
pub(super) struct KnownBlobs(BTreeMap<usize, KnownBlob>);

impl KnownBlobs {
    /// Finds what is known of the layers in the places that are `open`. A blob that a third party made counts only where it
    /// is there already: it cannot be made again.
    pub(super) fn find(
        context: &Context,
        image: &Image,
        open: &[usize],
        options: &Options,
        takers: &Takers<'_, '_>,
    ) -> Result<Self, TargetError> {
        let mut known = Self::default();
        let Some(compression) = options.pool.as_ref().map(Pool::compression) else { return Ok(known) };
        let diff_id = |place: usize| image.layers[place].layer.diff_id;
        let cached = |place: usize, maker| {
            let descriptor = context.cache.as_ref()?.blob(diff_id(place), maker)?;
            Some((place, KnownBlob { descriptor, maker }))
        };
        known.0.extend(open.iter().filter_map(|place| cached(*place, Maker::Here(compression))));
        let third_party = Maker::Elsewhere(compression.codec());
        let found: Vec<_> = known.unknown(open).filter_map(|place| cached(place, third_party)).collect();
        let descriptors: Vec<Descriptor> = found.iter().map(|(_, blob)| blob.descriptor.clone()).collect();
        let mut is_there = vec![true; found.len()];
        for target in takers.iter().filter(|target| target.asks()) {
            let missing = target.missing(&descriptors)?;
            is_there.iter_mut().zip(missing).for_each(|(is_there, missing)| *is_there &= !missing);
        }
        known.0.extend(
            found.into_iter().zip(is_there).filter_map(|(found, is_there)| is_there.then_some(found)),
        );
        if let [target] = takers[..].iter().filter(|target| target.asks()).collect::<Vec<_>>()[..] {
            let places: Vec<usize> = known.unknown(open).collect();
            let diff_ids: Vec<_> = places.iter().map(|place| diff_id(*place)).collect();
            let listed = if places.is_empty() {
                HashMap::new()
            } else {
                target.known_blobs(image, &diff_ids, compression, options.keeps_plain)?
            };
            for (place, diff_id) in places.into_iter().zip(diff_ids) {
                let found = listed.get(&diff_id).cloned();
                let blob = found.map(|descriptor| KnownBlob { descriptor, maker: third_party });
                known.0.extend(blob.map(|blob| (place, blob)));
            }
        }
        Ok(known)
    }

    fn unknown(&self, open: &[usize]) -> impl Iterator<Item = usize> {
        open.iter().copied().filter(|place| !self.0.contains_key(place))
    }

    /// Whether nothing is unknown of these places.
    pub(super) fn is_complete(&self, open: &[usize]) -> bool {
        self.unknown(open).next().is_none()
    }

    /// The blobs that the layers at these places will have.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (usize, Descriptor)> {
        self.0.iter().map(|(place, known)| (*place, known.descriptor.clone()))
    }

    /// The contents of an image's layers, and its config. `open` are the places of layers that are compressed when they are
    /// asked for, even if it is not known what they will be.
    pub(super) fn contents<'i>(
        &self,
        context: &'i Context,
        image: &'i Image,
        open: &[usize],
        pool: Option<&'i Pool>,
    ) -> Vec<Box<dyn Content + 'i>> {
        let mut contents: Vec<Box<dyn Content + 'i>> = Vec::with_capacity(image.layers.len() + 1);
        for (place, one) in image.layers.iter().enumerate() {
            let plain = one.layer.content(context).hashed();
            let is_made = !one.descriptor.is_same_blob(&one.layer.stored);
            let stays_plain = |known: &KnownBlob| known.descriptor.is_same_blob(&one.layer.stored);
            let is_plain = self.0.get(&place).is_some_and(stays_plain);
            let is_compressed = is_made || open.contains(&place) && !is_plain;
            contents.push(match pool.filter(|_| is_compressed) {
                None => Box::new(plain),
                Some(pool) => {
                    let maker = Maker::Here(pool.compression());
                    let made = || KnownBlob { descriptor: one.descriptor.clone(), maker };
                    let known = self.0.get(&place).cloned().or_else(|| is_made.then(made));
                    Box::new(CompressedContent::new(plain, pool, known))
                }
            });
        }
        contents.push(Box::new(image.config.clone()));
        contents
    }
}

//! What layers are in a registry once compressed, learnt from images that it has.

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;

use strake_image::cache::Maker;
use strake_image::recipe::Recipe;
use strake_image::{Codec, Context, Descriptor, Digest, LayerDraft, Platform, PlatformPick};

use crate::error::RemoteError;
use crate::pull;
use crate::reference::Reference;
use crate::repository::Repository;

/// How many layers are fetched at the same time to check them.
const CHECKS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Images to learn from.
pub(crate) struct Lessons<'l> {
    pub(crate) context: &'l Context,
    pub(crate) repository: &'l Arc<Repository>,
    pub(crate) reference: &'l Reference,
    /// Their tags.
    pub(crate) tags: Vec<&'l str>,
    /// Their architecture, by Go's name for it.
    pub(crate) architecture: String,
}

impl Lessons<'_> {
    /// The compressed blobs of these layers, as far as the images list them and the registry has them.
    ///
    /// That a listed blob is the layer that stands in the same place of its image's config is believed, unless strake has computed
    /// another diff id from it, or, with [`Context::verify`], checked: only then it is cached.
    pub(crate) fn known_blobs(
        &self,
        diff_ids: &[Digest],
        codec: Codec,
    ) -> Result<HashMap<Digest, Descriptor>, RemoteError> {
        let mut known = HashMap::new();
        for tag in &self.tags {
            let left: Vec<Digest> = diff_ids.iter().filter(|id| !known.contains_key(*id)).copied().collect();
            if left.is_empty() {
                break;
            }
            let mut listed = self.listed(tag, codec);
            listed.retain(|diff_id, _| left.contains(diff_id));
            if self.context.verify {
                listed = checked(self.context, listed);
                for (diff_id, (_, blob)) in &listed {
                    let cache = self.context.cache.as_ref();
                    // If it cannot be cached, it will be learnt again.
                    let _ = cache.map(|cache| cache.put_blob(*diff_id, Maker::Elsewhere(codec), blob));
                }
            }
            let blobs: Vec<Descriptor> = listed.values().map(|(_, blob)| blob.clone()).collect();
            let there = self.repository.which_are_there(&blobs)?;
            let blobs = listed.into_iter().map(|(diff_id, (_, blob))| (diff_id, blob));
            known.extend(blobs.filter(|(_, blob)| there.contains(&blob.digest)));
        }
        Ok(known)
    }

    /// The compressed layers of the image under this tag. None if there is no such image, or if it cannot be fetched: this
    /// only saves work.
    fn listed(&self, tag: &str, wanted: Codec) -> Listed {
        let reference = Reference { tag: Some(tag.to_owned()), digest: None, ..self.reference.clone() };
        let platform = PlatformPick::Preferred(Platform::linux(&self.architecture));
        let opened = pull::open(self.repository.clone(), &reference, &platform);
        let layers = opened.map(|image| image.layers).unwrap_or_default();
        let with_blob = |layer: LayerDraft| {
            let Recipe::Tarball(tarball) = &layer.recipe else { return None };
            let codec = tarball.codec().ok()?.filter(|codec| *codec == wanted)?;
            let blob = Descriptor::layer(tarball.digest?, tarball.size, Some(codec));
            let computed = self.context.diff_id(blob.digest);
            computed.is_none_or(|computed| computed == tarball.diff_id).then_some(())?;
            Some((tarball.diff_id, (layer, blob)))
        };
        layers.into_iter().filter_map(with_blob).collect()
    }
}

/// Layers with what they are in a registry, by diff ids.
type Listed = HashMap<Digest, (LayerDraft, Descriptor)>;

/// Those that are what they are listed as: each is fetched and decompressed.
fn checked(context: &Context, listed: Listed) -> Listed {
    let (cache, progress) = (None, Arc::default());
    let context = Context { cache, jobs: CHECKS, verify: true, progress, ..context.clone() };
    let mut right = Listed::new();
    let (drafts, blobs): (Vec<_>, Vec<_>) = listed.into_values().unzip();
    let mut blobs = blobs.into_iter();
    let Ok(()) = context.describe_each(drafts, |layer| {
        let blob = blobs.next();
        // One that is not is left out: what it should be is made here.
        if let (Ok(layer), Some(blob)) = (layer, blob) {
            right.insert(layer.diff_id, (layer.draft, blob));
        }
        Ok::<(), Infallible>(())
    });
    right
}

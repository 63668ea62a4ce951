//! The compressed blobs of layers in a registry, learnt from images that it has.
//!
//! The images under the tags that are pushed are looked at first, with the one that the user names. If they do not tell all, the
//! registry is asked for its tags, and a few images are looked at that are likely to have the same layers: `latest`, `main`,
//! `master`, and those with the newest tags. So the number of requests is bounded, whatever the registry has.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;

use strake_image::cache::Maker;
use strake_image::manifest::Listed as Manifest;
use strake_image::parsed::OpenError;
use strake_image::recipe::Recipe;
use strake_image::{Codec, Context, Descriptor, Digest, LayerDraft, Platform, PlatformPick};

use crate::error::RemoteError;
use crate::newest::newest_first;
use crate::pull;
use crate::reference::Reference;
use crate::repository::Repository;

/// How many layers are fetched at the same time to check them.
const CHECKS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Tags that usually name the newest image, looked at before all others.
const USUAL: [&str; 3] = ["latest", "main", "master"];

/// Maximum number of images that are read without being named. Each takes two requests, or three if an index lists it.
const LOOKS: usize = 4;

/// How many pages of the list of tags are fetched for that.
const PAGES: usize = 4;

/// Images to learn from.
pub(crate) struct Lessons<'l> {
    pub(crate) context: &'l Context,
    pub(crate) repository: &'l Arc<Repository>,
    pub(crate) reference: &'l Reference,
    /// The tags that are pushed, and the one that the user names.
    pub(crate) tags: Vec<&'l str>,
    /// Their architecture, by Go's name for it.
    pub(crate) architecture: String,
    /// How layers are to be compressed.
    pub(crate) codec: Codec,
    /// Whether one that is listed uncompressed will do.
    pub(crate) plain_too: bool,
}

impl Lessons<'_> {
    /// The blobs of these layers, as far as the images list them and the registry has them.
    ///
    /// That a listed blob is the layer that stands in the same place of its image's config is believed, unless strake has computed
    /// another diff id from it, or, with [`Context::verify`], checked: only then it is cached.
    pub(crate) fn known_blobs(
        &self,
        diff_ids: &[Digest],
    ) -> Result<HashMap<Digest, Descriptor>, RemoteError> {
        let (mut known, mut seen) = (HashMap::new(), HashSet::new());
        let named: Vec<String> = self.tags.iter().map(ToString::to_string).collect();
        // One by itself first: wrong credentials are shown once, not as often as there are tags, since accounts get locked.
        let (first, others) = named.split_at(named.len().min(1));
        self.learn(first, diff_ids, &mut seen, &mut known)?;
        self.learn(others, diff_ids, &mut seen, &mut known)?;
        if diff_ids.iter().any(|id| !known.contains_key(id)) {
            self.learn(&self.likely(), diff_ids, &mut seen, &mut known)?;
        }
        Ok(known)
    }

    /// Looks at the images under these tags, all at once. The first one takes precedence.
    fn learn(
        &self,
        tags: &[String],
        diff_ids: &[Digest],
        seen: &mut HashSet<Digest>,
        known: &mut HashMap<Digest, Descriptor>,
    ) -> Result<(), RemoteError> {
        let manifests = at_once(tags, |tag| self.manifest(tag)).into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut manifests: Vec<Manifest> = manifests.into_iter().flatten().collect();
        // Several tags may name one image.
        manifests.retain(|manifest| seen.insert(manifest.descriptor.digest));
        for mut listed in at_once(&manifests, |manifest| self.listed(manifest)) {
            listed.retain(|diff_id, _| diff_ids.contains(diff_id) && !known.contains_key(diff_id));
            if self.context.verify {
                listed = checked(self.context, listed);
                for (diff_id, (_, blob)) in &listed {
                    let cache = self.context.cache.as_ref().zip(blob.codec());
                    // If it cannot be cached, it will be learnt again.
                    let _ =
                        cache.map(|(cache, codec)| cache.put_blob(*diff_id, Maker::Elsewhere(codec), blob));
                }
            }
            let blobs: Vec<Descriptor> = listed.values().map(|(_, blob)| blob.clone()).collect();
            let there = self.repository.which_are_there(&blobs)?;
            let blobs = listed.into_iter().map(|(diff_id, (_, blob))| (diff_id, blob));
            known.extend(blobs.filter(|(_, blob)| there.contains(&blob.digest)));
        }
        Ok(())
    }

    /// The tags of images that may have the same layers, besides those that were named.
    fn likely(&self) -> Vec<String> {
        // A repository that is not there yet has none. Where tags cannot be listed, or not all of them, the usual ones are tried.
        let (all, is_whole) = match self.repository.tags(PAGES) {
            Ok(None) => return Vec::new(),
            Ok(Some(tags)) => (tags.names, tags.is_whole),
            Err(_) => (Vec::new(), false),
        };
        let usual = USUAL.iter().map(ToString::to_string).filter(|tag| !is_whole || all.contains(tag));
        let mut likely: Vec<String> = usual.collect();
        likely.extend(newest_first(all).into_iter().filter(|tag| !USUAL.contains(&&**tag)));
        likely.retain(|tag| !self.tags.contains(&&**tag));
        likely.truncate(LOOKS);
        likely
    }

    /// The manifest or index under this tag. None if there is no such image, or if it cannot be fetched: this only saves work.
    ///
    /// # Errors
    ///
    /// The registry does not know who asks.
    fn manifest(&self, tag: &str) -> Result<Option<Manifest>, RemoteError> {
        let reference = Reference { tag: Some(tag.to_owned()), digest: None, ..self.reference.clone() };
        match pull::find(self.repository, &reference) {
            Err(OpenError::Fetch(error)) => match error.downcast::<RemoteError>() {
                Ok(error) if matches!(*error, RemoteError::Denied { status: 401, .. }) => Err(*error),
                _ => Ok(None),
            },
            found => Ok(found.ok()),
        }
    }

    /// The layers of an image.
    fn listed(&self, manifest: &Manifest) -> Listed {
        let platform = PlatformPick::Preferred(Platform::linux(&self.architecture));
        let opened = pull::open_found(self.repository.clone(), manifest.clone(), &platform);
        let layers = opened.map(|image| image.layers).unwrap_or_default();
        let with_blob = |layer: LayerDraft| {
            let Recipe::Tarball(tarball) = &layer.recipe else { return None };
            let (digest, codec) = (tarball.digest?, tarball.codec().ok()?);
            let is_wanted = match codec {
                Some(codec) => codec == self.codec,
                None => self.plain_too && digest == tarball.diff_id,
            };
            let blob = Descriptor::layer(digest, tarball.size, codec);
            let computed = self.context.diff_id(blob.digest);
            let is_believed = computed.is_none_or(|computed| computed == tarball.diff_id);
            let diff_id = tarball.diff_id;
            (is_wanted && is_believed).then_some((diff_id, (layer, blob)))
        };
        layers.into_iter().filter_map(with_blob).collect()
    }
}

/// Layers with what they are in a registry, by diff ids.
type Listed = HashMap<Digest, (LayerDraft, Descriptor)>;

/// Does this for all items, a thread each. Returns the results in their order.
fn at_once<I: Sync, R: Send>(items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, R>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

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

//! Computes the digests of layers on all cores, ahead of the code that takes the layers.
//!
//! Each worker takes the next layer in order: it looks at the layer's files and, unless the cache has a digest
//! for just these files, reads and hashes them. The layers are handed over in order, so while the first is written
//! the next are hashed. The results are joined by their place, never by the order in which they finish.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::cache::Cache;
use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::draft::{Contents, Description, Draft, LayerDraft, Origin, PackedPath, summary};
use crate::error::Error;
use crate::image::{Image, ImageLayer};
use crate::layer::Layer;
use crate::python::json::JsonError;
use crate::recipe::Depth;
use crate::sha256::Lanes;
use crate::sink::Watch;
use crate::survey::Survey;
use crate::tree::Listings;

/// The number of packages that a layer's title names.
const TITLE_NAMES: usize = 3;

/// The maximum number of layers that each worker may be ahead of the one that is taken: their surveys take memory.
const AHEAD: usize = 8;

/// The maximum size of directories' names that are kept for writing the layers, of all layers together, in bytes.
const NAMES_KEPT: usize = 8 * 1024 * 1024;

/// Why an image cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// A layer cannot be read.
    #[error(transparent)]
    Layer(#[from] Error),
    /// The image's config cannot be written as JSON.
    #[error("cannot write the image's config")]
    Config(#[from] JsonError),
}

/// The data that the workers and the receiver share.
struct Shared {
    next: AtomicUsize,
    /// A time at which nothing had been read yet: files changed after it are not cached.
    started: SystemTime,
    cancelled: AtomicBool,
    lanes: Lanes,
    /// Bytes of directories' names that are kept, or would be if there were room.
    names: AtomicUsize,
    state: Mutex<Results>,
    changed: Condvar,
}

struct Results {
    taken: usize,
    done: Vec<Option<Result<Layer, Error>>>,
}

impl Context {
    /// Describes the layers and hands each to `take`, in order. Stops at the first failure, and returns it.
    pub fn describe<E: From<Error>>(
        &self,
        drafts: Vec<LayerDraft>,
        mut take: impl FnMut(Layer) -> Result<(), E>,
    ) -> Result<(), E> {
        self.describe_each(drafts, |layer| take(layer?))
    }

    /// Describes the layers. Stops at the first failure, and returns it.
    pub fn describe_all(&self, drafts: Vec<LayerDraft>) -> Result<Vec<Layer>, Error> {
        let mut layers = Vec::with_capacity(drafts.len());
        self.describe(drafts, |layer| {
            layers.push(layer);
            Ok::<(), Error>(())
        })?;
        Ok(layers)
    }

    /// Describes an image: hashes its layers, or finds their digests in the cache.
    pub fn describe_image(&self, draft: Draft) -> Result<Image, DescribeError> {
        let layers = self.describe_all(draft.layers)?;
        Ok(Image::new(layers.into_iter().map(ImageLayer::as_it_is).collect(), draft.about)?)
    }

    /// The same where a layer that fails is no reason to stop.
    pub fn describe_each<E>(
        &self,
        drafts: Vec<LayerDraft>,
        mut take: impl FnMut(Result<Layer, Error>) -> Result<(), E>,
    ) -> Result<(), E> {
        let count = drafts.len();
        let drafts: Vec<_> = drafts.into_iter().map(|draft| Mutex::new(Some(draft))).collect();
        let shared = Shared {
            next: AtomicUsize::new(0),
            started: (self.clock)(),
            cancelled: AtomicBool::new(false),
            lanes: Lanes::default(),
            names: AtomicUsize::new(0),
            state: Mutex::new(Results { taken: 0, done: (0..count).map(|_| None).collect() }),
            changed: Condvar::new(),
        };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.get().min(count) {
                scope.spawn(|| self.work(&drafts, &shared));
            }
            // Also when `take` panics the workers must not be waited for in vain.
            let _cancel = Cancel(&shared);
            for index in 0..count {
                take(shared.take(index))?;
            }
            Ok(())
        })
    }

    fn work(&self, drafts: &[Mutex<Option<LayerDraft>>], shared: &Shared) {
        let ahead = AHEAD * self.jobs.get();
        loop {
            let index = shared.next.fetch_add(1, Ordering::Relaxed);
            let Some(draft) = drafts.get(index) else { return };
            if !shared.may_begin(index, ahead) {
                return;
            }
            let draft = lock(draft).take().expect("each layer is taken once");
            let result = self.describe_one(draft, shared);
            lock(&shared.state).done[index] = Some(result);
            shared.changed.notify_all();
        }
    }

    fn describe_one(&self, draft: LayerDraft, shared: &Shared) -> Result<Layer, Error> {
        if let Some((digest, survey)) = draft.recipe.believed().filter(|_| !self.verify) {
            let computed = self.diff_id(digest).filter(|_| draft.recipe.is_layer());
            let layer = layer(draft, digest, survey)?;
            return match computed.filter(|found| *found != layer.diff_id) {
                Some(found) => Err(layer.other_diff_id(found)),
                None => {
                    Ok(Layer { is_checked: computed.is_some() || !layer.draft.recipe.is_layer(), ..layer })
                }
            };
        }
        let key = draft.recipe.key();
        let trusted = !self.verify || draft.recipe.packs();
        if let Some(known) = self.cache.as_ref().filter(|_| trusted).and_then(|cache| cache.get(key)) {
            let survey = draft.recipe.survey()?;
            if survey.fingerprint == known.fingerprint && survey.size == known.size {
                return Ok(Layer {
                    is_cached: true,
                    settled: true,
                    ..checked(draft, known.digest, shared.bounded(survey))?
                });
            }
        }
        if let Some(described) = draft.described.filter(|_| !self.verify && draft.recipe.packs()) {
            return Ok(layer_as_described(draft, described));
        }
        let Shared { cancelled, lanes, .. } = shared;
        let watch = Watch { progress: &self.progress.hashed, cancelled, lanes };
        let depth = if self.verify { Depth::Members } else { Depth::Content };
        let (digest, survey) = draft.recipe.digest(watch, depth)?;
        let settled = survey.settled_at <= shared.started;
        let cache = self.cache.as_ref().filter(|_| settled);
        let layer = checked(draft, digest, shared.bounded(survey))?;
        if !layer.is_plain() && layer.is_checked {
            self.computed(digest, layer.diff_id);
        }
        let survey = layer.survey.as_ref();
        let put = |cache: &Cache| cache.put(key, digest, survey?, &layer.title).err();
        let not_cached = cache.and_then(put);
        Ok(Layer { not_cached, settled, ..layer })
    }
}

/// A draft and what was found out about it, which must be what it was described as.
fn checked(draft: LayerDraft, digest: Digest, survey: Survey) -> Result<Layer, Error> {
    let found = Description { diff_id: digest, size: survey.size };
    match draft.described {
        Some(described) if draft.recipe.packs() && described != found => {
            let path = draft.recipe.place().to_owned();
            Err(Error::Digest { path, expected: described.diff_id, found: digest })
        }
        _ => layer(draft, digest, survey),
    }
}

/// A layer of which nothing is known but its description.
fn layer_as_described(draft: LayerDraft, described: Description) -> Layer {
    Layer {
        diff_id: described.diff_id,
        stored: Descriptor::layer(described.diff_id, described.size, None),
        title: title(&draft),
        is_cached: true,
        not_cached: None,
        settled: false,
        is_checked: true,
        key: draft.recipe.key(),
        survey: None,
        proven: OnceLock::new(),
        draft,
    }
}

/// A draft and what was found out about it.
fn layer(mut draft: LayerDraft, digest: Digest, survey: Survey) -> Result<Layer, Error> {
    let diff_id = draft.recipe.claimed_diff_id().unwrap_or(digest);
    let codec = if digest == diff_id { None } else { draft.recipe.codec()? };
    if let Contents::StorePaths(paths) = &mut draft.contents
        && draft.recipe.packs()
    {
        for (packed, size) in paths.iter_mut().zip(survey.weights()) {
            packed.size = Some(size);
        }
    }
    Ok(Layer {
        diff_id,
        stored: Descriptor::layer(digest, survey.size, codec),
        title: title(&draft),
        is_cached: false,
        not_cached: None,
        settled: false,
        is_checked: !draft.recipe.is_elsewhere(),
        key: draft.recipe.key(),
        survey: Some(survey),
        proven: OnceLock::new(),
        draft,
    })
}

impl Shared {
    /// A survey with the names that were listed in it if there is room for them.
    fn bounded(&self, survey: Survey) -> Survey {
        let size = survey.listings.size();
        let room = NAMES_KEPT.saturating_sub(self.names.fetch_add(size, Ordering::Relaxed));
        if size <= room { survey } else { Survey { listings: Listings::default(), ..survey } }
    }

    /// Waits for a layer.
    fn take(&self, index: usize) -> Result<Layer, Error> {
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = state.done[index].take() {
                state.taken = index + 1;
                drop(state);
                self.changed.notify_all();
                return result;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until the layer is near enough to the one that is taken. `false`: it is not wanted any more.
    fn may_begin(&self, index: usize, ahead: usize) -> bool {
        let mut state = lock(&self.state);
        while index >= state.taken + ahead && !self.cancelled.load(Ordering::Relaxed) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !self.cancelled.load(Ordering::Relaxed)
    }
}

/// Tells the workers to stop when the taker does, for whatever reason.
struct Cancel<'a>(&'a Shared);

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        let _state = lock(&self.0.state);
        self.0.cancelled.store(true, Ordering::Relaxed);
        self.0.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of the layer's largest packages, or what else it is. Without sizes the first count as the largest.
fn title(draft: &LayerDraft) -> String {
    let paths = match (&draft.contents, draft.origin) {
        (Contents::StorePaths(paths), Origin::Store) if draft.recipe.packs() => paths,
        (_, Origin::Base) => return "base image".to_owned(),
        (_, Origin::Customisation) => return "customisation".to_owned(),
        (contents, Origin::Copied | Origin::Store) => return summary(&contents.names()),
    };
    let mut packages: Vec<&PackedPath> = paths.iter().collect();
    packages.sort_by_key(|packed| std::cmp::Reverse(packed.size));
    let mut names: Vec<_> = packages.iter().take(TITLE_NAMES).map(|packed| packed.path.name()).collect();
    let more = format!("{} more", packages.len().saturating_sub(TITLE_NAMES));
    if packages.len() > TITLE_NAMES {
        names.push(&more);
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::num::NonZeroUsize;

    use strake_plan::StoreDir;

    use super::*;
    use crate::recipe::{Owner, Recipe, StorePaths};
    use crate::store::Store;

    #[test]
    fn names_of_all_layers_together_are_bounded() {
        let root = tempfile::tempdir().unwrap();
        let dir = StoreDir::parse("/store").unwrap();
        let store = std::sync::Arc::new(Store::new(dir.clone(), root.path()));
        let owner = Owner { uid: 0, gid: 0, uname: String::new(), gname: String::new() };
        let draft = |layer: usize| {
            let path = dir.store_path(&format!("/store/{layer:032}-names")).unwrap();
            let directory = root.path().join(&path.as_str()[1..]);
            fs::create_dir_all(&directory).unwrap();
            (0..1900).for_each(|file| drop(File::create(directory.join(format!("{file:0240}"))).unwrap()));
            let (paths, nar_hashes) = (vec![path], Vec::new());
            let paths =
                StorePaths { store: store.clone(), paths, nar_hashes, owner: owner.clone(), mtime: 1 };
            LayerDraft::new(Recipe::StorePaths(paths), Origin::Store, Contents::History(Vec::new()))
        };
        let jobs = NonZeroUsize::new(3).unwrap();
        let context = Context { jobs, ..Context::new(Store::clone(&store), SystemTime::now) };
        let layers = context.describe_all((0..20).map(draft).collect()).unwrap();
        let sizes = layers.iter().map(|layer| layer.survey.as_ref().unwrap().listings.size());
        let kept: Vec<_> = sizes.filter(|size| *size > 0).collect();
        assert!((10..20).contains(&kept.len()), "{kept:?}");
        assert!(kept.iter().sum::<usize>() <= NAMES_KEPT, "{kept:?}");
    }
}

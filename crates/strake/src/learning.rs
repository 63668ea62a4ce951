//! What layers are when they are compressed, as far as that is known without compressing them: remembered, or learnt from
//! an image that a registry has.

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use strake_image::blob::Blob;
use strake_image::cache::Maker;
use strake_image::codec::Codec;
use strake_image::compression::Pool;
use strake_image::delivery::Delivery;
use strake_image::digest::Digest;
use strake_image::draft::LayerDraft;
use strake_image::engine::Engine;
use strake_image::image::Image;
use strake_image::manifest::Platform;
use strake_image::recipe::Recipe;
use strake_remote::{Reference, Repository};

use crate::failure::Failure;

/// So many layers are fetched at the same time to see whether they are what is said of them.
const CHECKS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// What each layer will be in the registry. The images under `tags` there are learnt from.
///
/// That a listed blob is the layer that stands in the same place of its image's config is believed, or, with
/// [`Delivery::verify`], seen to: only then it is remembered.
pub(crate) fn known_blobs(
    delivery: &Delivery<'_>,
    image: &Image,
    repository: &Arc<Repository>,
    named: &Reference,
    tags: &[&str],
) -> Result<Vec<Option<Blob>>, Failure> {
    let mut known: Vec<Option<Blob>> = image.blobs.iter().copied().map(Some).collect();
    let Some(compression) = delivery.pool.map(Pool::compression) else { return Ok(known) };
    let (codec, elsewhere) = (compression.codec(), Maker::Elsewhere(compression.codec()));
    // What was not compressed for another destination.
    let is_open =
        |place: usize| image.layers[place].is_plain() && image.blobs[place] == image.layers[place].blob;
    let open: Vec<usize> = (0..known.len()).filter(|place| is_open(*place)).collect();
    let remembered = |place: usize, maker| delivery.cache?.blob(image.layers[place].diff_id, maker);
    for &place in &open {
        known[place] = remembered(place, Maker::Here(compression));
    }
    // What others have made counts only where it is: it cannot be made again.
    let take_those_there = |known: &mut Vec<Option<Blob>>, found: Vec<(usize, Blob)>| {
        let blobs: Vec<_> = found.iter().map(|(_, blob)| (blob.digest, blob.size)).collect();
        let there = repository.which_are_there(&blobs)?;
        for (place, blob) in found.into_iter().filter(|(_, blob)| there.contains(&blob.digest)) {
            known[place] = Some(blob);
        }
        Ok::<(), Failure>(())
    };
    let missing =
        |known: &[Option<Blob>]| open.iter().copied().filter(|place| known[*place].is_none()).collect();
    let places: Vec<usize> = missing(&known);
    let others = places.iter().filter_map(|place| Some((*place, remembered(*place, elsewhere)?))).collect();
    take_those_there(&mut known, others)?;
    for tag in tags {
        let places: Vec<usize> = missing(&known);
        if places.is_empty() {
            break;
        }
        let mut listed = listed(repository, named, tag, &image.architecture(), codec);
        if delivery.verify {
            listed.retain(|diff_id, _| places.iter().any(|place| image.layers[*place].diff_id == *diff_id));
            listed = checked(listed);
        }
        let blob = |place: usize| Some((place, listed.get(&image.layers[place].diff_id)?.1));
        let found: Vec<(usize, Blob)> = places.into_iter().filter_map(blob).collect();
        if let Some(cache) = delivery.cache.filter(|_| delivery.verify) {
            for (place, blob) in &found {
                // If it cannot be remembered, it will be learnt again.
                let _ = cache.remember_blob(image.layers[*place].diff_id, elsewhere, blob);
            }
        }
        take_those_there(&mut known, found)?;
    }
    Ok(known)
}

/// Layers with what they are in a registry, by diff ids.
type Listed = HashMap<Digest, (LayerDraft, Blob)>;

/// The compressed layers of the image under this tag. None where there is no such image, or where it cannot be had: this
/// only saves work.
fn listed(
    repository: &Arc<Repository>,
    named: &Reference,
    tag: &str,
    architecture: &str,
    wanted: Codec,
) -> Listed {
    let reference = Reference { tag: Some(tag.to_owned()), digest: None, ..named.clone() };
    let opened = strake_remote::open(repository.clone(), &reference, &Platform::linux(architecture));
    let layers = opened.map(|image| image.layers).unwrap_or_default();
    let with_blob = |layer: LayerDraft| {
        let Recipe::Tarball(tarball) = &layer.recipe else { return None };
        let codec = tarball.codec().ok()?.filter(|codec| *codec == wanted)?;
        let blob = Blob { digest: tarball.digest?, size: tarball.size, codec: Some(codec) };
        Some((tarball.diff_id, (layer, blob)))
    };
    layers.into_iter().filter_map(with_blob).collect()
}

/// Those that are what is said of them: each is fetched and decompressed.
fn checked(listed: Listed) -> Listed {
    let engine = Engine {
        cache: None,
        jobs: CHECKS,
        verify: true,
        started: SystemTime::UNIX_EPOCH,
        digested: &AtomicU64::new(0),
    };
    let mut right = Listed::new();
    let (drafts, blobs): (Vec<_>, Vec<_>) = listed.into_values().unzip();
    let mut blobs = blobs.into_iter();
    let Ok(()) = engine.describe_each(drafts, |layer| {
        let blob = blobs.next();
        // One that is not is left out: what it should be is made here.
        if let (Ok(layer), Some(blob)) = (layer, blob) {
            right.insert(layer.diff_id, (layer.draft, blob));
        }
        Ok::<(), Infallible>(())
    });
    right
}

//! Images into registries, as `strake copy` does it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use strake_image::blob::Blob;
use strake_image::cache::Maker;
use strake_image::compression::Pool;
use strake_image::delivery::Delivery;
use strake_image::digest::Digest;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::layer::Layer;
use strake_image::manifest::{Listing, Manifest, Platform};
use strake_image::recipe::Recipe;
use strake_image::sink::{Counted, Sink};
use strake_image::store::Store;
use strake_remote::{Along, Content, Event, Outcome, Part, Push, Reference, RemoteError, Repository};

use crate::failure::Failure;
use crate::place::{Place, Target};
use crate::registry::Registries;
use crate::report::{Missing, Reporter};
use crate::several::{Several, listed};

/// A repository that an image goes to.
pub(crate) struct Goal {
    repository: Arc<Repository>,
    /// As the user named the first of them.
    reference: Reference,
    tags: Vec<String>,
    /// What the manifest must be.
    digest: Option<Digest>,
    /// What was sent while it was written to other places.
    pub(crate) sent: HashSet<Digest>,
}

/// How images are pushed.
#[derive(Clone, Copy)]
pub(crate) struct Pushing<'p> {
    pub(crate) delivery: Delivery<'p>,
    pub(crate) listing: &'p Listing,
    /// Counts the bytes that are sent.
    pub(crate) sent: &'p AtomicU64,
    /// The tag to learn from what layers are when they are compressed, besides those that the image gets.
    pub(crate) previous: Option<&'p str>,
}

/// The repositories among the targets, each with all its tags. Each is asked whether it is there.
pub(crate) fn goals(targets: &[Target], registries: &Registries) -> Result<Vec<Goal>, Failure> {
    let mut goals: Vec<Goal> = Vec::new();
    for target in targets {
        let Target::Place(Place::Registry(reference)) = target else { continue };
        let same = |goal: &Goal| {
            (&goal.reference.host, &goal.reference.repository) == (&reference.host, &reference.repository)
        };
        let place = goals.iter().position(same).unwrap_or(goals.len());
        if place == goals.len() {
            let repository = registries.repository(reference)?;
            let (reference, tags, sent) = (reference.clone(), Vec::new(), HashSet::new());
            goals.push(Goal { repository, reference, tags, digest: None, sent });
        }
        let goal = &mut goals[place];
        if let Some(tag) =
            reference.tag_or_default().filter(|tag| !goal.tags.iter().any(|known| known == tag))
        {
            goal.tags.push(tag.to_owned());
        }
        goal.digest = reference.digest.or(goal.digest);
    }
    Ok(goals)
}

impl Goal {
    /// Sends layers there while they are written to other places.
    pub(crate) fn along<'p>(&self, progress: &'p AtomicU64) -> Along<'p> {
        Along::new(self.repository.clone(), progress)
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        Place::Registry(self.reference.clone()).to_string()
    }

    /// The repository of the same registry that a layer comes from.
    fn mount_from(&self, layer: &Layer) -> Option<String> {
        let (host, name) = layer.draft.recipe.repository()?;
        (host == self.repository.host()).then(|| name.to_owned())
    }

    /// What the layers of the image under this tag are, by their diff ids. Nothing where there is no such image, or where it
    /// cannot be had: this only saves work.
    fn listed(&self, tag: &str, architecture: &str) -> HashMap<Digest, Blob> {
        let reference = Reference { tag: Some(tag.to_owned()), digest: None, ..self.reference.clone() };
        let Ok(image) =
            strake_remote::open(self.repository.clone(), &reference, &Platform::linux(architecture))
        else {
            return HashMap::new();
        };
        let blob = |recipe: &Recipe| {
            let Recipe::Tarball(tarball) = recipe else { return None };
            let codec = tarball.codec().ok()?;
            Some((tarball.diff_id, Blob { digest: tarball.digest?, size: tarball.size, codec }))
        };
        image.layers.iter().filter_map(|layer| blob(&layer.recipe)).collect()
    }
}

/// A layer as something that can be uploaded.
struct LayerContent<'l> {
    layer: &'l Layer,
    /// What the registry was told that it is, if it was told.
    promised: Option<Blob>,
    pushing: Pushing<'l>,
}

impl LayerContent<'_> {
    /// The layer as it is.
    fn part(&self, goal: &Goal) -> Part<'_> {
        let blob = self.layer.blob;
        let known = Some((blob.digest, blob.size));
        Part { known, weight: blob.size, content: self, mount_from: goal.mount_from(self.layer) }
    }
}

impl Content for LayerContent<'_> {
    fn write(&self, sink: &mut dyn Sink) -> Result<(Digest, u64), Error> {
        let Pushing { delivery, sent, .. } = self.pushing;
        // What was digested a moment ago is held against its files; what was remembered is digested on its way.
        let delivery = Delivery { verify: delivery.verify || self.layer.remembered, ..delivery };
        let written = delivery.write_blob(self.layer, &mut Counted::new(sink, sent));
        if let (Err(Error::Changed { .. } | Error::Digest { .. }), Some(cache)) = (&written, delivery.cache) {
            cache.remove(self.layer.key());
        }
        let blob = written?;
        // What others have compressed can be named, but not made again.
        if let Some(promised) = self.promised.filter(|promised| promised.digest != blob.digest) {
            if let (Some(cache), Some(codec)) = (delivery.cache, promised.codec) {
                cache.forget_blob(self.layer.diff_id, Maker::Elsewhere(codec));
            }
            return Err(Error::Recompressed { expected: promised.digest, found: blob.digest });
        }
        Ok((blob.digest, blob.size))
    }
}

impl Pushing<'_> {
    /// Pushes images, and returns the digest of what lists them. With `dry_run` it only says what would be sent.
    pub(crate) fn push(
        self,
        goal: &Goal,
        images: &[(Image, Store)],
        several: Option<&Several>,
        companions: &[Layer],
        reporter: &Reporter,
        dry_run: bool,
    ) -> Result<Digest, Failure> {
        let of = |store| Pushing { delivery: Delivery { store, ..self.delivery }, ..self };
        if let (None, [(image, store)]) = (several, images) {
            let pushed = of(store).push_image(goal, image, &goal.tags, goal.digest, reporter, dry_run)?;
            return Ok(pushed.map_or(image.id(), |manifest| manifest.digest()));
        }
        let mut manifests = Vec::with_capacity(images.len());
        for (image, store) in images {
            manifests.extend(of(store).push_image(goal, image, &[], None, reporter, dry_run)?);
        }
        if manifests.len() < images.len() {
            // What is not made is not known. It will be said when it is.
            return Ok(images[0].0.id());
        }
        let (inside, top) = listed(several, images, &manifests, self.listing.format)?;
        goal.digest.map_or(Ok(()), |expected| matches(expected, &top))?;
        let as_they_are = Pushing { delivery: Delivery { pool: None, ..self.delivery }, ..self };
        let contents: Vec<LayerContent<'_>> = companions
            .iter()
            .map(|layer| LayerContent { layer, promised: None, pushing: as_they_are })
            .collect();
        let parts: Vec<Part<'_>> = contents.iter().map(|content| content.part(goal)).collect();
        let title = |part: usize| companions.get(part).map_or("", |layer| layer.title.as_str());
        let report = |event: Event| reporter.blob(&goal.name(), &event, title(event.part));
        let beside = Push { repository: &goal.repository, tags: &[], report: &report };
        let push = Push { tags: &goal.tags, ..beside };
        if dry_run {
            let preview = push.preview(&[], Some(&top))?;
            reporter.would_send(&goal.name(), preview.is_there, &[]);
            return Ok(top.digest());
        }
        if let Some((first, others)) = inside.split_first() {
            beside.run(&parts, |_| Ok(first.clone()))?;
            others.iter().try_for_each(|manifest| beside.run(&[], |_| Ok(manifest.clone())).map(drop))?;
        }
        push.run(&[], |_| Ok(top.clone()))?;
        Ok(top.digest())
    }

    /// Pushes an image under these tags, and returns its manifest. With `dry_run` that is only known where nothing would have
    /// to be compressed for it.
    fn push_image(
        self,
        goal: &Goal,
        image: &Image,
        tags: &[String],
        expected: Option<Digest>,
        reporter: &Reporter,
        dry_run: bool,
    ) -> Result<Option<Manifest>, Failure> {
        let known = self.known(goal, image)?;
        let content = |(layer, promised)| LayerContent { layer, promised, pushing: self };
        let contents: Vec<LayerContent<'_>> =
            image.layers.iter().zip(known.iter().copied()).map(content).collect();
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(known.len() + 1);
        for (content, blob) in contents.iter().zip(&known) {
            parts.push(Part { known: blob.map(|blob| (blob.digest, blob.size)), ..content.part(goal) });
        }
        let size = image.config.len() as u64;
        parts.push(Part {
            known: Some((image.id(), size)),
            weight: size,
            content: &image.config,
            mount_from: None,
        });

        let title = |part: usize| image.layers.get(part).map_or("config", |layer| layer.title.as_str());
        let report = |event: Event| {
            let was_sent = event.outcome == Outcome::Had && goal.sent.contains(&event.digest);
            let outcome = if was_sent { Outcome::Sent } else { event.outcome };
            reporter.blob(&goal.name(), &Event { outcome, ..event }, title(event.part));
        };
        let push = Push { repository: &goal.repository, tags, report: &report };
        let manifest = |blobs: &[(Digest, u64)]| {
            let blobs =
                blobs.iter().zip(&known).zip(&image.layers).map(|((&(digest, size), known), layer)| {
                    let made = self
                        .delivery
                        .pool
                        .filter(|_| layer.is_plain())
                        .map(|pool| pool.compression().codec());
                    Blob { digest, size, codec: known.map_or(made, |known| known.codec) }
                });
            Manifest::of_blobs(image, &blobs.collect::<Vec<_>>(), self.listing)
        };
        let all_known: Option<Vec<_>> = parts.iter().map(|part| part.known).collect();
        let early = all_known.as_deref().map(manifest);
        if let Some((expected, manifest)) = expected.zip(early.as_ref()) {
            matches(expected, manifest)?;
        }
        if dry_run {
            let preview = push.preview(&parts, early.as_ref())?;
            let missing = parts.iter().zip(&preview.has).enumerate().filter(|(_, (_, has))| !**has);
            let missing: Vec<Missing<'_>> =
                missing.map(|(place, (part, _))| (part.known, part.weight, title(place))).collect();
            reporter.would_send(&goal.name(), preview.is_there, &missing);
            return Ok(early);
        }
        let pushed = push.run(&parts, |blobs| {
            let manifest = manifest(blobs);
            expected.map_or(Ok(()), |expected| matches(expected, &manifest))?;
            Ok(manifest)
        })?;
        Ok(Some(pushed))
    }

    /// What each layer will be in the registry, as far as that is known without making it.
    fn known(&self, goal: &Goal, image: &Image) -> Result<Vec<Option<Blob>>, Failure> {
        let mut known: Vec<Option<Blob>> = image.blobs.iter().copied().map(Some).collect();
        let Some(compression) = self.delivery.pool.map(Pool::compression) else { return Ok(known) };
        // What was not compressed for another destination.
        let is_open =
            |place: usize| image.layers[place].is_plain() && image.blobs[place] == image.layers[place].blob;
        let open: Vec<usize> = (0..known.len()).filter(|place| is_open(*place)).collect();
        let remembered = |place: usize, maker| self.delivery.cache?.blob(image.layers[place].diff_id, maker);
        let elsewhere = Maker::Elsewhere(compression.codec());
        for &place in &open {
            known[place] = remembered(place, Maker::Here(compression));
        }
        let unknown =
            |known: &[Option<Blob>]| open.iter().copied().filter(|place| known[*place].is_none()).collect();
        // What others have made counts only where it is.
        let missing: Vec<usize> = unknown(&known);
        let others: Vec<(usize, Blob)> =
            missing.iter().filter_map(|place| Some((*place, remembered(*place, elsewhere)?))).collect();
        let others_known: Vec<_> = others.iter().map(|(_, blob)| (blob.digest, blob.size)).collect();
        let there = goal.repository.which_are_there(&others_known)?;
        for (place, blob) in others.into_iter().filter(|(_, blob)| there.contains(&blob.digest)) {
            known[place] = Some(blob);
        }
        // What is listed under a tag is there.
        for tag in goal.tags.iter().map(String::as_str).chain(self.previous) {
            let missing: Vec<usize> = unknown(&known);
            if missing.is_empty() {
                break;
            }
            let listed = goal.listed(tag, &image.architecture());
            for place in missing {
                let diff_id = image.layers[place].diff_id;
                let blob = listed.get(&diff_id).filter(|blob| blob.codec == Some(compression.codec()));
                if let (Some(blob), Some(cache)) = (blob, self.delivery.cache) {
                    // If it cannot be remembered, it will be learnt again.
                    let _ = cache.remember_blob(diff_id, elsewhere, blob);
                }
                known[place] = blob.copied();
            }
        }
        Ok(known)
    }
}

fn matches(expected: Digest, manifest: &Manifest) -> Result<(), RemoteError> {
    match Digest::of(&manifest.text) {
        found if found == expected => Ok(()),
        found => Err(RemoteError::OtherManifest { expected, found }),
    }
}

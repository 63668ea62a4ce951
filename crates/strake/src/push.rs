//! Images into registries, as `strake copy` does it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use strake_image::blob::Blob;
use strake_image::cache::Maker;
use strake_image::delivery::Delivery;
use strake_image::digest::Digest;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::layer::Layer;
use strake_image::manifest::{Listing, Manifest};
use strake_image::sink::{Counted, Sink};
use strake_remote::{Along, Content, Event, Outcome, Part, Push, Reference, RemoteError, Repository};

use crate::failure::Failure;
use crate::learning;
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
        if let (Some(one), Some(other)) = (goal.digest, reference.digest)
            && one != other
        {
            let name = goal.name();
            return Err(Failure::new(format!("an image cannot be both {one} and {other} in {name}")));
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
        let blob = delivery.write_blob(self.layer, &mut Counted::new(sink, sent))?;
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
        images: &[Image],
        several: Option<&Several>,
        attachments: &[Layer],
        reporter: &Reporter,
        dry_run: bool,
    ) -> Result<Digest, Failure> {
        if let (None, [image]) = (several, images) {
            let pushed = self.push_image(goal, image, &goal.tags, goal.digest, reporter, dry_run)?;
            return Ok(pushed.map_or(image.id(), |manifest| manifest.digest()));
        }
        let mut manifests = Vec::with_capacity(images.len());
        for image in images {
            manifests.extend(self.push_image(goal, image, &[], None, reporter, dry_run)?);
        }
        if manifests.len() < images.len() {
            // What is not made is not known. It will be said when it is.
            return Ok(images[0].id());
        }
        let (inside, top) = listed(several, images, &manifests, self.listing.format)?;
        matches(goal.digest, &top)?;
        let as_they_are = Pushing { delivery: Delivery { pool: None, ..self.delivery }, ..self };
        let contents: Vec<LayerContent<'_>> = attachments
            .iter()
            .map(|layer| LayerContent { layer, promised: None, pushing: as_they_are })
            .collect();
        let parts: Vec<Part<'_>> = contents.iter().map(|content| content.part(goal)).collect();
        let title = |part: usize| attachments.get(part).map_or("", |layer| layer.title.as_str());
        let report = |event: Event| reporter.blob(&goal.name(), &event, title(event.part));
        let beside = Push { repository: &goal.repository, tags: &[], report: &report };
        let push = Push { tags: &goal.tags, ..beside };
        if dry_run {
            let preview = push.preview(&parts, Some(&top))?;
            reporter.would_send(&goal.name(), preview.is_there, &missing(&parts, &preview.has, title));
            return Ok(top.digest());
        }
        beside.parts(&parts)?;
        inside.iter().try_for_each(|manifest| beside.run(&[], |_| Ok(manifest.clone())).map(drop))?;
        push.run(&[], |_| Ok(top.clone()))?;
        Ok(top.digest())
    }

    /// The tags whose images tell what layers are when they are compressed.
    fn tags<'g>(&'g self, goal: &'g Goal) -> Vec<&'g str> {
        goal.tags.iter().map(String::as_str).chain(self.previous).collect()
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
        let known = learning::known_blobs(
            &self.delivery,
            image,
            &goal.repository,
            &goal.reference,
            &self.tags(goal),
        )?;
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
        // What is expected is seen to before anything is sent, as far as it is known then.
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
            let manifest = Manifest::of_blobs(image, &blobs.collect::<Vec<_>>(), self.listing);
            matches(expected, &manifest)?;
            Ok(manifest)
        };
        if dry_run {
            let known: Option<Vec<_>> = parts.iter().map(|part| part.known).collect();
            let early = known.as_deref().map(manifest).transpose()?;
            let preview = push.preview(&parts, early.as_ref())?;
            reporter.would_send(&goal.name(), preview.is_there, &missing(&parts, &preview.has, title));
            return Ok(early);
        }
        Ok(Some(push.run(&parts, manifest)?))
    }
}

/// The parts that are missing, for people.
fn missing<'t>(parts: &[Part<'_>], has: &[bool], title: impl Fn(usize) -> &'t str) -> Vec<Missing<'t>> {
    let missing = parts.iter().zip(has).enumerate().filter(|(_, (_, has))| !**has);
    missing.map(|(place, (part, _))| (part.known, part.weight, title(place))).collect()
}

/// Makes sure that it is the manifest that is expected, if one is.
fn matches(expected: Option<Digest>, manifest: &Manifest) -> Result<(), RemoteError> {
    let found = manifest.digest();
    match expected.filter(|expected| *expected != found) {
        None => Ok(()),
        Some(expected) => Err(RemoteError::OtherManifest { expected, found }),
    }
}

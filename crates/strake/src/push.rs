//! Images into registries, as `strake copy` does it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use strake_image::digest::Digest;
use strake_image::engine::Engine;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::layer::Layer;
use strake_image::manifest::{Listing, Manifest};
use strake_image::recipe::{Recipe, Source};
use strake_image::sink::{Counted, Sink};
use strake_remote::{Content, Event, Part, Preview, Push, Reference, RemoteError, Repository};

use crate::failure::Failure;
use crate::place::{Place, Target};
use crate::registry::Registries;
use crate::report::Reporter;

/// A repository that an image goes to.
pub(crate) struct Goal {
    repository: Arc<Repository>,
    /// As the user named the first of them.
    reference: Reference,
    tags: Vec<String>,
    /// What the manifest must be.
    digest: Option<Digest>,
}

/// How images are pushed.
#[derive(Clone, Copy)]
pub(crate) struct Pushing<'p> {
    pub(crate) engine: &'p Engine<'p>,
    pub(crate) listing: &'p Listing,
    /// Counts the bytes that are sent.
    pub(crate) sent: &'p AtomicU64,
    pub(crate) verify: bool,
}

/// The repositories among the targets, each with all its tags. Each is asked whether it is there.
pub(crate) fn goals(targets: &[Target], registries: &Registries) -> Result<Vec<Goal>, Failure> {
    let mut goals: Vec<Goal> = Vec::new();
    for target in targets {
        let Target::Place(Place::Registry(reference)) = target else { continue };
        let same = |goal: &&mut Goal| {
            (&goal.reference.host, &goal.reference.repository) == (&reference.host, &reference.repository)
        };
        let goal = if let Some(goal) = goals.iter_mut().find(same) {
            goal
        } else {
            let repository = registries.repository(reference)?;
            let (tags, digest) = (Vec::new(), None);
            goals.push(Goal { repository, reference: reference.clone(), tags, digest });
            goals.last_mut().expect("it was pushed")
        };
        goal.tags.extend(
            reference
                .tag_or_default()
                .filter(|tag| !goal.tags.iter().any(|known| known == tag))
                .map(str::to_owned),
        );
        goal.digest = reference.digest.or(goal.digest);
    }
    Ok(goals)
}

impl Goal {
    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        Place::Registry(self.reference.clone()).to_string()
    }

    /// Whether it is the registry that a blob comes from, and the repository there.
    fn mount_from(&self, layer: &Layer) -> Option<String> {
        let Recipe::Tarball(tarball) = &layer.draft.recipe else { return None };
        let Source::Remote(remote) = &tarball.source else { return None };
        let (host, name) = remote.repository();
        (host == self.repository.host()).then(|| name.to_owned())
    }
}

/// A layer as something that can be uploaded.
struct LayerContent<'l> {
    layer: &'l Layer,
    pushing: Pushing<'l>,
}

impl Content for LayerContent<'_> {
    fn write(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        let Pushing { engine, sent, verify, .. } = self.pushing;
        // What was digested a moment ago is held against its files; what was remembered is digested on its way.
        let verify = verify || self.layer.remembered;
        let written = self.layer.write(engine.store, verify, &mut Counted::new(sink, sent));
        if let (Err(Error::Changed { .. } | Error::Digest { .. }), Some(cache)) = (&written, engine.cache) {
            cache.remove(self.layer.key());
        }
        written
    }
}

impl Pushing<'_> {
    /// Pushes an image and returns its manifest's digest. With `dry_run` it only says what would be sent.
    pub(crate) fn push(
        self,
        goal: &Goal,
        image: &Image,
        reporter: &Reporter,
        dry_run: bool,
    ) -> Result<Digest, Failure> {
        let manifest = Manifest::new(image, self.listing);
        let digest = Digest::of(&manifest.text);
        if let Some(expected) = goal.digest.filter(|expected| *expected != digest) {
            return Err(RemoteError::OtherManifest { expected, found: digest }.into());
        }
        let contents: Vec<LayerContent<'_>> =
            image.layers.iter().map(|layer| LayerContent { layer, pushing: self }).collect();
        let config = |sink: &mut dyn Sink| Ok(sink.bytes(&image.config)?);
        let mut parts: Vec<Part<'_>> = contents
            .iter()
            .map(|content| Part {
                known: Some((content.layer.digest, content.layer.size)),
                weight: content.layer.size,
                content,
                mount_from: goal.mount_from(content.layer),
            })
            .collect();
        let size = image.config.len() as u64;
        parts.push(Part {
            known: Some((image.id(), size)),
            weight: size,
            content: &config,
            mount_from: None,
        });
        let title = |part: usize| image.layers.get(part).map_or("config", |layer| layer.title.as_str());
        let report = |event: Event| reporter.blob(&goal.name(), &event, title(event.part));
        let push = Push { repository: &goal.repository, tags: &goal.tags, report: &report };
        if dry_run {
            let Preview { is_there, has } = push.preview(&parts, Some(&manifest))?;
            let missing = parts.iter().zip(&has).enumerate().filter(|(_, (_, has))| !**has);
            let missing: Vec<_> =
                missing.map(|(place, (part, _))| (part.known, part.weight, title(place))).collect();
            reporter.would_send(&goal.name(), is_there, &missing);
            return Ok(digest);
        }
        push.run(&parts, |_| Manifest::new(image, self.listing))?;
        Ok(digest)
    }
}

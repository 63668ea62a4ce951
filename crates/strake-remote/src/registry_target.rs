//! A repository in a registry as a target.
//!
//! The order: is the image there already; which blobs are; the missing ones; the manifest last, under its tags: a tag never
//! names an image of which something is missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use strake_image::compression::Compression;
use strake_image::{
    BlobWriter, Content, Context, Descriptor, Digest, Document, Event, Image, Layer, ListedImage, Outcome,
    Report, Target, TargetError,
};

use crate::error::RemoteError;
use crate::learned::Lessons;
use crate::open_upload::OpenUpload;
use crate::push::{Sending, SentBlob};
use crate::reference::Reference;
use crate::repository::Repository;

/// A repository that images go to, under one or several tags.
pub struct RegistryTarget<'c> {
    context: &'c Context,
    repository: Arc<Repository>,
    /// The first name that was given.
    reference: Reference,
    tags: Vec<String>,
    /// The digest that the manifest must have.
    digest: Option<Digest>,
    /// The tag of an image to learn compressed digests from, besides those that the image gets.
    previous: Option<String>,
    /// The blobs that were sent, not found.
    sent: HashSet<Digest>,
    /// The manifest that has the tags.
    top: Option<Digest>,
    /// Whether the tags lead to an index that somebody else writes.
    is_part: bool,
}

impl<'c> RegistryTarget<'c> {
    /// The image of this name.
    pub fn new(repository: Arc<Repository>, reference: Reference, context: &'c Context) -> Self {
        let (tags, digest) = (reference.tag_or_default().map(str::to_owned), reference.digest);
        let tags = tags.into_iter().collect();
        repository.becomes_destination();
        let (previous, sent, top, is_part) = (None, HashSet::new(), None, false);
        Self { context, repository, reference, tags, digest, previous, sent, top, is_part }
    }

    /// The image's names, each with its tag; without one, the name with a digest.
    pub fn names(&self) -> Vec<String> {
        let name =
            |tag: &String| Reference { tag: Some(tag.clone()), digest: None, ..self.reference.clone() };
        let names = self.tags.iter().map(|tag| format!("docker://{}", name(tag)));
        if self.tags.is_empty() { vec![self.name()] } else { names.collect() }
    }

    /// Whether a name is in the same repository.
    pub fn is_for(&self, other: &Reference) -> bool {
        (&self.reference.host, &self.reference.repository) == (&other.host, &other.repository)
    }

    /// Gives the image another name in the same repository.
    ///
    /// # Errors
    ///
    /// [`RemoteError::OtherManifest`] if the names have different digests.
    pub fn add(&mut self, other: &Reference) -> Result<(), RemoteError> {
        if let (Some(expected), Some(found)) = (self.digest, other.digest)
            && expected != found
        {
            return Err(RemoteError::OtherManifest { expected, found });
        }
        self.digest = other.digest.or(self.digest);
        let new = other.tag_or_default().filter(|tag| !self.tags.iter().any(|known| known == tag));
        self.tags.extend(new.map(str::to_owned));
        Ok(())
    }

    /// Learns compressed digests from the image under this tag, too.
    #[must_use]
    pub fn learning_from(self, tag: Option<String>) -> Self {
        Self { previous: tag, ..self }
    }

    /// Leaves the index of the images to [`update_index`](crate::update_index).
    #[must_use]
    pub fn without_index(self) -> Self {
        Self { is_part: true, ..self }
    }

    /// The repository.
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// Sends contents in these places. Returns the descriptors of those that were sent, by place.
    fn send_all(
        &mut self,
        contents: &[&dyn Content],
        places: &[usize],
        mount: bool,
        report: &Report<'_>,
    ) -> Result<Vec<SentBlob>, TargetError> {
        let name = self.name();
        let progress = &self.context.progress.written;
        let sending = Sending { repository: &self.repository, contents, progress, mount };
        let sent = sending.run(places, &|blob| {
            let SentBlob { place, descriptor, outcome, took } = blob;
            let (title, outcome, took) = (contents[*place].title(), *outcome, *took);
            report(Event::Blob { target: &name, title, descriptor, outcome, took });
        })?;
        let is_sent = |blob: &&SentBlob| blob.outcome == Outcome::Sent;
        self.sent.extend(sent.iter().filter(is_sent).map(|blob| blob.descriptor.digest));
        Ok(sent)
    }
}

impl Target for RegistryTarget<'_> {
    fn name(&self) -> String {
        format!("docker://{}", self.reference)
    }

    fn asks(&self) -> bool {
        true
    }

    fn missing(&self, blobs: &[Descriptor]) -> Result<Vec<bool>, TargetError> {
        let there = self.repository.which_are_there(blobs)?;
        Ok(blobs.iter().map(|blob| !there.contains(&blob.digest)).collect())
    }

    fn known_blobs(
        &self,
        image: &Image,
        diff_ids: &[Digest],
        compression: Compression,
        plain_too: bool,
    ) -> Result<HashMap<Digest, Descriptor>, TargetError> {
        let lessons = Lessons {
            context: self.context,
            repository: &self.repository,
            reference: &self.reference,
            tags: self.tags.iter().chain(&self.previous).map(String::as_str).collect(),
            architecture: image.architecture(),
            codec: compression.codec(),
            plain_too,
        };
        Ok(lessons.known_blobs(diff_ids)?)
    }

    fn blob<'t>(
        &'t mut self,
        layer: &Layer,
        blob: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError> {
        if let Some(blob) = blob {
            let from = layer.draft.recipe.repository();
            let can_be_mounted = blob.is_same_blob(&layer.stored)
                && from.is_some_and(|(host, _)| host == self.repository.host());
            if can_be_mounted || self.repository.has_blob(blob).unwrap_or(false) {
                return Ok(None);
            }
        }
        let progress = &self.context.progress.written;
        let upload = OpenUpload::begin(self.repository.clone(), blob.cloned(), progress, &mut self.sent);
        Ok(Some(Box::new(upload)))
    }

    fn send(
        &mut self,
        contents: &[&dyn Content],
        report: &Report<'_>,
    ) -> Result<Vec<Descriptor>, TargetError> {
        let known: Vec<Descriptor> =
            contents.iter().filter_map(|content| content.descriptor().cloned()).collect();
        let there = self.repository.which_are_there(&known)?;
        let (name, mut missing) = (self.name(), Vec::new());
        for (place, content) in contents.iter().enumerate() {
            match content.descriptor().filter(|descriptor| there.contains(&descriptor.digest)) {
                None => missing.push(place),
                Some(descriptor) => {
                    // Layers that were sent while they were written to another target count as sent.
                    let was_sent = self.sent.contains(&descriptor.digest);
                    let outcome = if was_sent { Outcome::Sent } else { Outcome::Had };
                    let (title, took) = (content.title(), Duration::ZERO);
                    report(Event::Blob { target: &name, title, descriptor, outcome, took });
                }
            }
        }
        report(sending(contents, &missing));
        let sent = self.send_all(contents, &missing, true, report)?;
        let mut made: HashMap<usize, Descriptor> =
            sent.into_iter().map(|blob| (blob.place, blob.descriptor)).collect();
        let descriptor = |(place, content): (usize, &&dyn Content)| {
            content.descriptor().cloned().or_else(|| made.remove(&place))
        };
        Ok(contents.iter().enumerate().filter_map(descriptor).collect())
    }

    fn has(&mut self, manifest: &Document, is_top: bool) -> Result<bool, TargetError> {
        let tags: &[String] = if is_top { &self.tags } else { &[] };
        let is_there = self.repository.has_manifest(manifest, tags)?;
        if is_top && is_there {
            self.top = Some(manifest.digest());
        }
        Ok(is_there)
    }

    fn expects(&self, top: &Document) -> Result<(), TargetError> {
        let found = top.digest();
        match self.digest.filter(|expected| *expected != found) {
            None => Ok(()),
            Some(expected) => Err(RemoteError::OtherManifest { expected, found }.into()),
        }
    }

    fn image(&mut self, listed: &ListedImage<'_>, report: &Report<'_>) -> Result<(), TargetError> {
        let ListedImage { manifest, contents, is_top, .. } = *listed;
        let tags = if is_top { self.tags.clone() } else { Vec::new() };
        match self.repository.put_manifest(manifest, &tags) {
            Err(error @ RemoteError::BlobUnknown { .. }) => {
                // It was lying, or has cleaned up since.
                let was_sent = |content: &&dyn Content| {
                    content.descriptor().is_some_and(|descriptor| self.sent.contains(&descriptor.digest))
                };
                let places: Vec<usize> =
                    (0..contents.len()).filter(|place| !was_sent(&contents[*place])).collect();
                if places.is_empty() {
                    return Err(error.into());
                }
                report(sending(contents, &places));
                self.send_all(contents, &places, false, report)?;
                self.repository.put_manifest(manifest, &tags)?;
            }
            other => other?,
        }
        if is_top {
            self.top = Some(manifest.digest());
        }
        Ok(())
    }

    fn manifest(&mut self, manifest: &Document) -> Result<(), TargetError> {
        if !self.repository.has_manifest(manifest, &[])? {
            self.repository.put_manifest(manifest, &[])?;
        }
        Ok(())
    }

    fn finish(&mut self, top: &Document, _: &[String]) -> Result<(), TargetError> {
        if !self.is_part && self.top != Some(top.digest()) && !self.has(top, true)? {
            self.repository.put_manifest(top, &self.tags)?;
        }
        Ok(())
    }
}

/// The contents in these places are about to be sent.
fn sending(contents: &[&dyn Content], places: &[usize]) -> Event<'static> {
    let bytes = places.iter().map(|place| contents[*place].source_size()).fold(0, u64::saturating_add);
    Event::Sending { blobs: places.len(), bytes }
}

impl From<RemoteError> for TargetError {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Layer(error) => Self::Write(error),
            error => Self::Remote(Box::new(error)),
        }
    }
}

//! Images into registries.
//!
//! What the registry has is neither read nor sent. The order: is the image there already; which blobs are; the largest
//! missing blob first, several at a time; the manifest last, under its tags: a tag never names an image of which
//! something is missing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use strake_image::digest::Digest;
use strake_image::manifest::Manifest;
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use crate::answer::said_digest;
use crate::call::{Call, Scope, encode};
use crate::error::RemoteError;
use crate::repository::Repository;
use crate::upload::{Content, Upload, Uploaded};

/// So many blobs are looked for at the same time.
const LOOKS: usize = 8;

/// So many parts are sent at the same time where nothing is said of it.
const UPLOADS: usize = 4;

/// Likewise where some are made on their way.
const COMPRESSING_UPLOADS: usize = 2;

/// A part of an image: a layer, or its config.
pub struct Part<'c> {
    /// Its digest and its size in bytes, where they are known without reading it.
    pub known: Option<(Digest, u64)>,
    /// About how large it is, in bytes.
    pub weight: u64,
    /// Its bytes.
    pub content: &'c dyn Content,
    /// A repository of the same registry that may have it.
    pub mount_from: Option<String>,
}

/// How a part got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    Had,
    /// The registry has taken it out of another repository.
    Mounted,
    /// It was sent.
    Sent,
}

/// What became of a part.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Its place in the image's parts.
    pub part: usize,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// How it got there.
    pub outcome: Outcome,
    /// How long that took.
    pub took: Duration,
}

/// What a part is, and how it got there.
type Done = ((Digest, u64), Outcome);

/// Pushes to a repository.
pub struct Push<'p> {
    /// Where to.
    pub repository: &'p Repository,
    /// The tags that the image gets; none: it can be had by its digest only.
    pub tags: &'p [String],
    /// Is told of each part.
    pub report: &'p (dyn Fn(Event) + Sync),
}

/// What a push would do.
#[derive(Debug)]
pub struct Preview {
    /// Whether the image is there already, under all its tags.
    pub is_there: bool,
    /// Whether each part is there. A part whose digest is not known counts as missing.
    pub has: Vec<bool>,
}

impl Push<'_> {
    /// Finds out what is missing and sends nothing. `manifest` where it is known.
    pub fn preview(&self, parts: &[Part<'_>], manifest: Option<&Manifest>) -> Result<Preview, RemoteError> {
        if let Some(manifest) = manifest
            && self.is_there(manifest)?
        {
            return Ok(Preview { is_there: true, has: vec![true; parts.len()] });
        }
        Ok(Preview { is_there: false, has: self.look(parts)? })
    }

    /// Pushes an image and returns its manifest, which `manifest` makes when all digests and sizes are known.
    ///
    /// # Panics
    ///
    /// Not by what a registry does.
    pub fn run(
        &self,
        parts: &[Part<'_>],
        manifest: impl Fn(&[(Digest, u64)]) -> Result<Manifest, RemoteError>,
    ) -> Result<Manifest, RemoteError> {
        let known: Option<Vec<_>> = parts.iter().map(|part| part.known).collect();
        if let Some(known) = &known {
            let manifest = manifest(known)?;
            if self.is_there(&manifest)? {
                for (place, (digest, size)) in known.iter().enumerate() {
                    self.tell(place, (*digest, *size), Outcome::Had, Duration::ZERO);
                }
                return Ok(manifest);
            }
        }
        let sent = self.send_missing(parts)?;
        let blobs = parts.iter().zip(&sent).map(|(part, sent)| part.known.or(sent.map(|(blob, _)| blob)));
        let blobs: Option<Vec<_>> = blobs.collect();
        let manifest = manifest(&blobs.expect("what was not known was sent"))?;
        let believed: Vec<bool> =
            sent.iter().map(|sent| sent.is_none_or(|(_, outcome)| outcome != Outcome::Sent)).collect();
        match self.list(&manifest) {
            // It was lying, or has cleaned up since.
            Err(RemoteError::BlobUnknown { .. }) if believed.contains(&true) => {
                self.send(parts, &believed, false)?;
                self.list(&manifest)?;
            }
            other => other?,
        }
        Ok(manifest)
    }

    /// Sends parts that belong to no image of their own, as far as they are missing.
    pub fn parts(&self, parts: &[Part<'_>]) -> Result<(), RemoteError> {
        self.send_missing(parts).map(drop)
    }

    /// Whether the registry has the image under all these tags.
    fn is_there(&self, manifest: &Manifest) -> Result<bool, RemoteError> {
        let digest = manifest.digest();
        let by_digest = [digest.to_string()];
        let names = if self.tags.is_empty() { &by_digest } else { self.tags };
        for name in names {
            if self.repository.manifest_digest(name)? != Some(digest) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Which of the parts are there. One whose digest is not known counts as missing.
    fn look(&self, parts: &[Part<'_>]) -> Result<Vec<bool>, RemoteError> {
        let known: Vec<(Digest, u64)> = parts.iter().filter_map(|part| part.known).collect();
        let there = self.repository.which_are_there(&known)?;
        Ok(parts.iter().map(|part| part.known.is_some_and(|(digest, _)| there.contains(&digest))).collect())
    }

    /// Sends the parts that are not there, and returns what became of these.
    fn send_missing(&self, parts: &[Part<'_>]) -> Result<Vec<Option<Done>>, RemoteError> {
        let has = self.look(parts)?;
        for (place, part) in parts.iter().enumerate().filter(|(place, _)| has[*place]) {
            part.known.iter().for_each(|known| self.tell(place, *known, Outcome::Had, Duration::ZERO));
        }
        let missing: Vec<bool> = has.iter().map(|has| !has).collect();
        self.send(parts, &missing, true)
    }

    /// Sends the parts that are `wanted`, and returns what became of them. `mount`: the registry may take them out of another
    /// repository.
    fn send(
        &self,
        parts: &[Part<'_>],
        wanted: &[bool],
        mount: bool,
    ) -> Result<Vec<Option<Done>>, RemoteError> {
        let place_of = places(parts);
        let is_first = |place: usize| parts[place].known.is_none_or(|(digest, _)| place_of[&digest] == place);
        let mut order: Vec<usize> =
            (0..parts.len()).filter(|place| wanted[*place] && is_first(*place)).collect();
        order.sort_by_key(|place| std::cmp::Reverse(parts[*place].weight));
        let done = Mutex::new(vec![None; parts.len()]);
        let usual = if parts.iter().all(|part| part.known.is_some()) { UPLOADS } else { COMPRESSING_UPLOADS };
        in_parallel(&order, self.repository.shared().settings.uploads.unwrap_or(usual), |place| {
            let part = &parts[place];
            let other = |from: &&str| mount && *from != self.repository.name();
            let mount_from = part.mount_from.as_deref().filter(other);
            let begun = self.repository.shared().now();
            let uploaded =
                self.repository.upload(&Upload { known: part.known, content: part.content, mount_from })?;
            let took = self.repository.shared().now().duration_since(begun).unwrap_or_default();
            let (blob, outcome) = match (uploaded, part.known) {
                (Uploaded::Sent(digest, size), _) => ((digest, size), Outcome::Sent),
                (Uploaded::Mounted, Some(known)) => (known, Outcome::Mounted),
                (Uploaded::Mounted, None) => unreachable!("what is not known cannot be mounted"),
            };
            done.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some((blob, outcome));
            self.tell(place, blob, outcome, took);
            Ok(())
        })?;
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, part: usize, (digest, size): (Digest, u64), outcome: Outcome, took: Duration) {
        (self.report)(Event { part, digest, size, outcome, took });
    }

    /// Puts the manifest there, under all tags.
    pub fn list(&self, manifest: &Manifest) -> Result<(), RemoteError> {
        let digest = manifest.digest();
        let mut left: Vec<&String> = self.tags.iter().collect();
        if left.len() != 1 {
            // Distribution specification 1.2: with all its tags at once. Registries of 1.1 pass over what they do not know.
            let query: Vec<(&str, &str)> = left.iter().map(|tag| ("tag", tag.as_str())).collect();
            let joint = if query.is_empty() { "" } else { "?" };
            let taken = self.put(&digest.to_string(), &format!("{joint}{}", encode(&query)), manifest)?;
            left.retain(|tag| !taken.contains(tag));
        }
        left.into_iter().try_for_each(|tag| self.put(tag, "", manifest).map(drop))
    }

    /// Puts the manifest there under one name, and returns the tags that it has got by it.
    fn put(&self, name: &str, query: &str, manifest: &Manifest) -> Result<Vec<String>, RemoteError> {
        let what = format!("take {}", self.repository.image(name));
        let url = format!("{}{query}", self.repository.path(&format!("manifests/{name}")));
        let call = Call::new(&what, Method::PUT, url, Scope::Push)
            .header(CONTENT_TYPE.as_str(), &manifest.media_type);
        let answer = self.repository.call(&call, &manifest.text)?;
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            return Err(self.repository.refusal(&call, answer, status));
        }
        let expected = manifest.digest();
        if let Some(found) = said_digest(&answer).filter(|found| *found != expected) {
            return Err(RemoteError::Digest { host: self.repository.host().to_owned(), expected, found });
        }
        let tags = answer.headers().get_all("oci-tag").iter().filter_map(|value| value.to_str().ok());
        Ok(tags.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect())
    }
}

/// Does this for all places, several at a time, in this order. After the first failure no other is begun.
fn in_parallel(
    order: &[usize],
    most: usize,
    work: impl Fn(usize) -> Result<(), RemoteError> + Sync,
) -> Result<(), RemoteError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let first = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..most.min(order.len()) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed)
                    && let Some(place) = order.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(error) = work(*place) {
                        failed.store(true, Ordering::Relaxed);
                        first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

impl Repository {
    /// Which of these blobs, of which digest and size are given, the registry has.
    pub fn which_are_there(&self, blobs: &[(Digest, u64)]) -> Result<HashSet<Digest>, RemoteError> {
        let mut blobs = blobs.to_vec();
        // One that is there twice is looked for once.
        blobs.sort_unstable();
        blobs.dedup();
        let there = Mutex::new(HashSet::new());
        let order: Vec<usize> = (0..blobs.len()).collect();
        in_parallel(&order, LOOKS, |place| {
            let (digest, size) = blobs[place];
            if self.has_blob(digest, size)? {
                there.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
            }
            Ok(())
        })?;
        Ok(there.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The first place of each digest.
fn places(parts: &[Part<'_>]) -> HashMap<Digest, usize> {
    let mut places = HashMap::new();
    for (place, part) in parts.iter().enumerate() {
        if let Some((digest, _)) = part.known {
            places.entry(digest).or_insert(place);
        }
    }
    places
}

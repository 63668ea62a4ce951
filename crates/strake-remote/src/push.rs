//! Blobs and manifests into a repository.
//!
//! Blobs that the registry has are neither read nor sent; the largest missing blob goes first, several at a time.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use strake_image::{Content, Descriptor, Digest, Document, Outcome};
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use crate::answer::said_digest;
use crate::call::{Call, Payload, Scope, encode};
use crate::error::RemoteError;
use crate::manifests::Pulled;
use crate::repository::Repository;
use crate::retry::again;
use crate::upload::{Upload, Uploaded};

/// How many blobs are looked for at the same time.
pub(crate) const LOOKS: usize = 8;

/// How many blobs are sent at the same time by default.
const UPLOADS: usize = 4;

/// The same if some are compressed on their way, which takes memory.
const COMPRESSING_UPLOADS: usize = 2;

/// A blob that was sent.
pub(crate) struct SentBlob {
    /// Its place among those that were to be sent.
    pub(crate) place: usize,
    pub(crate) descriptor: Descriptor,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

/// Blobs that are to be sent to a repository.
pub(crate) struct Sending<'s> {
    pub(crate) repository: &'s Repository,
    pub(crate) contents: &'s [&'s dyn Content],
    /// Counts the bytes that are sent.
    pub(crate) progress: &'s AtomicU64,
    /// Whether the registry may take blobs out of other repositories.
    pub(crate) mount: bool,
}

impl Sending<'_> {
    /// Sends the contents in these places, each digest once, and tells `done` of each.
    pub(crate) fn run(
        &self,
        places: &[usize],
        done: &(dyn Fn(&SentBlob) + Sync),
    ) -> Result<Vec<SentBlob>, RemoteError> {
        let digest = |place: usize| self.contents[place].descriptor().map(|descriptor| descriptor.digest);
        let mut first = HashMap::new();
        for place in 0..self.contents.len() {
            first.entry(digest(place).ok_or(place)).or_insert(place);
        }
        let is_first = |place: &usize| first[&digest(*place).ok_or(*place)] == *place;
        let mut order: Vec<usize> = places.iter().copied().filter(is_first).collect();
        order.sort_by_key(|place| std::cmp::Reverse(self.contents[*place].weight()));
        let is_known = |content: &&dyn Content| content.descriptor().is_some();
        let usual = if self.contents.iter().all(is_known) { UPLOADS } else { COMPRESSING_UPLOADS };
        let sent = Mutex::new(Vec::with_capacity(order.len()));
        let uploads = self.repository.shared().settings.uploads.unwrap_or(usual);
        in_parallel(&order, uploads, |place| {
            let blob = self.send(place)?;
            done(&blob);
            sent.lock().unwrap_or_else(PoisonError::into_inner).push(blob);
            Ok(())
        })?;
        Ok(sent.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, place: usize) -> Result<SentBlob, RemoteError> {
        let content = self.contents[place];
        let shared = self.repository.shared();
        let from = content.repository().filter(|(host, name)| {
            self.mount && *host == self.repository.host() && *name != self.repository.name()
        });
        let begun = shared.now();
        let upload = Upload { content, mount_from: from.map(|(_, name)| name), progress: self.progress };
        let (descriptor, outcome) = match self.repository.upload(&upload)? {
            Uploaded::Sent(descriptor) => (descriptor, Outcome::Sent),
            Uploaded::Mounted(descriptor) => (descriptor, Outcome::Mounted),
        };
        let took = shared.now().duration_since(begun).unwrap_or_default();
        Ok(SentBlob { place, descriptor, outcome, took })
    }
}

/// Does this for all places, several at a time, in this order. After the first failure no other is begun.
pub(crate) fn in_parallel(
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
    /// Which of these blobs the registry has, by digest.
    pub fn which_are_there(&self, blobs: &[Descriptor]) -> Result<HashSet<Digest>, RemoteError> {
        // One that is listed twice is looked for once.
        let mut seen = HashSet::new();
        let blobs: Vec<&Descriptor> =
            blobs.iter().filter(|blob| seen.insert((blob.digest, blob.size))).collect();
        let there = Mutex::new(HashSet::new());
        let order: Vec<usize> = (0..blobs.len()).collect();
        in_parallel(&order, LOOKS, |place| {
            if self.has_blob(blobs[place])? {
                there.lock().unwrap_or_else(PoisonError::into_inner).insert(blobs[place].digest);
            }
            Ok(())
        })?;
        Ok(there.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the registry has a manifest under all these tags, or under its digest if there are none.
    pub(crate) fn has_manifest(&self, manifest: &Document, tags: &[String]) -> Result<bool, RemoteError> {
        let digest = manifest.digest();
        let by_digest = [digest.to_string()];
        for name in if tags.is_empty() { &by_digest } else { tags } {
            if self.manifest_digest(name)? != Some(digest) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has all these tags lead to a manifest that is there.
    pub fn tag(&self, manifest: Pulled, tags: &[String]) -> Result<(), RemoteError> {
        self.put_manifest(&Document::new(manifest.media_type, manifest.text), tags)
    }

    /// Puts a manifest there, under all tags.
    pub(crate) fn put_manifest(&self, manifest: &Document, tags: &[String]) -> Result<(), RemoteError> {
        let digest = manifest.digest();
        let mut left: Vec<&String> = tags.iter().collect();
        if left.len() != 1 {
            // Distribution specification 1.2: with all its tags at once. Registries of 1.1 pass over what they do not know.
            let query: Vec<(&str, &str)> = left.iter().map(|tag| ("tag", tag.as_str())).collect();
            let joint = if query.is_empty() { "" } else { "?" };
            let taken = self.put_as(&digest.to_string(), &format!("{joint}{}", encode(&query)), manifest)?;
            left.retain(|tag| !taken.contains(tag));
        }
        left.into_iter().try_for_each(|tag| self.put_as(tag, "", manifest).map(drop))
    }

    /// Puts a manifest there under one name, and returns the tags that it has got by it.
    fn put_as(&self, name: &str, query: &str, manifest: &Document) -> Result<Vec<String>, RemoteError> {
        again(self.shared().settings.limits.pause, || self.put_once(name, query, manifest))
    }

    /// The same in one attempt.
    pub(crate) fn put_once(
        &self,
        name: &str,
        query: &str,
        manifest: &Document,
    ) -> Result<Vec<String>, RemoteError> {
        let what = format!("push {}", self.image(name));
        let url = format!("{}{query}", self.path(&format!("manifests/{name}")));
        let call = Call::new(&what, Method::PUT, url, Scope::Push)
            .header(CONTENT_TYPE.as_str(), manifest.media_type().as_str());
        let answer = self.call_once(&call, &mut Payload::Bytes(manifest.text()))?;
        let status = answer.status().as_u16();
        if !answer.status().is_success() {
            return Err(self.refusal(&call, answer, status));
        }
        let expected = manifest.digest();
        if let Some(found) = said_digest(&answer).filter(|found| *found != expected) {
            return Err(RemoteError::Digest { host: self.host().to_owned(), expected, found });
        }
        let tags = answer.headers().get_all("oci-tag").iter().filter_map(|value| value.to_str().ok());
        Ok(tags.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect())
    }
}

//! Adds images to an index that is in a registry, while others may do the same.
//!
//! A registry has no request that writes only if nobody else has written since, so the order of requests has to do: the index is
//! read right before it is written, in one attempt, and read back after a while ([`Limits::settle`](crate::Limits)). A run
//! that then finds its images left out by another writer, which read before and wrote after, repeats all of it. So
//! nothing is lost as long as no write arrives later than that after the read on which it is based.

use std::sync::Arc;

use strake_image::manifest::{Listed, entries, index_listing, open, updated};
use strake_image::parsed::OpenError;
use strake_image::{Descriptor, Document, Format, Platform, PlatformPick};

use crate::error::RemoteError;
use crate::pull::{RegistryBlobs, fetch, listed};
use crate::reference::Reference;
use crate::repository::Repository;
use crate::retry;

/// How often it is tried.
const ATTEMPTS: u32 = 10;

/// Has a tag lead to an index that lists these images, which are there, and all others that it has listed for other platforms.
/// An image that the tag leads to becomes an entry of the new index. `images` is an index of the images. Returns the index.
pub fn update_index(
    repository: &Arc<Repository>,
    of: &Reference,
    images: &Document,
) -> Result<Document, OpenError> {
    let Some(ours) = entries(images.descriptor(), images.text())? else { return Err(OpenError::NoImage) };
    let limits = repository.shared().settings.limits;
    let name = of.wanted();
    let mut error = None;
    // The last look only sees whether the last write has stayed.
    for attempt in 1..=ATTEMPTS + 1 {
        let found = repository.manifest(&name).map_err(fetch)?.map(listed);
        let index = merged(repository, found.as_ref(), &ours, images)?;
        if found.is_some_and(|found| found.descriptor.digest == index.digest()) {
            return Ok(index);
        }
        if attempt > ATTEMPTS {
            break;
        }
        match repository.put_once(&name, "", &index) {
            Ok(_) => {
                error = None;
                std::thread::sleep(limits.settle);
            }
            Err(failure) if !failure.is_passing() => return Err(fetch(failure)),
            // It may have been written all the same.
            Err(failure) => error = Some(failure),
        }
        std::thread::sleep(retry::pause(limits.pause, attempt));
    }
    Err(fetch(error.unwrap_or(RemoteError::Contended {
        host: of.host.clone(),
        name: repository.image(&name),
        attempts: ATTEMPTS,
    })))
}

/// The index that was found, with the new images in it.
fn merged(
    repository: &Arc<Repository>,
    found: Option<&Listed>,
    ours: &[Descriptor],
    images: &Document,
) -> Result<Document, OpenError> {
    let Some(found) = found else { return Ok(images.clone()) };
    if let Some(index) = updated(found, ours)? {
        return Ok(index);
    }
    // An image alone.
    let blobs = RegistryBlobs(repository.clone());
    let image = open(&blobs, found.clone(), &PlatformPick::Preferred(Platform::unknown()))?;
    let platform = Platform::of_config(&image.config.text).unwrap_or_else(Platform::unknown);
    let alone = Descriptor { platform: Some(platform), ..found.descriptor.clone() };
    let index = index_listing(&[alone], images.media_type().index_format().unwrap_or(Format::Oci));
    let found = Listed { descriptor: index.descriptor().clone(), text: index.into_text(), tags: Vec::new() };
    updated(&found, ours)?.ok_or(OpenError::NoImage)
}

//! Which of a layout's images is meant.

use super::INDEX;
use super::blobs::LayoutBlobs;
use crate::descriptor::Descriptor;
use crate::manifest::{Blobs, Listed, Repeats, choose, entry, layout_entries, names};
use crate::parsed::OpenError;
use crate::platform::PlatformPick;
use crate::reference;

/// The requested image.
#[derive(Clone, Debug)]
pub struct LayoutPick {
    /// The image's name; `None`: the only one.
    pub name: Option<String>,
    /// The platform, where an image is there for several.
    pub platform: PlatformPick,
}

/// Finds the manifest or index that is meant.
pub(super) fn listed(blobs: &LayoutBlobs, pick: &LayoutPick) -> Result<Listed, OpenError> {
    let (mut all, mut other_digest) = (Vec::new(), None);
    for value in layout_entries(INDEX, &blobs.file(INDEX)?)? {
        match entry(INDEX, value) {
            Ok(entry) => all.push(entry),
            Err(error @ OpenError::BlobName(_)) => other_digest = other_digest.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Repeats::check(&all)?;
    // A layout may list other images by digests of other kinds. They matter if the wanted one is not found without them.
    let descriptor = picked(&all, pick).map_err(|error| other_digest.unwrap_or(error))?;
    let has_it = |other: &&Descriptor| match &pick.name {
        Some(_) => other.names().eq(descriptor.names()),
        None => other.digest == descriptor.digest,
    };
    let tags = all.iter().filter(has_it).flat_map(Descriptor::names).map(str::to_owned).collect();
    let text = blobs.json(&descriptor)?;
    Ok(Listed { descriptor, text, tags })
}

fn picked(all: &[Descriptor], pick: &LayoutPick) -> Result<Descriptor, OpenError> {
    let wanted = match &pick.name {
        None => all.to_vec(),
        Some(name) => {
            let named = |is_it: &dyn Fn(&str) -> bool| -> Vec<Descriptor> {
                all.iter().filter(|entry| entry.names().any(is_it)).cloned().collect()
            };
            let exact = named(&|other| other == name);
            let found = if exact.is_empty() { named(&|other| reference::same(other, name)) } else { exact };
            if found.is_empty() {
                return Err(OpenError::NoSuchImage { wanted: name.clone(), there: names(all) });
            }
            found
        }
    };
    choose(wanted, &pick.platform)
}

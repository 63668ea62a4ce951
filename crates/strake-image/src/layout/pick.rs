//! Which of a layout's images is meant.

use serde_json::Value;

use super::INDEX;
use super::blobs::LayoutBlobs;
use crate::descriptor::Descriptor;
use crate::manifest::{Blobs, Listed, choose, descriptor, names};
use crate::parsed::{OpenError, parse};
use crate::platform::Platform;
use crate::reference;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct LayoutPick {
    /// The image's name; `None`: the only one.
    pub name: Option<String>,
    /// The platform, where an image is there for several.
    pub platform: Platform,
}

#[derive(serde::Deserialize)]
struct List {
    manifests: Option<Vec<Value>>,
}

/// Finds the manifest or index that is meant.
pub(super) fn listed(blobs: &LayoutBlobs, pick: &LayoutPick) -> Result<Listed, OpenError> {
    let list: List = parse(INDEX, &blobs.file(INDEX)?)?;
    let (mut all, mut malformed) = (Vec::new(), None);
    for value in list.manifests.into_iter().flatten() {
        match descriptor(INDEX, value) {
            Ok(descriptor) => all.push(descriptor),
            Err(error) => malformed = malformed.or(Some(error)),
        }
    }
    // A layout may list other images, too: an entry that is malformed matters if the wanted one is not found without it.
    let descriptor = picked(&all, pick).map_err(|error| malformed.unwrap_or(error))?;
    let has_it = |other: &&Descriptor| match &pick.name {
        Some(_) => other.name() == descriptor.name(),
        None => other.digest == descriptor.digest,
    };
    let tags = all.iter().filter(has_it).filter_map(Descriptor::name).map(str::to_owned).collect();
    let text = blobs.json(&descriptor)?;
    Ok(Listed { descriptor, text, tags })
}

fn picked(all: &[Descriptor], pick: &LayoutPick) -> Result<Descriptor, OpenError> {
    let wanted = match &pick.name {
        None => all.to_vec(),
        Some(name) => {
            let exact = |entry: &&Descriptor| entry.name() == Some(name);
            let same = |entry: &&Descriptor| entry.name().is_some_and(|other| reference::same(other, name));
            let missing = || OpenError::NoSuchImage { wanted: name.clone(), there: names(all) };
            let found = all.iter().find(exact).or_else(|| all.iter().find(same));
            vec![found.cloned().ok_or_else(missing)?]
        }
    };
    choose(wanted, &pick.platform)
}

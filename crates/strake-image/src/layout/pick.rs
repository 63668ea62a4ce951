//! Which of a layout's images is meant.

use super::INDEX;
use super::blobs::LayoutBlobs;
use crate::manifest::{Blobs, Entry, Listed, Platform, choose, names};
use crate::parsed::{OpenError, parse};
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
    manifests: Option<Vec<Entry>>,
}

/// Finds the manifest or index that is meant.
pub(super) fn listed(blobs: &LayoutBlobs, pick: &LayoutPick) -> Result<Listed, OpenError> {
    let list: List = parse(INDEX, &blobs.file(INDEX)?)?;
    let all = list.manifests.unwrap_or_default();
    let wanted = match &pick.name {
        None => all.clone(),
        Some(name) => {
            let exact = |entry: &&Entry| entry.name() == Some(name);
            let same = |entry: &&Entry| entry.name().is_some_and(|other| reference::same(other, name));
            let missing = || OpenError::NoSuchImage { wanted: name.clone(), there: names(&all) };
            let entry = all.iter().find(exact).or_else(|| all.iter().find(same));
            vec![entry.cloned().ok_or_else(missing)?]
        }
    };
    let entry = choose(wanted, &pick.platform)?;
    let has_it = |other: &&Entry| match &pick.name {
        Some(_) => other.name() == entry.name(),
        None => other.digest == entry.digest,
    };
    let tags = all.iter().filter(has_it).filter_map(Entry::name).map(str::to_owned).collect();
    let text = blobs.json(entry.digest()?, entry.size)?;
    Ok(Listed { entry, text, tags })
}

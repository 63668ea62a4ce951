//! Which of a layout's images is meant.

use std::collections::{BTreeMap, HashSet};

use super::blobs::Blobs;
use super::{INDEX, read::Text};
use crate::digest::Digest;
use crate::foreign::{OpenError, parse};
use crate::manifest::REF_NAME;
use crate::media_type::Format;
use crate::reference;

/// Indexes may list indexes, so deep.
const MAX_DEPTH: usize = 4;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Pick {
    /// The image's name; `None`: the only one.
    pub name: Option<String>,
    /// The processor architecture, by Go's name for it, where an image is there for several.
    pub architecture: String,
}

/// A descriptor in an index.
#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
}

#[derive(Clone, serde::Deserialize)]
pub(super) struct Platform {
    pub(super) architecture: String,
    pub(super) os: String,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    manifests: Option<Vec<Entry>>,
}

/// A manifest that was found.
pub(super) struct Picked {
    pub(super) entry: Entry,
    pub(super) text: Vec<u8>,
    /// The names under which it was found.
    pub(super) tags: Vec<String>,
}

impl Entry {
    pub(super) fn digest(&self) -> Result<Digest, OpenError> {
        Digest::parse(&self.digest).map_err(OpenError::BlobName)
    }

    fn name(&self) -> Option<&str> {
        self.annotations.as_ref()?.get(REF_NAME).map(String::as_str)
    }

    /// Whether it describes another manifest rather than being an image of its own, as attestations of builds do.
    fn is_remark(&self) -> bool {
        self.annotations.as_ref().is_some_and(|all| all.contains_key("vnd.docker.reference.type"))
    }
}

/// Finds the manifest that is meant.
pub(super) fn manifest(blobs: &Blobs, pick: &Pick) -> Result<Picked, OpenError> {
    let list: List = parse(INDEX, &blobs.file(INDEX)?)?;
    let all = list.manifests.unwrap_or_default();
    let wanted = match &pick.name {
        None => all.clone(),
        Some(name) => {
            let exact = |entry: &&Entry| entry.name() == Some(name);
            let same = |entry: &&Entry| entry.name().is_some_and(|other| reference::same(other, name));
            let entry = all.iter().find(exact).or_else(|| all.iter().find(same));
            vec![entry.cloned().ok_or_else(|| missing(name, &all))?]
        }
    };
    let top = choose(wanted, pick)?;
    let has_it = |entry: &&Entry| match &pick.name {
        Some(_) => entry.name() == top.name(),
        None => entry.digest == top.digest,
    };
    let tags = all.iter().filter(has_it).filter_map(Entry::name).map(str::to_owned).collect();
    let mut entry = top;
    for _ in 0..MAX_DEPTH {
        let digest = entry.digest()?;
        let text = blobs.json(digest, entry.size)?;
        let said: Text = parse(&digest.to_string(), &text)?;
        let is_index = |media_type: &str| Format::ALL.iter().any(|format| format.index() == media_type);
        if !is_index(said.media_type.as_deref().unwrap_or(&entry.media_type)) {
            return Ok(Picked { entry, text, tags });
        }
        let list: List = parse(&digest.to_string(), &text)?;
        entry = choose(list.manifests.unwrap_or_default(), pick)?;
    }
    Err(OpenError::Depth)
}

/// The entry for the wanted platform, or the only one.
fn choose(entries: Vec<Entry>, pick: &Pick) -> Result<Entry, OpenError> {
    let mut seen = HashSet::new();
    let is_new = |entry: &Entry| !entry.is_remark() && seen.insert(entry.digest.clone());
    let mut left: Vec<Entry> = entries.into_iter().filter(is_new).collect();
    if left.len() > 1 {
        let fits = |entry: &Entry| {
            let platform = entry.platform.as_ref();
            platform
                .is_some_and(|platform| platform.os == "linux" && platform.architecture == pick.architecture)
        };
        let by_platform = left.iter().all(|entry| entry.platform.is_some());
        match left.iter().filter(|entry| fits(entry)).count() {
            0 if by_platform => {
                let wanted = format!("linux/{}", pick.architecture);
                return Err(OpenError::NoSuchImage { wanted, there: names(&left) });
            }
            1 if by_platform => left.retain(fits),
            _ => {}
        }
    }
    match left.len() {
        0 => Err(OpenError::NoImage),
        1 => Ok(left.remove(0)),
        _ => Err(OpenError::Several(names(&left))),
    }
}

fn missing(wanted: &str, all: &[Entry]) -> OpenError {
    OpenError::NoSuchImage { wanted: wanted.to_owned(), there: names(all) }
}

fn names(entries: &[Entry]) -> String {
    let names: Vec<String> = entries
        .iter()
        .map(|entry| match (entry.name(), &entry.platform) {
            (Some(name), _) => name.to_owned(),
            (None, Some(platform)) => format!("{}/{}", platform.os, platform.architecture),
            (None, None) => entry.digest.chars().take(80).collect(),
        })
        .collect();
    reference::list(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

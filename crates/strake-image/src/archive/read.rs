//! Opens a docker-archive.

use std::collections::HashSet;
use std::path::Path;

use super::NamedDigest;
use crate::digest::Digest;
use crate::draft::{Contents, LayerDraft, Origin};
use crate::parsed::{Config, Fault, Members, OpenError, ParsedImage, parse, shapes};
use crate::recipe::{Recipe, Tarball};
use crate::reference;
use crate::tar::{Kind, Member};

/// Which of an archive's images is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ArchivePick {
    /// The first.
    #[default]
    First,
    /// The one that stands at this place, from 0.
    At(usize),
    /// The one with this name.
    Named(String),
}

/// The part of `manifest.json` that is used.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestItem {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

const MANIFEST: &str = "manifest.json";

/// Opens a docker-archive, plain or compressed, of which the first image is taken. `aside` is as for [`open_image`].
pub fn open(path: &Path, aside: &Path) -> Result<ParsedImage, OpenError> {
    open_image(path, &ArchivePick::First, aside)
}

/// Opens an image of a docker-archive, plain or compressed. Where it is compressed and its layers stand in another order than the
/// image has them, they are put aside in the directory `aside` when they are read, in a file without a name.
pub fn open_image(path: &Path, pick: &ArchivePick, aside: &Path) -> Result<ParsedImage, OpenError> {
    let members = Members::open(path, aside)?;
    let mut problems = members.problems()?;
    let manifest = members.json(MANIFEST)?;
    let mut items: Vec<ManifestItem> = parse(MANIFEST, &shapes::ARCHIVE, &manifest)?;
    let place = picked(&items, pick)?;
    if let Some(name) = named_twice(&items, place) {
        let text = format!("{MANIFEST:?} gives the name {name:?} to several images");
        problems.push(Fault::tolerated(OpenError::Contradiction(text)));
    }
    let item = items.swap_remove(place);
    // Docker writes null for an image without layers.
    let names = item.layers.unwrap_or_default();
    let config = Config::parse(&item.config, members.json(&item.config)?, names.len())?;
    let found = Digest::of(&config.text);
    if NamedDigest::of(&item.config).is_some_and(|said| !said.fits(found, found)) {
        problems.push(Fault::tolerated(OpenError::Misnamed { member: item.config.clone(), found }));
    }
    let mut layers = Vec::with_capacity(names.len());
    for (place, diff_id) in config.diff_ids.iter().enumerate() {
        layers.push(layer(&members, &names, place, *diff_id)?);
    }
    let tags = item.repo_tags.unwrap_or_default();
    Ok(ParsedImage {
        layers,
        config,
        tags,
        manifest,
        has_oci_manifest: false,
        media_types: Vec::new(),
        problems,
    })
}

/// The place of the image that is meant.
fn picked(items: &[ManifestItem], pick: &ArchivePick) -> Result<usize, OpenError> {
    match pick {
        ArchivePick::First => (!items.is_empty()).then_some(0).ok_or(OpenError::NoImage),
        ArchivePick::At(place) => (*place < items.len()).then_some(*place).ok_or_else(|| {
            OpenError::NoSuchImage { wanted: format!("@{place}"), there: format!("{} of them", items.len()) }
        }),
        ArchivePick::Named(name) => {
            let named =
                |item: &ManifestItem| item.repo_tags.iter().flatten().any(|tag| reference::same(tag, name));
            items.iter().position(named).ok_or_else(|| {
                let tags: Vec<&str> =
                    items.iter().flat_map(|item| &item.repo_tags).flatten().map(String::as_str).collect();
                OpenError::NoSuchImage { wanted: name.clone(), there: reference::list(&tags) }
            })
        }
    }
}

/// A name of the image at this place that another image has, too. Docker gives it to the last one, skopeo and podman to the first.
fn named_twice(items: &[ManifestItem], place: usize) -> Option<&str> {
    let item = &items[place];
    let is_other = |other: &&ManifestItem| other.config != item.config || other.layers != item.layers;
    let others = items.iter().filter(is_other).flat_map(|other| other.repo_tags.iter().flatten());
    let others: HashSet<_> = others.map(|name| reference::full(name)).collect();
    let names = item.repo_tags.iter().flatten().map(String::as_str);
    names.into_iter().find(|name| others.contains(&reference::full(name)))
}

/// The layer in this place. `listed` are the names of all layers.
fn layer(
    members: &Members,
    listed: &[String],
    place: usize,
    diff_id: Digest,
) -> Result<LayerDraft, OpenError> {
    let name = &listed[place];
    let named = members.member(name)?;
    let file = members.file(name)?;
    // A link to another layer stays one. Its other targets are not in the new archive, nor are links on the way to them;
    // and a hard link must stand behind what it points to.
    let (link, target) = (String::from_utf8_lossy(&named.linkname), clean(&file.name));
    let is_listed = |listed: &[String]| listed.iter().any(|name| clean(name) == target);
    let stays = match named.kind {
        Kind::SYMLINK => is_listed(listed) && link == relative(clean(name), target),
        Kind::HARD_LINK => is_listed(&listed[..place]) && clean(&link) == target,
        _ => true,
    };
    let member = if stays { named.clone() } else { renamed(file.member, &named.name) };
    let size = file.member.size;
    let contents = Contents::Base(String::from_utf8_lossy(&member.name).into_owned());
    let tarball = Tarball { source: file.source, size, diff_id, digest: None, codec: None, is_layer: true };
    let layer = LayerDraft::new(Recipe::Tarball(tarball), Origin::Base, contents);
    Ok(LayerDraft { member: Some(member), ..layer })
}

/// A name without what does not tell it from others.
fn clean(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

/// The member under another name.
fn renamed(member: &Member, name: &[u8]) -> Member {
    let mut renamed = Member { name: name.to_vec(), ..member.clone() };
    renamed.records.retain(|(keyword, _)| keyword != b"path");
    renamed
}

/// The shortest relative link at `name` to `target`, of two plain names.
fn relative(name: &str, target: &str) -> String {
    let shared = name.split('/').zip(target.split('/')).take_while(|(one, other)| one == other).count();
    let up = name.split('/').count() - 1;
    let shared = shared.min(up);
    let down = target.split('/').skip(shared).map(str::to_owned);
    std::iter::repeat_n("..".to_owned(), up - shared).chain(down).collect::<Vec<_>>().join("/")
}

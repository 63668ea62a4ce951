//! Opens a docker-archive.

use std::path::Path;

use crate::digest::Digest;
use crate::draft::{Contents, LayerDraft, Origin};
use crate::parsed::{Config, Members, OpenError, ParsedImage, parse, shapes};
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

/// Opens a docker-archive, plain or compressed, of which the first image is taken.
pub fn open(path: &Path) -> Result<ParsedImage, OpenError> {
    open_image(path, &ArchivePick::First)
}

/// Opens an image of a docker-archive, plain or compressed.
pub fn open_image(path: &Path, pick: &ArchivePick) -> Result<ParsedImage, OpenError> {
    let members = Members::open(path)?;
    let manifest = members.json(MANIFEST)?;
    let item = picked(parse(MANIFEST, &shapes::ARCHIVE, &manifest)?, pick)?;
    // Docker writes null for an image without layers.
    let names = item.layers.unwrap_or_default();
    let config = Config::parse(&item.config, members.json(&item.config)?, names.len())?;
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
        problems: Vec::new(),
    })
}

fn picked(mut items: Vec<ManifestItem>, pick: &ArchivePick) -> Result<ManifestItem, OpenError> {
    let place = match pick {
        ArchivePick::First => (!items.is_empty()).then_some(0).ok_or(OpenError::NoImage)?,
        ArchivePick::At(place) => (*place < items.len()).then_some(*place).ok_or_else(|| {
            OpenError::NoSuchImage { wanted: format!("@{place}"), there: format!("{} of them", items.len()) }
        })?,
        ArchivePick::Named(name) => {
            let named =
                |item: &ManifestItem| item.repo_tags.iter().flatten().any(|tag| reference::same(tag, name));
            items.iter().position(named).ok_or_else(|| {
                let tags: Vec<&str> =
                    items.iter().flat_map(|item| &item.repo_tags).flatten().map(String::as_str).collect();
                OpenError::NoSuchImage { wanted: name.clone(), there: reference::list(&tags) }
            })?
        }
    };
    Ok(items.swap_remove(place))
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
    // A link to another layer stays one. What else it points to will not be in the new archive, nor will what lies on its way there;
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

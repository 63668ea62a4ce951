//! Opens a docker-archive as a base image.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::index::{self, Found, Index};
use crate::compression::{Codec, CompressedFile};
use crate::digest::{Digest, DigestError};
use crate::draft::{LayerDraft, Origin};
use crate::error::Error;
use crate::recipe::{Recipe, Source, Tarball};
use crate::sink::{Sink, SinkError};
use crate::tar::{Kind, Member};

/// The most that a config or `manifest.json` may take, in bytes.
const MAX_JSON: u64 = 8 * 1024 * 1024;

/// So many links are followed for one layer.
const MAX_LINKS: usize = 8;

/// An image to build on.
#[derive(Debug)]
pub struct BaseImage {
    /// Its layers, lowest first.
    pub layers: Vec<LayerDraft>,
    /// The `config` part of its config: what a container is started with. Empty where it has none.
    pub config: Map<String, Value>,
}

/// Why a file is not a base image.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The file cannot be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// The file is not a tar archive, or is damaged.
    #[error("is not a tar archive, or it is damaged")]
    Tar(#[source] io::Error),
    /// The file ends in the middle of a member.
    #[error("is cut short")]
    Truncated,
    /// A member that must be there is not.
    #[error("has no member {0:?}")]
    Missing(String),
    /// `manifest.json` lists none.
    #[error("holds no image")]
    NoImage,
    /// A member is not the JSON that it must be.
    #[error("has a damaged {member:?}")]
    Json {
        /// The member.
        member: String,
        /// What the JSON parser said.
        source: serde_json::Error,
    },
    /// A JSON member is larger than any image's.
    #[error("has a member {0:?} that is larger than any image's")]
    TooLarge(String),
    /// The layers and their diff ids do not match in number.
    #[error("has {layers} layers but {diff_ids} diff ids")]
    Count {
        /// In `manifest.json`.
        layers: usize,
        /// In the config.
        diff_ids: usize,
    },
    /// A diff id is not a digest.
    #[error("has a damaged diff id")]
    DiffId(#[from] DigestError),
    /// A member's name leads out of the archive.
    #[error("names a member {0:?}, which is not a plain relative path")]
    UnsafeName(String),
    /// A layer is not a file.
    #[error("has a layer {0:?} that is not a file")]
    LayerType(String),
    /// A layer is not what the config says.
    #[error("has a damaged layer")]
    Layer(#[source] Error),
}

/// The part of `manifest.json` that is used.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestItem {
    config: String,
    layers: Vec<String>,
}

/// The part of an image config that is used.
#[derive(serde::Deserialize)]
struct Config {
    config: Option<Map<String, Value>>,
    rootfs: RootFs,
}

#[derive(serde::Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// Opens a docker-archive, plain or compressed, of which the first image is taken.
pub fn open(path: &Path) -> Result<BaseImage, BaseError> {
    let file = File::open(path).map_err(BaseError::Read)?;
    let mut start = Vec::new();
    (&file).take(8).read_to_end(&mut start).map_err(BaseError::Read)?;
    let archive = match Codec::detect(&start) {
        Some(codec) => Archive::Compressed(Arc::new(CompressedFile::new(path.to_owned(), codec))),
        None => Archive::Plain(path.to_owned(), file),
    };
    let index = archive.index()?;
    let images: Vec<ManifestItem> = archive.json(&index, "manifest.json")?;
    let manifest = images.into_iter().next().ok_or(BaseError::NoImage)?;
    let config: Config = archive.json(&index, &manifest.config)?;
    let diff_ids = config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(BaseError::Count { layers: manifest.layers.len(), diff_ids: diff_ids.len() });
    }
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (name, diff_id) in manifest.layers.iter().zip(&diff_ids) {
        layers.push(archive.layer(&index, &manifest.layers, name, Digest::parse(diff_id)?)?);
    }
    Ok(BaseImage { layers, config: config.config.unwrap_or_default() })
}

enum Archive {
    Plain(PathBuf, File),
    Compressed(Arc<CompressedFile>),
}

impl Archive {
    fn index(&self) -> Result<Index, BaseError> {
        match self {
            Self::Plain(_, file) => {
                io::Seek::rewind(&mut &*file).map_err(BaseError::Read)?;
                index::plain(file)
            }
            Self::Compressed(file) => index::compressed(file),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Plain(path, _) => path,
            Self::Compressed(file) => file.path(),
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&self, index: &Index, name: &str) -> Result<T, BaseError> {
        let found = find(index, name)?;
        if found.member.size > MAX_JSON {
            return Err(BaseError::TooLarge(name.to_owned()));
        }
        let content = match &found.content {
            Some(content) => content,
            None => &self.content(found).map_err(BaseError::Read)?,
        };
        serde_json::from_slice(content).map_err(|source| BaseError::Json { member: name.to_owned(), source })
    }

    fn content(&self, found: &Found) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(_, file) => {
                let mut content = vec![0; usize::try_from(found.member.size).unwrap_or(0)];
                file.read_exact_at(&mut content, found.position)?;
                Ok(content)
            }
            Self::Compressed(file) => {
                let mut content = Collect(Vec::new());
                file.copy(found.position, found.member.size, &mut content).map_err(io::Error::other)?;
                Ok(content.0)
            }
        }
    }

    /// The layer under this name. `listed` are the names of all layers.
    fn layer(
        &self,
        index: &Index,
        listed: &[String],
        name: &str,
        diff_id: Digest,
    ) -> Result<LayerDraft, BaseError> {
        let named = find(index, name)?;
        let (target, found) = follow(index, name)?;
        if let Some(digests) = &found.digests {
            digests.check(&self.path().join(name), diff_id).map_err(BaseError::Layer)?;
        }
        let source = match self {
            Self::Plain(path, _) => Source::File { path: path.clone(), offset: found.position },
            Self::Compressed(file) => Source::Compressed { file: file.clone(), offset: found.position },
        };
        // A link to another layer stays one. What else it points to will not be in the new archive.
        let member = if listed.contains(&target) {
            named.member.clone()
        } else {
            Member { name: named.member.name.clone(), ..found.member.clone() }
        };
        Ok(LayerDraft {
            recipe: Recipe::Tarball(Tarball { source, size: found.member.size, diff_id }),
            origin: Origin::Base,
            contents: vec![String::from_utf8_lossy(&member.name).into_owned()],
            member: Some(member),
        })
    }
}

/// The member of this name, which must not lead out of the archive.
fn find<'i>(index: &'i Index, name: &str) -> Result<&'i Found, BaseError> {
    let name = name.strip_prefix("./").unwrap_or(name);
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) || name.contains('\0') {
        return Err(BaseError::UnsafeName(name.to_owned()));
    }
    index.get(name).ok_or_else(|| BaseError::Missing(name.to_owned()))
}

/// The file of this name, and its own name: behind links, which old versions of Docker write for layers that are equal.
fn follow<'i>(index: &'i Index, name: &str) -> Result<(String, &'i Found), BaseError> {
    let mut name = name.to_owned();
    for _ in 0..MAX_LINKS {
        let found = find(index, &name)?;
        let link = String::from_utf8_lossy(&found.member.linkname).into_owned();
        name = match found.member.kind {
            kind if kind.is_file() => return Ok((name, found)),
            Kind::HARD_LINK => link,
            Kind::SYMLINK => beside(&name, &link).ok_or(BaseError::UnsafeName(link))?,
            _ => return Err(BaseError::LayerType(name)),
        };
    }
    Err(BaseError::LayerType(name))
}

/// What a symbolic link means: its target as seen from the directory it is in. `None` outside the archive.
fn beside(name: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            "." => {}
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Gathers bytes in memory.
struct Collect(Vec<u8>);

impl Sink for Collect {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, _: BorrowedFd<'_>, _: u64, length: u64) -> Result<(), SinkError> {
        Err(SinkError::Short { missing: length })
    }
}

//! The files of a layout: in a directory, or in an archive of one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{LAYOUT, blob_name};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::manifest::{Blobs, FoundBlob};
use crate::parsed::{Fault, MAX_JSON, Members, OpenError, parse, shapes};
use crate::recipe::Source;

/// Where a layout's files are.
pub(super) enum LayoutBlobs {
    Directory(PathBuf),
    Archive(Members),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    image_layout_version: String,
}

impl LayoutBlobs {
    pub(super) fn directory(root: &Path) -> Result<Self, OpenError> {
        Ok(Self::Directory(fs::canonicalize(root).map_err(OpenError::Read)?))
    }

    pub(super) fn archive(path: &Path, aside: &Path) -> Result<Self, OpenError> {
        Ok(Self::Archive(Members::open(path, aside)?))
    }

    /// What is wrong with the archive, where they are in one.
    pub(super) fn problems(&self) -> Result<Vec<Fault>, OpenError> {
        match self {
            Self::Directory(_) => Ok(Vec::new()),
            Self::Archive(members) => members.problems(),
        }
    }

    /// Makes sure that it is a layout of a version that is known: any that begins as the first does.
    pub(super) fn check_version(&self) -> Result<(), OpenError> {
        let Version { image_layout_version: version } = parse(LAYOUT, &shapes::LAYOUT, &self.file(LAYOUT)?)?;
        let mut parts = version.split('.');
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if parts.next() == Some("1") && parts.all(is_number) {
            Ok(())
        } else {
            Err(OpenError::Version(version))
        }
    }

    /// A file that should be JSON.
    pub(super) fn file(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let root = match self {
            Self::Archive(members) => return members.json(name),
            Self::Directory(root) => root,
        };
        let path = inside(root, name)?;
        let mut text = Vec::new();
        File::open(path)
            .map_err(OpenError::Read)?
            .take(MAX_JSON + 1)
            .read_to_end(&mut text)
            .map_err(OpenError::Read)?;
        if text.len() as u64 > MAX_JSON { Err(OpenError::TooLarge(name.to_owned())) } else { Ok(text) }
    }
}

impl Blobs for LayoutBlobs {
    fn json(&self, &Descriptor { digest, size, .. }: &Descriptor) -> Result<Vec<u8>, OpenError> {
        let name = blob_name(digest);
        if size > MAX_JSON {
            return Err(OpenError::TooLarge(name));
        }
        let text = self.file(&name)?;
        if text.len() as u64 != size {
            return Err(OpenError::Size { digest, expected: size, found: text.len() as u64 });
        }
        match Digest::of(&text) {
            found if found == digest => Ok(text),
            found => Err(OpenError::Digest { expected: digest, found }),
        }
    }

    fn layer(&self, &Descriptor { digest, size, .. }: &Descriptor) -> FoundBlob {
        let name = blob_name(digest);
        let (found, place) = match self {
            Self::Directory(root) => (layer_file(root, &name), root.join(&name)),
            Self::Archive(members) => {
                let file = members.file(&name).map(|file| (file.source, file.member.size));
                (file, members.path().join(&name))
            }
        };
        let elsewhere = Source::Elsewhere { path: place };
        let problem = match found {
            Ok((source, length)) if length == size => {
                let found = match &source {
                    Source::Compressed { digests, .. } if digests.stored() != digest => digests.stored(),
                    _ => return FoundBlob { source, problem: None },
                };
                OpenError::Digest { expected: digest, found }
            }
            Ok((_, found)) => OpenError::Size { digest, expected: size, found },
            Err(OpenError::Missing(_)) => return FoundBlob { source: elsewhere, problem: None },
            Err(problem) => problem,
        };
        FoundBlob { source: elsewhere, problem: Some(problem) }
    }
}

fn layer_file(root: &Path, name: &str) -> Result<(Source, u64), OpenError> {
    let path = inside(root, name)?;
    let length = path.metadata().map_err(OpenError::Read)?.len();
    Ok((Source::File { path, offset: 0 }, length))
}

/// A regular file's real place, which must be below the root.
fn inside(root: &Path, name: &str) -> Result<PathBuf, OpenError> {
    let path = fs::canonicalize(root.join(name)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::Missing(name.to_owned()),
        _ => OpenError::Read(error),
    })?;
    if !path.starts_with(root) {
        return Err(OpenError::Outside(name.to_owned()));
    }
    // Not even opened: opening a pipe would wait for somebody to write to it.
    if !path.metadata().map_err(OpenError::Read)?.is_file() {
        return Err(OpenError::LayerType(name.to_owned()));
    }
    Ok(path)
}

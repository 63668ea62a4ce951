//! A tar archive, plain or compressed, of which members are wanted by name.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::OpenError;
use super::index::{self, FoundMember, MemberIndex};
use crate::codec::Codec;
use crate::compression::CompressedFile;
use crate::limits::MAX_JSON;
use crate::recipe::Source;
use crate::sink::{Sink, SinkError};
use crate::tar::{Kind, Member};

/// So many links are followed for one member.
const MAX_LINKS: usize = 8;

/// An archive whose members are known.
pub(crate) struct Members {
    archive: Archive,
    index: MemberIndex,
}

enum Archive {
    Plain(PathBuf, File),
    Compressed(Arc<CompressedFile>),
}

/// A file in an archive.
pub(crate) struct FileMember<'m> {
    /// Its own name: the target's, where a link was named.
    pub(crate) name: String,
    pub(crate) member: &'m Member,
    pub(crate) source: Source,
}

impl Members {
    /// Lists an archive. A compressed one is read from end to end.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(OpenError::Read)?;
        let mut start = Vec::new();
        (&file).take(8).read_to_end(&mut start).map_err(OpenError::Read)?;
        Ok(if let Some(codec) = Codec::detect(&start) {
            let file = Arc::new(CompressedFile::new(path.to_owned(), codec));
            Self { index: index::compressed(&file)?, archive: Archive::Compressed(file) }
        } else {
            io::Seek::rewind(&mut &file).map_err(OpenError::Read)?;
            Self { index: index::plain(&file)?, archive: Archive::Plain(path.to_owned(), file) }
        })
    }

    /// The archive's place.
    pub(crate) fn path(&self) -> &Path {
        match &self.archive {
            Archive::Plain(path, _) => path,
            Archive::Compressed(file) => file.path(),
        }
    }

    /// The member of this name, whatever it is.
    pub(crate) fn member(&self, name: &str) -> Result<&Member, OpenError> {
        Ok(&self.find(name)?.member)
    }

    /// The content of a member that should be JSON.
    pub(crate) fn json(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let found = self.find(name)?;
        if found.member.size > MAX_JSON {
            return Err(OpenError::TooLarge(name.to_owned()));
        }
        match &found.content {
            Some(content) => Ok(content.clone()),
            None => self.content(found).map_err(OpenError::Read),
        }
    }

    fn content(&self, found: &FoundMember) -> io::Result<Vec<u8>> {
        match &self.archive {
            Archive::Plain(_, file) => {
                let mut content = vec![0; usize::try_from(found.member.size).unwrap_or(0)];
                file.read_exact_at(&mut content, found.position)?;
                Ok(content)
            }
            Archive::Compressed(file) => {
                let mut content = Collect(Vec::new());
                file.copy(found.position, found.member.size, &mut content).map_err(io::Error::other)?;
                Ok(content.0)
            }
        }
    }

    /// The file of this name, behind links, which old versions of Docker write for layers that are equal.
    pub(crate) fn file(&self, name: &str) -> Result<FileMember<'_>, OpenError> {
        let mut name = name.to_owned();
        for _ in 0..MAX_LINKS {
            let found = self.find(&name)?;
            let link = String::from_utf8_lossy(&found.member.linkname).into_owned();
            name = match found.member.kind {
                kind if kind.is_file() => {
                    let source = self.source(found).ok_or(OpenError::Truncated)?;
                    return Ok(FileMember { name, member: &found.member, source });
                }
                Kind::HARD_LINK => link,
                Kind::SYMLINK => beside(&name, &link).ok_or(OpenError::UnsafeName(link))?,
                _ => return Err(OpenError::LayerType(name)),
            };
        }
        Err(OpenError::LayerType(name))
    }

    fn source(&self, found: &FoundMember) -> Option<Source> {
        Some(match &self.archive {
            Archive::Plain(path, _) => Source::File { path: path.clone(), offset: found.position },
            Archive::Compressed(file) => {
                let digests = found.digests.as_ref()?;
                Source::Compressed { file: file.clone(), offset: found.position, digests: digests.clone() }
            }
        })
    }

    /// The member of this name, which must not lead out of the archive.
    fn find(&self, name: &str) -> Result<&FoundMember, OpenError> {
        let name = name.strip_prefix("./").unwrap_or(name);
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) || name.contains('\0') {
            return Err(OpenError::UnsafeName(name.to_owned()));
        }
        self.index.get(name).ok_or_else(|| OpenError::Missing(name.to_owned()))
    }
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

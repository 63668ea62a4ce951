//! A tar archive, plain or compressed, of which members are wanted by name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::OpenError;
use super::image::Fault;
use super::index::{FoundMember, MemberIndex, OtherMember};
use crate::codec::Codec;
use crate::compression::CompressedFile;
use crate::limits::{MAX_JSON, MAX_NAME};
use crate::recipe::{Depth, Digests, Source};
use crate::sink::{BUFFER, Sink, SinkError, read_range};
use crate::tar::{Kind, Member};

/// The maximum number of links that are followed for one member.
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
    /// Lists an archive. A compressed one is read from end to end, and what must be put aside of it later goes into the directory
    /// `aside`.
    pub(crate) fn open(path: &Path, aside: &Path) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(OpenError::Read)?;
        let mut start = Vec::new();
        (&file).take(8).read_to_end(&mut start).map_err(OpenError::Read)?;
        Ok(if let Some(codec) = Codec::detect(&start) {
            let file = Arc::new(CompressedFile::new(path.to_owned(), codec, aside.to_owned()));
            Self { index: MemberIndex::of_compressed(&file)?, archive: Archive::Compressed(file) }
        } else {
            io::Seek::rewind(&mut &file).map_err(OpenError::Read)?;
            Self { index: MemberIndex::of_plain(&file)?, archive: Archive::Plain(path.to_owned(), file) }
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

    /// The content of a file that should be JSON, behind links.
    pub(crate) fn json(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let (_, found) = self.followed(name)?;
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

    /// The file of this name, behind links, which old versions of Docker write for layers that are equal. It will be read, after
    /// those that were asked for before.
    pub(crate) fn file(&self, name: &str) -> Result<FileMember<'_>, OpenError> {
        let (name, found) = self.followed(name)?;
        let source = self.source(found).ok_or(OpenError::Truncated)?;
        Ok(FileMember { name, member: &found.member, source })
    }

    fn followed(&self, name: &str) -> Result<(String, &FoundMember), OpenError> {
        let mut name = name.to_owned();
        for _ in 0..MAX_LINKS {
            let found = self.find(&name)?;
            let link = String::from_utf8_lossy(&found.member.linkname).into_owned();
            name = match found.member.kind {
                kind if kind.is_file() => return Ok((name, found)),
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
                file.expect(found.position..found.position + found.member.size);
                let digests = found.digests.clone()?;
                Source::Compressed { file: file.clone(), offset: found.position, digests }
            }
        })
    }

    /// The member of this name, which must not lead out of the archive.
    fn find(&self, name: &str) -> Result<&FoundMember, OpenError> {
        let name = name.strip_prefix("./").unwrap_or(name);
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) || name.contains('\0') {
            return Err(OpenError::UnsafeName(name.to_owned()));
        }
        let found = self.index.members.get(name).filter(|found| !found.is_absolute);
        found.ok_or_else(|| OpenError::Missing(name.to_owned()))
    }

    /// Defects of the archive that do not prevent reading it.
    ///
    /// Where members of one name differ, Docker and containerd take the last, skopeo, podman and crane the first. Where one is a
    /// directory and another is not, only those who unpack them all see what becomes of what is in the directory.
    pub(crate) fn problems(&self) -> Result<Vec<Fault>, OpenError> {
        let MemberIndex { members, outside, unknown, flaw } = &self.index;
        let mut problems: Vec<_> = outside.iter().cloned().map(OpenError::MemberOutside).collect();
        problems.extend(unknown.iter().cloned().map(OpenError::MemberKind));
        problems.extend(flaw.map(OpenError::Flaw));
        for (name, found) in members {
            let kinds = found.others.iter().map(|other| other.kind).chain([found.member.kind]);
            let is_file = kinds.into_iter().any(|kind| kind != Kind::DIRECTORY);
            let below = format!("{name}/");
            let mut behind = members.range(below.clone()..);
            let has_members = is_file && behind.next().is_some_and(|(next, _)| next.starts_with(&below));
            let mut is_ambiguous = has_members;
            for other in &found.others {
                is_ambiguous = is_ambiguous || !self.are_equal(found, other).map_err(OpenError::Read)?;
            }
            if is_ambiguous {
                problems.push(OpenError::Ambiguous(name.chars().take(MAX_NAME).collect()));
            }
        }
        Ok(problems.into_iter().map(Fault::tolerated).collect())
    }

    /// Whether it does not matter which of two members is taken.
    fn are_equal(&self, found: &FoundMember, other: &OtherMember) -> io::Result<bool> {
        let FoundMember { member, position, digests, .. } = found;
        if !member.kind.is_file() || !other.kind.is_file() {
            let is_link = matches!(member.kind, Kind::SYMLINK | Kind::HARD_LINK);
            return Ok(member.kind == other.kind && (!is_link || member.linkname == other.linkname));
        }
        let digest = |digests: &Option<Arc<Digests>>, position| match (digests, &self.archive) {
            (Some(digests), _) => Ok::<_, io::Error>(digests.stored()),
            (None, Archive::Plain(_, file)) => {
                let mut file = file;
                file.seek(SeekFrom::Start(position))?;
                Ok(Digests::read(&mut file.take(member.size), Depth::Bytes)?.stored())
            }
            (None, Archive::Compressed(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        Ok(member.size == other.size
            && digest(digests, *position)? == digest(&other.digests, other.position)?)
    }
}

/// The target of a symbolic link, as seen from the directory it is in. `None` outside the archive.
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

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        read_range(file, offset, length, &mut vec![0; BUFFER], |data| self.bytes(data))
    }
}

//! An archive on its way to an output, written member by member.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::output::{Output, OutputError};
use crate::sink::{DescriptorSink, Sink, SinkError};
use crate::tar::{Member, Writer};
use crate::target::{BlobWriter, TargetError};

/// An archive that is being written. If it is dropped before it is finished, no file is left.
pub(crate) struct ArchiveStream<'p> {
    /// Taken when it is finished.
    output: Option<(Output, DescriptorSink<'p>)>,
    position: u64,
}

/// The content of a member that is being written.
pub(crate) struct MemberContent<'a, 'p> {
    archive: &'a mut ArchiveStream<'p>,
    size: u64,
}

impl<'p> ArchiveStream<'p> {
    /// Begins an archive. Bytes written are added to `progress`.
    pub(crate) fn new(output: Output, progress: &'p AtomicU64) -> Result<Self, OutputError> {
        let sink = DescriptorSink::new(output.descriptor()?, progress);
        Ok(Self { output: Some((output, sink)), position: 0 })
    }

    /// The archive's place.
    pub(crate) fn path(&self) -> &Path {
        self.output.as_ref().map_or(Path::new("-"), |(output, _)| output.path())
    }

    /// Writes a member's header.
    pub(crate) fn member(&mut self, member: &Member) -> Result<(), Error> {
        self.with(|tar| Ok(tar.member(member)?))
    }

    /// Writes a file from memory.
    pub(crate) fn document(&mut self, name: &str, content: &[u8], mtime: i64) -> Result<(), Error> {
        self.with(|tar| {
            tar.member(&Member::file(name, content.len() as u64, mtime))?;
            Ok(tar.bytes(content)?)
        })
    }

    /// Writes the first `length` bytes of a file as a member's content.
    pub(crate) fn file(&mut self, file: BorrowedFd<'_>, length: u64) -> Result<(), Error> {
        self.with(|tar| Ok(tar.file(file, length)?))
    }

    /// The content of the member whose header was written last: `size` bytes.
    pub(crate) fn content(&mut self, size: u64) -> MemberContent<'_, 'p> {
        MemberContent { archive: self, size }
    }

    /// Ends the archive, which gets its name.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.with(|tar| Ok(tar.finish().map(drop)?))?;
        let Some((output, sink)) = self.output.take() else { return Ok(()) };
        sink.finish()?;
        output.commit().map_err(|error| Error::Output { path: error.path, source: error.source })
    }

    fn with<T>(&mut self, write: impl FnOnce(&mut Writer<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let Some((_, sink)) = &mut self.output else { return Err(Error::Cancelled) };
        let mut tar = Writer::resume(sink, self.position);
        let written = write(&mut tar);
        self.position = tar.position();
        written
    }

    fn sink(&mut self) -> Result<&mut DescriptorSink<'p>, SinkError> {
        self.output.as_mut().map(|(_, sink)| sink).ok_or(SinkError::Cancelled)
    }
}

impl Sink for MemberContent<'_, '_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.archive.sink()?.bytes(data)
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        self.archive.sink()?.file(file, offset, length)
    }
}

impl BlobWriter for MemberContent<'_, '_> {
    fn finish(self: Box<Self>, _: &Descriptor) -> Result<(), TargetError> {
        let Self { archive, size } = *self;
        Ok(archive.with(|tar| Ok(tar.skip(size)?))?)
    }
}

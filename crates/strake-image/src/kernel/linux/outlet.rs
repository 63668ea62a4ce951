//! Has the kernel copy file data to where it goes, without its passing through this process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

use super::staging::Staging;
use crate::kernel::{wait, write_some};

/// At most this much in one call, so that progress shows.
const TRANSFER: u64 = 16 * 1024 * 1024;

/// How the kernel can be asked to copy file data.
#[derive(Clone, Copy)]
enum Transfer {
    /// Between two files, which some file systems do without moving any data.
    CopyFileRange,
    /// From a file into a pipe.
    Splice,
    /// From a file into anything.
    SendFile,
    /// Not at all.
    Never,
}

/// A descriptor that is written to.
pub(crate) struct Outlet {
    target: OwnedFd,
    staging: Option<Staging>,
    transfer: Transfer,
}

impl Outlet {
    /// Writes at the descriptor's own position. A pipe is made larger if it can be.
    pub(crate) fn new(target: OwnedFd) -> Self {
        let kind = rustix::fs::fstat(&target).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let (transfer, staging) = match kind {
            Ok(FileType::RegularFile) => (Transfer::CopyFileRange, None),
            // Without a pipe in front it works too, only slower.
            Ok(FileType::Fifo) => (Transfer::Splice, Staging::new(target.as_fd()).ok()),
            _ => (Transfer::SendFile, None),
        };
        Self { target, staging, transfer }
    }

    /// Writes some of the data, at least a byte.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.staging {
            Some(staging) => staging.write(data, self.target.as_fd()),
            None => write_some(self.target.as_fd(), data),
        }
    }

    /// Has the kernel copy some of a file's bytes, and returns how many went: none at the file's end. `None`: it cannot, from this
    /// file to there.
    pub(crate) fn send(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<Option<u64>> {
        let most = usize::try_from(length.min(TRANSFER)).unwrap_or(usize::MAX);
        loop {
            let mut position = offset;
            let from = Some(&mut position);
            let to = self.staging.as_ref().map_or(self.target.as_fd(), Staging::door);
            let moved = match self.transfer {
                Transfer::CopyFileRange => rustix::fs::copy_file_range(file, from, to, None, most),
                Transfer::Splice => rustix::pipe::splice(file, from, to, None, most, SpliceFlags::empty()),
                Transfer::SendFile => rustix::fs::sendfile(to, file, from, most),
                Transfer::Never => return Ok(None),
            };
            match moved {
                Ok(moved) => {
                    self.staging.iter_mut().for_each(|staging| staging.went_in(moved));
                    return Ok(Some(moved as u64));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match &mut self.staging {
                    Some(staging) => staging.advance(self.target.as_fd())?,
                    None => wait(self.target.as_fd())?,
                },
                // Two file systems, a file opened for appending, a file system that does not take part.
                Err(
                    Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP | Errno::BADF | Errno::PERM,
                ) => {
                    self.transfer = match self.transfer {
                        Transfer::CopyFileRange | Transfer::Splice => Transfer::SendFile,
                        Transfer::SendFile | Transfer::Never => Transfer::Never,
                    };
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until everything has gone, and hands the descriptor back.
    pub(crate) fn finish(self) -> io::Result<OwnedFd> {
        if let Some(mut staging) = self.staging {
            staging.empty(self.target.as_fd())?;
        }
        Ok(self.target)
    }
}

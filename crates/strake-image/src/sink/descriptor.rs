//! A sink that is a file descriptor: a pipe, a file, a device.
//!
//! Headers and small files are gathered in a buffer; a large file goes from the page cache to the other side without
//! passing through this process. Each such transfer costs a few system calls (and in a pipe a slot per page run), so
//! below [`LARGE`] copying wins; the threshold was measured (bench/README.md).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

use super::staging::{Staging, wait};
use super::{BUFFER, Sink, SinkError, read_range, read_some};

/// From this size on the kernel copies file data, in bytes.
const LARGE: u64 = 32 * 1024;

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

/// Writes to a descriptor.
pub struct DescriptorSink<'a> {
    target: OwnedFd,
    staging: Option<Staging>,
    transfer: Transfer,
    /// Always of the same length, of which `filled` bytes count: no byte is cleared only to be overwritten.
    buffer: Vec<u8>,
    filled: usize,
    progress: &'a AtomicU64,
}

impl<'a> DescriptorSink<'a> {
    /// Writes at the descriptor's own position and adds what is written to `progress`.
    ///
    /// A pipe is made larger if it can be.
    pub fn new(target: OwnedFd, progress: &'a AtomicU64) -> Self {
        let kind = rustix::fs::fstat(&target).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let (transfer, staging) = match kind {
            Ok(FileType::RegularFile) => (Transfer::CopyFileRange, None),
            // Without a pipe in front it works too, only slower.
            Ok(FileType::Fifo) => (Transfer::Splice, Staging::new(target.as_fd()).ok()),
            _ => (Transfer::SendFile, None),
        };
        Self { target, staging, transfer, buffer: vec![0; BUFFER], filled: 0, progress }
    }

    /// Writes everything that still waits and hands the descriptor back.
    pub fn finish(mut self) -> Result<OwnedFd, SinkError> {
        self.flush()?;
        if let Some(staging) = &mut self.staging {
            staging.empty(self.target.as_fd())?;
        }
        Ok(self.target)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.write_all(&buffer[..self.filled]);
        self.buffer = buffer;
        self.filled = 0;
        written
    }

    fn write_all(&mut self, mut data: &[u8]) -> Result<(), SinkError> {
        while !data.is_empty() {
            match rustix::io::write(self.door(), data) {
                Ok(0) => return Err(SinkError::Write(std::io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    self.went_in(written);
                    data = &data[written..];
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.make_room()?,
                Err(error) => return Err(SinkError::Write(error.into())),
            }
        }
        Ok(())
    }

    /// A range that fits into the buffer: it goes out with its neighbours.
    fn gather(&mut self, file: BorrowedFd<'_>, offset: u64, length: usize) -> Result<(), SinkError> {
        if self.filled + length > BUFFER {
            self.flush()?;
        }
        let room = &mut self.buffer[self.filled..][..length];
        let mut done = 0;
        while done < length {
            done += read_some(file, offset + done as u64, &mut room[done..], (length - done) as u64)?;
        }
        self.filled += length;
        Ok(())
    }

    /// One transfer by the kernel. `None`: it cannot, for this pair of descriptors.
    fn transfer(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<Option<u64>, SinkError> {
        let most = usize::try_from(length.min(TRANSFER)).unwrap_or(usize::MAX);
        let mut position = offset;
        let (from, to) = (Some(&mut position), self.door());
        let moved = match self.transfer {
            Transfer::CopyFileRange => rustix::fs::copy_file_range(file, from, to, None, most),
            Transfer::Splice => rustix::pipe::splice(file, from, to, None, most, SpliceFlags::empty()),
            Transfer::SendFile => rustix::fs::sendfile(to, file, from, most),
            Transfer::Never => return Ok(None),
        };
        match moved {
            Ok(0) => Err(SinkError::Short { missing: length }),
            Ok(moved) => {
                self.went_in(moved);
                Ok(Some(moved as u64))
            }
            Err(Errno::INTR) => Ok(Some(0)),
            Err(Errno::AGAIN) => self.make_room().map(|()| Some(0)),
            // Two file systems, a file opened for appending, a file system that does not take part.
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP | Errno::BADF | Errno::PERM) => {
                Ok(None)
            }
            Err(error) => Err(SinkError::Write(error.into())),
        }
    }

    /// Where bytes go in.
    fn door(&self) -> BorrowedFd<'_> {
        self.staging.as_ref().map_or(self.target.as_fd(), Staging::door)
    }

    fn went_in(&mut self, bytes: usize) {
        self.progress.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(staging) = &mut self.staging {
            staging.went_in(bytes);
        }
    }

    /// Waits until more can go in.
    fn make_room(&mut self) -> Result<(), SinkError> {
        match &mut self.staging {
            Some(staging) => staging.advance(self.target.as_fd()),
            None => wait(self.target.as_fd()),
        }
    }
}

impl Sink for DescriptorSink<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        if self.filled + data.len() > BUFFER {
            self.flush()?;
            if data.len() > BUFFER {
                return self.write_all(data);
            }
        }
        self.buffer[self.filled..][..data.len()].copy_from_slice(data);
        self.filled += data.len();
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        if length < LARGE {
            return self.gather(file, offset, length as usize);
        }
        self.flush()?;
        let mut done = 0;
        while done < length {
            match self.transfer(file, offset + done, length - done)? {
                Some(moved) => done += moved,
                None => match self.transfer {
                    Transfer::CopyFileRange | Transfer::Splice => self.transfer = Transfer::SendFile,
                    Transfer::SendFile => self.transfer = Transfer::Never,
                    Transfer::Never => {
                        let mut buffer = vec![0; BUFFER];
                        return read_range(file, offset + done, length - done, &mut buffer, |data| {
                            self.bytes(data)
                        });
                    }
                },
            }
        }
        Ok(())
    }
}

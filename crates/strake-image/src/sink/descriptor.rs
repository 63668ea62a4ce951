//! A sink that is a file descriptor: a pipe, a file, a device.
//!
//! Headers and small files are gathered in a buffer; a large file goes from the page cache to the other side without
//! passing through this process. Each such transfer costs a few system calls (and in a pipe a slot per page run), so
//! below [`LARGE`] copying wins; the threshold was measured (bench/README.md).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;

use super::{BUFFER, Sink, SinkError, read_range, read_some};

/// From this size on the kernel copies file data, in bytes.
const LARGE: u64 = 32 * 1024;

/// At most this much in one call, so that progress shows.
const TRANSFER: u64 = 16 * 1024 * 1024;

/// What a pipe should hold, in bytes: the most that an unprivileged process may ask for on Linux by default.
const PIPE_SIZE: usize = 1024 * 1024;

/// How long the reader of a full pipe is left alone with it: about what it takes to read half of it.
const DRAIN: Duration = Duration::from_micros(20);

/// How the kernel can be asked to copy file data.
#[derive(Clone, Copy)]
enum Transfer {
    /// Between two files, which some file systems do without moving any data.
    CopyFileRange,
    /// From a file into a pipe, as much as fits without waiting.
    Splice,
    /// From a file into anything.
    SendFile,
    /// Not at all.
    Never,
}

/// Writes to a descriptor.
pub struct Descriptor<'a> {
    target: OwnedFd,
    transfer: Transfer,
    buffer: Vec<u8>,
    progress: &'a AtomicU64,
}

impl<'a> Descriptor<'a> {
    /// Writes at the descriptor's own position and adds what is written to `progress`.
    ///
    /// A pipe is made larger if it can be.
    pub fn new(target: OwnedFd, progress: &'a AtomicU64) -> Self {
        let kind = rustix::fs::fstat(&target).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let transfer = match kind {
            Ok(FileType::RegularFile) => Transfer::CopyFileRange,
            Ok(FileType::Fifo) => Transfer::Splice,
            _ => Transfer::SendFile,
        };
        if let Ok(FileType::Fifo) = kind {
            // A smaller pipe works too, only slower.
            let _ = rustix::pipe::fcntl_setpipe_size(&target, PIPE_SIZE);
        }
        Self { target, transfer, buffer: Vec::with_capacity(BUFFER), progress }
    }

    /// Writes what is still in the buffer and hands the descriptor back.
    pub fn finish(mut self) -> Result<OwnedFd, SinkError> {
        self.flush()?;
        Ok(self.target)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        write_all(self.target.as_fd(), &self.buffer)?;
        self.progress.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.buffer.clear();
        Ok(())
    }

    /// A range that fits into the buffer: it goes out with its neighbours.
    fn gather(&mut self, file: BorrowedFd<'_>, offset: u64, length: usize) -> Result<(), SinkError> {
        if self.buffer.len() + length > BUFFER {
            self.flush()?;
        }
        let start = self.buffer.len();
        self.buffer.resize(start + length, 0);
        let mut done = 0;
        while done < length {
            let room = &mut self.buffer[start + done..];
            done += read_some(file, offset + done as u64, room, (length - done) as u64)?;
        }
        Ok(())
    }

    /// One transfer by the kernel. `None`: it cannot, for this pair of descriptors.
    fn transfer(&self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<Option<u64>, SinkError> {
        let most = usize::try_from(length.min(TRANSFER)).unwrap_or(usize::MAX);
        let mut position = offset;
        let moved = match self.transfer {
            Transfer::CopyFileRange => {
                rustix::fs::copy_file_range(file, Some(&mut position), &self.target, None, most)
            }
            Transfer::Splice => {
                let flags = SpliceFlags::NONBLOCK;
                rustix::pipe::splice(file, Some(&mut position), &self.target, None, most, flags)
            }
            Transfer::SendFile => rustix::fs::sendfile(&self.target, file, Some(&mut position), most),
            Transfer::Never => return Ok(None),
        };
        match moved {
            Ok(0) => Err(SinkError::Short { missing: length }),
            Ok(moved) => Ok(Some(moved as u64)),
            Err(Errno::INTR) => Ok(Some(0)),
            Err(Errno::AGAIN) => {
                wait(self.target.as_fd())?;
                // The reader has only just begun to empty the pipe, and each transfer locks it out.
                std::thread::sleep(DRAIN);
                Ok(Some(0))
            }
            // Two file systems, a file opened for appending, a file system that does not take part.
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP | Errno::BADF | Errno::PERM) => {
                Ok(None)
            }
            Err(error) => Err(SinkError::Write(error.into())),
        }
    }
}

impl Sink for Descriptor<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        if self.buffer.len() + data.len() > BUFFER {
            self.flush()?;
            if data.len() > BUFFER {
                write_all(self.target.as_fd(), data)?;
                self.progress.fetch_add(data.len() as u64, Ordering::Relaxed);
                return Ok(());
            }
        }
        self.buffer.extend_from_slice(data);
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
                Some(moved) => {
                    self.progress.fetch_add(moved, Ordering::Relaxed);
                    done += moved;
                }
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

fn write_all(target: BorrowedFd<'_>, mut data: &[u8]) -> Result<(), SinkError> {
    while !data.is_empty() {
        match rustix::io::write(target, data) {
            Ok(0) => return Err(SinkError::Write(std::io::ErrorKind::WriteZero.into())),
            Ok(written) => data = &data[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(target)?,
            Err(error) => return Err(SinkError::Write(error.into())),
        }
    }
    Ok(())
}

/// Waits until a descriptor that somebody has made non-blocking takes more.
fn wait(target: BorrowedFd<'_>) -> Result<(), SinkError> {
    match rustix::event::poll(&mut [PollFd::new(&target, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(SinkError::Write(error.into())),
    }
}

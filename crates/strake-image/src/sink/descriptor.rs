//! A sink that is a file descriptor: a pipe, a file, a device.
//!
//! Headers and small files are gathered in a buffer; a large file goes from the page cache to the other side without
//! passing through this process. Each such transfer costs a few system calls (and in a pipe a slot per page run), so
//! below [`LARGE`] copying wins; the threshold was measured (bench/README.md).

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BUFFER, Sink, SinkError, read_range, read_some};
use crate::kernel::Outlet;

/// From this size on the kernel copies file data, in bytes.
const LARGE: u64 = 32 * 1024;

/// Writes to a descriptor.
pub struct DescriptorSink<'a> {
    outlet: Outlet,
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
        Self { outlet: Outlet::new(target), buffer: vec![0; BUFFER], filled: 0, progress }
    }

    /// Writes everything that still waits and hands the descriptor back.
    pub fn finish(mut self) -> Result<OwnedFd, SinkError> {
        self.flush()?;
        self.outlet.finish().map_err(SinkError::Write)
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
            let written = self.outlet.write(data).map_err(SinkError::Write)?;
            self.progress.fetch_add(written as u64, Ordering::Relaxed);
            data = &data[written..];
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
            match self.outlet.send(file, offset + done, length - done).map_err(SinkError::Write)? {
                Some(0) => return Err(SinkError::Short { missing: length - done }),
                Some(moved) => {
                    self.progress.fetch_add(moved, Ordering::Relaxed);
                    done += moved;
                }
                None => {
                    let mut buffer = vec![0; BUFFER];
                    return read_range(file, offset + done, length - done, &mut buffer, |data| {
                        self.bytes(data)
                    });
                }
            }
        }
        Ok(())
    }
}

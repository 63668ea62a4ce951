//! A pipe of our own in front of a pipe.
//!
//! A pipe is locked while its reader copies out of it, and each piece that goes in waits for that lock: with thousands of
//! files, longer than all the rest takes. So pieces are gathered in a pipe that nobody else locks, and moved on as many
//! at a time as there is room for. Moving them copies nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};

use crate::kernel::wait;

/// The capacity of a pipe, in bytes: the maximum that Linux grants an unprivileged process by default.
const PIPE_SIZE: usize = 1024 * 1024;

/// The pipe in front.
pub(super) struct Staging {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Bytes in it.
    staged: u64,
}

impl Staging {
    /// Makes a pipe for this target, and makes the target larger if it can be.
    pub(super) fn new(target: BorrowedFd<'_>) -> io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        rustix::pipe::fcntl_setpipe_size(&writer, PIPE_SIZE)?;
        // With a smaller one it works too, only slower.
        let _ = rustix::pipe::fcntl_setpipe_size(target, PIPE_SIZE);
        Ok(Self { reader, writer, staged: 0 })
    }

    /// Where bytes go in. It never blocks: it fails with `EAGAIN` until [`Staging::advance`] has made room.
    pub(super) fn door(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// Writes some of the data, at least a byte.
    pub(super) fn write(&mut self, data: &[u8], target: BorrowedFd<'_>) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.door(), data) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.went_in(written);
                    return Ok(written);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.advance(target)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Bytes have gone in.
    pub(super) fn went_in(&mut self, bytes: usize) {
        self.staged += bytes as u64;
    }

    /// Moves on what the target has room for. If it has none, waits until it has.
    pub(super) fn advance(&mut self, target: BorrowedFd<'_>) -> io::Result<()> {
        match rustix::pipe::splice(&self.reader, None, target, None, PIPE_SIZE, SpliceFlags::NONBLOCK) {
            Ok(moved) => self.staged -= moved as u64,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(target)?,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Moves on everything.
    pub(super) fn empty(&mut self, target: BorrowedFd<'_>) -> io::Result<()> {
        while self.staged > 0 {
            self.advance(target)?;
        }
        Ok(())
    }
}

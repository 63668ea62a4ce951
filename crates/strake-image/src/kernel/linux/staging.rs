//! A pipe of our own in front of a pipe.
//!
//! A pipe is locked while its reader copies out of it, and each piece that goes in waits for that lock: with thousands of
//! files, longer than all the rest takes. So pieces are gathered in a pipe that nobody else locks, and moved on as many
//! at a time as there is room for. Moving them copies nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::SinkError;

/// What a pipe should hold, in bytes: the most that an unprivileged process may ask for on Linux by default.
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

    /// Bytes have gone in.
    pub(super) fn went_in(&mut self, bytes: usize) {
        self.staged += bytes as u64;
    }

    /// Moves on what the target has room for. If it has none, waits until it has.
    pub(super) fn advance(&mut self, target: BorrowedFd<'_>) -> Result<(), SinkError> {
        match rustix::pipe::splice(&self.reader, None, target, None, PIPE_SIZE, SpliceFlags::NONBLOCK) {
            Ok(moved) => self.staged -= moved as u64,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(target)?,
            Err(error) => return Err(SinkError::Write(error.into())),
        }
        Ok(())
    }

    /// Moves on everything.
    pub(super) fn empty(&mut self, target: BorrowedFd<'_>) -> Result<(), SinkError> {
        while self.staged > 0 {
            self.advance(target)?;
        }
        Ok(())
    }
}

/// Waits until a descriptor takes more.
pub(super) fn wait(target: BorrowedFd<'_>) -> Result<(), SinkError> {
    match rustix::event::poll(&mut [PollFd::new(&target, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(SinkError::Write(error.into())),
    }
}

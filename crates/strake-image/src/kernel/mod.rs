//! The calls that only Linux has, and what stands in for them on other systems.
//!
//! All of them are here: the two modules have the same interface, and the rest of the crate does not know which one it uses.
//! `portable` is what macOS gets. The feature of that name has Linux use it too, so that the tests can run it.

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(any(not(target_os = "linux"), feature = "portable"))]
mod portable;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
use linux as system;
#[cfg(any(not(target_os = "linux"), feature = "portable"))]
use portable as system;

mod change_times;
mod stat;

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

pub(crate) use change_times::keeps_change_times;
pub(crate) use stat::{changed, device, mode, modified};
pub(crate) use system::{Outlet, TO_NAME, link_unnamed, list, name_of, open_beneath, open_unnamed};

/// Writes some of the data to a descriptor, and waits until it takes some.
fn write_some(target: BorrowedFd<'_>, data: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::io::write(target, data) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => return Ok(written),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait(target)?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until a descriptor takes more.
fn wait(target: BorrowedFd<'_>) -> io::Result<()> {
    match rustix::event::poll(&mut [PollFd::new(&target, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

//! Where a stream of bytes goes.
//!
//! A sink has two verbs, bytes and file range, because that is where the speed is: a sink that digests must read a
//! file, one that is a pipe or a file can have the kernel move the data, which is several times cheaper.

mod counted;
mod descriptor;
mod digest;
mod discard;
mod fan;
mod tee;
mod window;

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

pub use counted::Counted;
pub use descriptor::DescriptorSink;
pub use digest::{Digesting, Watch};
pub use discard::Discard;
pub use fan::Fan;
pub use tee::Tee;
pub use window::Window;

/// How much is read at once: large enough that a system call's cost vanishes, small enough for the processor's cache.
pub(crate) const BUFFER: usize = 256 * 1024;

/// Something that takes a stream of bytes, in order.
pub trait Sink {
    /// Takes bytes.
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError>;

    /// Takes `length` bytes of a file, from `offset` on. The file's own position is neither used nor moved.
    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError>;
}

/// Why a sink took less than it was given.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The output behind the sink failed.
    #[error("cannot write")]
    Write(#[source] io::Error),
    /// The file that it was given could not be read.
    #[error("cannot read")]
    Read(#[source] io::Error),
    /// The file that it was given ended too soon.
    #[error("the file ended {missing} bytes too soon")]
    Short {
        /// Bytes that were not there.
        missing: u64,
    },
    /// The rest is not wanted: another layer has failed, or all that is wanted of a range has passed.
    #[error("cancelled")]
    Cancelled,
}

/// Reads a file range in pieces of at most `buffer`'s length and gives each to `take`.
pub(crate) fn read_range(
    file: BorrowedFd<'_>,
    offset: u64,
    length: u64,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    let mut done = 0;
    while done < length {
        let want = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
        let got = read_some(file, offset + done, &mut buffer[..want], length - done)?;
        take(&buffer[..got])?;
        done += got as u64;
    }
    Ok(())
}

/// Reads some bytes of a file from `offset` on. At the file's end it fails, and the error says how many are `missing`.
pub fn read_some(
    file: BorrowedFd<'_>,
    offset: u64,
    buffer: &mut [u8],
    missing: u64,
) -> Result<usize, SinkError> {
    loop {
        match rustix::io::pread(file, &mut *buffer, offset) {
            Ok(0) => return Err(SinkError::Short { missing }),
            Ok(got) => return Ok(got),
            Err(Errno::INTR) => {}
            Err(error) => return Err(SinkError::Read(error.into())),
        }
    }
}

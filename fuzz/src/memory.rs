//! In-memory replacements for files.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::time::SystemTime;

use std::num::NonZeroUsize;

use strake_image::sink::{Sink, SinkError, read_some};
use strake_image::{Context, Store};
use strake_plan::StoreDir;

/// A file that is in no directory, and a path that leads to it all the same.
pub fn file(content: &[u8]) -> (File, PathBuf) {
    let name = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC).expect("there is memory");
    let mut file = File::from(name);
    file.write_all(content).expect("there is memory");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    (file, path.into())
}

/// Nothing is in its store, and it works on one layer at once.
pub fn context() -> Context {
    let store = Store::new(store_dir(), "/nonexistent");
    Context { jobs: NonZeroUsize::MIN, ..Context::new(store, || SystemTime::UNIX_EPOCH) }
}

/// `/nix/store`.
pub fn store_dir() -> StoreDir {
    StoreDir::parse("/nix/store").expect("it is one")
}

/// Keeps what it takes.
#[derive(Default)]
pub struct Gather(pub Vec<u8>);

impl Sink for Gather {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let start = self.0.len();
        self.0.resize(start + usize::try_from(length).map_err(|_| too_long())?, 0);
        let mut done = 0;
        while done < length {
            let room = &mut self.0[start + done as usize..];
            done += read_some(file, offset + done, room, length - done)? as u64;
        }
        Ok(())
    }
}

fn too_long() -> SinkError {
    SinkError::Write(io::ErrorKind::OutOfMemory.into())
}

/// The message of an error, with all its causes: formatting it is part of the check.
pub fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! An image that an engine has given out: a docker-archive in a file that has no name.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use strake_image::Spool;
use strake_image::sink::Sink;

use super::error::EngineError;

/// An archive that is gone when this is dropped, or when the process ends.
#[derive(Debug)]
pub struct Fetched {
    spool: Spool,
}

/// So much is read at once, in bytes.
const PIECE: usize = 256 * 1024;

impl Fetched {
    /// Puts aside what `source` yields, on the file system of the directory `into`.
    pub(super) fn read(engine: &str, into: &Path, source: &mut dyn Read) -> Result<Self, EngineError> {
        let failed = |source| EngineError::Unreachable { engine: engine.to_owned(), source };
        let mut spool = Spool::new(into).map_err(strake_image::Error::Write)?;
        let mut piece = vec![0; PIECE];
        loop {
            match source.read(&mut piece).map_err(failed)? {
                0 => return Ok(Self { spool }),
                got => spool.bytes(&piece[..got]).map_err(strake_image::Error::from)?,
            }
        }
    }

    /// Under what path this process can open it, until it ends.
    pub fn into_path(self) -> PathBuf {
        let path = format!("/dev/fd/{}", self.spool.content().as_raw_fd()).into();
        // Layers are opened by their path when they are written.
        std::mem::forget(self);
        path
    }
}

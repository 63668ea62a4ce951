//! The data cached from run to run: layers' digests, the blobs that layers were compressed to, and what third-party blobs
//! were when they were decompressed.
//!
//! A directory for each kind, with one small file an entry, written beside its place and renamed, so that many processes
//! may share it and a process that is killed leaves nothing wrong.
//!
//! A user who can write to the cache could make strake use wrong digests. So a directory that is another user's,
//! or that others can write to, is not used; no link in it is followed, and nothing but regular files is read.

mod blobs;
mod diff_ids;
mod entry;
mod layers;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use blobs::{BlobEntry, Maker};
pub use diff_ids::DiffIdEntry;
pub use layers::{Key, LayerEntry};

use crate::directory_handle::DirectoryHandle;
use crate::kernel;

/// Entries of other versions are not used. The directories' names.
const LAYERS: &str = "layers-v1";
const BLOBS: &str = "blobs-v1";
const DIFF_IDS: &str = "diff-ids-v1";

/// The mode of directories that are made, as the XDG base directory specification has it.
const MODE: u32 = 0o700;

/// A cache directory.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
    layers: Arc<DirectoryHandle>,
    blobs: Arc<DirectoryHandle>,
    diff_ids: Arc<DirectoryHandle>,
}

/// The result of a clean-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Entries.
    pub entries: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Cache {
    /// The cache in `directory`, which is made if need be. An error if others could have put something into it.
    pub fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(MODE).create(directory)?;
        let root = DirectoryHandle::open(directory)?;
        root.check_private()?;
        let kind = |name| {
            let directory = root.make(name, MODE)?;
            directory.check_private()?;
            Ok::<_, io::Error>(Arc::new(directory))
        };
        let (layers, blobs, diff_ids) = (kind(LAYERS)?, kind(BLOBS)?, kind(DIFF_IDS)?);
        Ok(Self { directory: directory.to_owned(), layers, blobs, diff_ids })
    }

    /// Removes everything.
    pub fn clear(&self) -> io::Result<Removed> {
        self.remove_if(|_| true)
    }

    /// Removes what was last used before `limit`.
    pub fn prune(&self, limit: SystemTime) -> io::Result<Removed> {
        self.remove_if(|file| file.used < limit)
    }

    /// Where the entries are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn remove_if(&self, unwanted: impl Fn(&CacheFile) -> bool) -> io::Result<Removed> {
        let mut removed = Removed::default();
        for (kind, directory) in [(LAYERS, &self.layers), (BLOBS, &self.blobs), (DIFF_IDS, &self.diff_ids)] {
            for file in self.files(kind, directory)?.iter().filter(|file| unwanted(file)) {
                match directory.remove(&file.name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    done => {
                        done?;
                        removed.entries += 1;
                        removed.bytes += file.bytes;
                    }
                }
            }
        }
        Ok(removed)
    }

    /// All of a kind, the last used first, as `entry` reads them. Entries that it cannot read are left out.
    fn list<T>(
        &self,
        kind: &str,
        directory: &DirectoryHandle,
        entry: impl Fn(&CacheFile) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let mut files = self.files(kind, directory)?;
        files.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.name.cmp(&b.name)));
        Ok(files.iter().filter_map(entry).collect())
    }

    /// Everything of a kind, also what an interrupted process has left.
    fn files(&self, kind: &str, directory: &DirectoryHandle) -> io::Result<Vec<CacheFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.directory.join(kind))? {
            let name = PathBuf::from(entry?.file_name());
            // Another process may be removing it.
            let Ok(Some(stat)) = directory.look(&name) else {
                continue;
            };
            let (seconds, nanoseconds) = kernel::modified(&stat);
            let used =
                SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
            files.push(CacheFile { name, used, bytes: stat.st_size.cast_unsigned() });
        }
        Ok(files)
    }
}

struct CacheFile {
    name: PathBuf,
    used: SystemTime,
    bytes: u64,
}

//! What is remembered from run to run: layers' digests, and what layers became when they were compressed.
//!
//! A directory for each kind, with one small file an entry, written beside its place and renamed, so that many processes
//! may share it and a process that is killed leaves nothing wrong.

mod blobs;
mod entry;
mod layers;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use blobs::{BlobEntry, Maker};
pub use layers::{Key, LayerEntry};

/// Entries of other versions are not used. The directories' names.
const LAYERS: &str = "layers-v1";
const BLOBS: &str = "blobs-v1";

/// A cache directory.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

/// What a clean-up removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Entries.
    pub entries: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Cache {
    /// The cache in `directory`, which is made if need be.
    pub fn open(directory: &Path) -> io::Result<Self> {
        for kind in [LAYERS, BLOBS] {
            fs::create_dir_all(directory.join(kind))?;
        }
        Ok(Self { directory: directory.to_owned() })
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
        for file in self.files(LAYERS)?.into_iter().chain(self.files(BLOBS)?) {
            if unwanted(&file) {
                match fs::remove_file(&file.path) {
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

    /// All of a kind, the last used first, as `entry` reads them. What it cannot read is left out.
    fn list<T>(&self, kind: &str, entry: impl Fn(&CacheFile) -> Option<T>) -> io::Result<Vec<T>> {
        let mut files = self.files(kind)?;
        files.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.path.cmp(&b.path)));
        Ok(files.iter().filter_map(entry).collect())
    }

    /// Everything of a kind, also what an interrupted process has left.
    fn files(&self, kind: &str) -> io::Result<Vec<CacheFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.directory.join(kind))? {
            let path = entry?.path();
            // Another process may be removing it.
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            files.push(CacheFile { path, used: metadata.modified()?, bytes: metadata.len() });
        }
        Ok(files)
    }
}

struct CacheFile {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

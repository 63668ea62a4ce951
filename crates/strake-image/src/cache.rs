//! The digest cache: what layers' digests were when they were last computed.
//!
//! A directory with one small file an entry, written beside its place and renamed, so that many processes may share it
//! and a process that is killed leaves nothing wrong. An entry is used only as long as the layer's files have the
//! fingerprint they had when they were digested.
//!
//! An entry's file: a line of JSON (`Head`), the fingerprint as 8 bytes a file, little-endian, and the SHA-256 of all
//! that, which tells a file that a crash of the machine has cut or mixed up.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::fingerprint::Fingerprint;
use crate::new_file::NewFile;
use crate::survey::Survey;

/// Entries of other versions are not used. Part of the directory's name.
const VERSION: &str = "layers-v1";

/// An entry larger than this is not read: 16 million files.
const MAX_ENTRY: u64 = 128 * 1024 * 1024;

/// Where a recipe's digest is remembered: the digest of all that decides the layer's bytes but the files' content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(Digest);

/// A cache directory.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

/// A remembered digest.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) fingerprint: Fingerprint,
}

/// What is known of an entry without holding it against any file.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The layer's digest.
    pub digest: Digest,
    /// The layer's size in bytes.
    pub size: u64,
    /// Files in the layer.
    pub files: u64,
    /// What the layer's maker called it: package names.
    pub title: String,
    /// When it was last used.
    pub used: SystemTime,
}

/// What a clean-up removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Entries.
    pub entries: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    digest: String,
    size: u64,
    files: u64,
    title: String,
}

impl Key {
    /// A key from the digest of a recipe.
    pub(crate) fn new(digest: Digest) -> Self {
        Self(digest)
    }
}

impl Cache {
    /// The cache in `directory`, which is made if need be.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let directory = directory.join(VERSION);
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// What is remembered for a key. A damaged entry is none.
    pub(crate) fn get(&self, key: Key) -> Option<Remembered> {
        let mut file = File::open(self.path(key)).ok()?;
        let (head, body) = read(&mut file)?;
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        // A cache that is only readable is as good, but for its cleaning up.
        let _ = rustix::fs::futimens(&file, &Timestamps { last_access: now, last_modification: now });
        let fingerprint = body.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        Some(Remembered {
            digest: Digest::parse(&head.digest).ok()?,
            size: head.size,
            fingerprint: Fingerprint(fingerprint),
        })
    }

    /// Remembers a digest. `title` is for people who look at the cache.
    pub(crate) fn put(&self, key: Key, digest: Digest, survey: &Survey, title: &str) -> io::Result<()> {
        let fingerprint = &survey.fingerprint.0;
        let head = Head {
            digest: digest.to_string(),
            size: survey.size,
            files: fingerprint.len() as u64,
            title: title.to_owned(),
        };
        let mut text = serde_json::to_vec(&head)?;
        text.push(b'\n');
        text.extend(fingerprint.iter().flat_map(|number| number.to_le_bytes()));
        let check = Digest::of(&text);
        text.extend_from_slice(check.as_bytes());
        let new = NewFile::create(&self.path(key))?;
        new.file().write_all(&text)?;
        new.commit()
    }

    /// Forgets a digest.
    pub fn remove(&self, key: Key) {
        // If it is gone already, or cannot be removed, its fingerprint still guards it.
        let _ = fs::remove_file(self.path(key));
    }

    /// All entries, the last used first.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in self.files()? {
            let Ok(mut opened) = File::open(&file.path) else {
                continue;
            };
            let Some((head, _)) = read(&mut opened) else {
                continue;
            };
            let Ok(digest) = Digest::parse(&head.digest) else {
                continue;
            };
            entries.push(Entry {
                digest,
                size: head.size,
                files: head.files,
                title: head.title,
                used: file.used,
            });
        }
        entries.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.digest.cmp(&b.digest)));
        Ok(entries)
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
        for file in self.files()? {
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

    fn path(&self, key: Key) -> PathBuf {
        self.directory.join(key.0.hex())
    }

    /// Everything in the directory, also what an interrupted process has left.
    fn files(&self) -> io::Result<Vec<CacheFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
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

/// The head and the fingerprint of an entry, if the file is whole.
fn read(file: &mut File) -> Option<(Head, Vec<u8>)> {
    let mut text = Vec::new();
    file.take(MAX_ENTRY).read_to_end(&mut text).ok()?;
    let (rest, check) = text.split_last_chunk()?;
    if Digest::of(rest).as_bytes() != check {
        return None;
    }
    let line = rest.iter().position(|&byte| byte == b'\n')?;
    let head: Head = serde_json::from_slice(&rest[..line]).ok()?;
    let body = rest[line + 1..].to_vec();
    (body.len() as u64 == head.files.checked_mul(8)?).then_some((head, body))
}

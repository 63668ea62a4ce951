//! Blobs that a layout has already, held against their digests.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::blob_name;
use crate::digest::{Digest, Hasher};
use crate::directory_handle::DirectoryHandle;

const BUFFER: usize = 256 * 1024;

/// The properties of blobs that were read; each is read once.
#[derive(Debug, Default)]
pub(super) struct CheckedBlobs(Mutex<HashMap<Digest, bool>>);

impl CheckedBlobs {
    /// Whether the blob of this digest in the layout below `root` has it.
    pub(super) fn is_right(&self, root: &Path, digest: Digest) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(digest).or_insert_with(|| read(root, digest).is_ok_and(|found| found == digest))
    }

    /// Notes that a blob was written whose digest was checked.
    pub(super) fn written(&self, digest: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, true);
    }
}

fn read(root: &Path, digest: Digest) -> io::Result<Digest> {
    let name = blob_name(digest);
    let (directory, name) = name.rsplit_once('/').unwrap_or(("", &name));
    let mut file = DirectoryHandle::open(root)?.below(directory)?.file(name)?;
    let (mut hasher, mut buffer) = (Hasher::default(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(got) => hasher.update(&buffer[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

//! The files of entries.
//!
//! An entry's file: a line of JSON, perhaps a body, and the SHA-256 of all that, which tells a file that a crash of the
//! machine has cut or mixed up.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::directory_handle::DirectoryHandle;
use crate::new_file::NewFile;

/// An entry larger than this is not read: 16 million files.
const MAX_ENTRY: u64 = 128 * 1024 * 1024;

/// Writes an entry, which appears whole.
pub(super) fn write(
    directory: &DirectoryHandle,
    name: &str,
    head: &impl Serialize,
    body: impl Iterator<Item = u8>,
) -> io::Result<()> {
    let mut text = serde_json::to_vec(head)?;
    text.push(b'\n');
    text.extend(body);
    let check = Digest::of(&text);
    text.extend_from_slice(check.as_bytes());
    let new = NewFile::beneath(directory, name)?;
    new.file().write_all(&text)?;
    // An entry that a crash has cut counts as none; to wait for the disk once a layer costs more than that.
    new.commit_unsynced()
}

/// The head and the body of an entry, if it is there and whole.
pub(super) fn read<T: DeserializeOwned>(
    directory: &DirectoryHandle,
    name: impl AsRef<Path>,
) -> Option<(T, Vec<u8>)> {
    parse(&directory.file(name).ok()?)
}

/// The same; that it was used is noted.
pub(super) fn use_it<T: DeserializeOwned>(directory: &DirectoryHandle, name: &str) -> Option<(T, Vec<u8>)> {
    let file = directory.file(name).ok()?;
    let entry = parse(&file)?;
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    // A cache that is only readable is as good, but for its cleaning up.
    let _ = rustix::fs::futimens(&file, &Timestamps { last_access: now, last_modification: now });
    Some(entry)
}

fn parse<T: DeserializeOwned>(file: &File) -> Option<(T, Vec<u8>)> {
    let mut text = Vec::new();
    file.take(MAX_ENTRY).read_to_end(&mut text).ok()?;
    let (rest, check) = text.split_last_chunk()?;
    if Digest::of(rest).as_bytes() != check {
        return None;
    }
    let line = rest.iter().position(|&byte| byte == b'\n')?;
    let head = serde_json::from_slice(&rest[..line]).ok()?;
    Some((head, rest[line + 1..].to_vec()))
}

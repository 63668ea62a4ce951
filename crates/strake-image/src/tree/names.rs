//! The names in one directory, in order.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use crate::python::text;

/// Room for what one `getdents` call returns.
const LISTING: usize = 32 * 1024;

/// Names of a directory's entries, in one piece of memory: a directory may have very many.
#[derive(Default)]
pub(super) struct Names {
    /// Each name, with a zero byte behind it.
    text: Vec<u8>,
    /// Where each begins, and what it is where the file system said so.
    entries: Vec<(u32, FileType)>,
    listing: Vec<u8>,
}

impl Names {
    /// Reads and sorts the directory's names.
    pub(super) fn read(&mut self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        self.text.clear();
        self.entries.clear();
        self.listing.clear();
        self.listing.reserve(LISTING);
        let listing: &mut [MaybeUninit<u8>] = self.listing.spare_capacity_mut();
        let mut entries = RawDir::new(directory, listing);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes_with_nul();
            if !matches!(name, b".\0" | b"..\0") {
                let start = u32::try_from(self.text.len()).map_err(|_| Errno::FBIG)?;
                self.entries.push((start, entry.file_type()));
                self.text.extend_from_slice(name);
            }
        }
        let text = &self.text;
        if text.is_ascii() {
            self.entries.sort_unstable_by_key(|&(start, _)| name_at(text, start).to_bytes());
        } else {
            self.entries.sort_unstable_by(|&(a, _), &(b, _)| {
                text::compare(name_at(text, a).to_bytes(), name_at(text, b).to_bytes())
            });
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The name at a place in the order, and its type, which may be unknown.
    pub(super) fn get(&self, index: usize) -> (&CStr, FileType) {
        let (start, kind) = self.entries[index];
        (name_at(&self.text, start), kind)
    }
}

fn name_at(text: &[u8], start: u32) -> &CStr {
    CStr::from_bytes_until_nul(&text[start as usize..]).expect("each name ends in a zero byte")
}

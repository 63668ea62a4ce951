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
    entries: Vec<Name>,
    listing: Vec<u8>,
}

/// Where a name is in the text, and what bears it, where the file system said so.
struct Name {
    start: u32,
    /// Its bytes, without the zero.
    length: u16,
    kind: FileType,
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
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                let start = u32::try_from(self.text.len()).map_err(|_| Errno::FBIG)?;
                let length = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
                self.entries.push(Name { start, length, kind: entry.file_type() });
                self.text.extend_from_slice(name);
                self.text.push(0);
            }
        }
        let text = &self.text;
        if text.is_ascii() {
            self.entries.sort_unstable_by_key(|name| name.bytes(text));
        } else {
            self.entries.sort_unstable_by(|a, b| text::compare(a.bytes(text), b.bytes(text)));
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The name at a place in the order, and its type, which may be unknown.
    pub(super) fn get(&self, index: usize) -> (&CStr, FileType) {
        let name = &self.entries[index];
        let text = &self.text[name.start as usize..][..usize::from(name.length) + 1];
        (CStr::from_bytes_with_nul(text).expect("each name ends in its only zero byte"), name.kind)
    }
}

impl Name {
    fn bytes<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[self.start as usize..][..usize::from(self.length)]
    }
}

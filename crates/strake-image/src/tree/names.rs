//! The names in directories, in order.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::kernel;
use crate::python::text;

/// The maximum size of the names that one walk keeps for the next, in bytes: some ten thousand names.
const KEPT: usize = 512 * 1024;

/// The names in the directories of all trees of a walk, in the order in which it comes to them; none if they are too many
/// to be kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listings {
    directories: Vec<Arc<Names>>,
    size: usize,
}

impl Listings {
    /// Bytes that they take.
    pub(crate) fn size(&self) -> usize {
        if self.size <= KEPT { self.size } else { 0 }
    }

    pub(super) fn get(&self, index: usize) -> Option<&Arc<Names>> {
        self.directories.get(index)
    }

    pub(super) fn push(&mut self, names: &Arc<Names>) {
        let Names { text, entries } = &**names;
        self.size += size_of::<(Names, [usize; 4])>() + text.len() + entries.len() * size_of::<Name>();
        if self.size <= KEPT {
            self.directories.push(Arc::clone(names));
        } else {
            self.directories = Vec::new();
        }
    }
}

/// Names of a directory's entries, in one piece of memory: a directory may have very many.
#[derive(Debug)]
pub(super) struct Names {
    /// Each name, with a zero byte behind it.
    text: Vec<u8>,
    entries: Vec<Name>,
}

/// Where a name is in the text, and what bears it, where the file system said so.
#[derive(Debug)]
struct Name {
    start: u32,
    /// Its bytes, without the zero.
    length: u16,
    kind: FileType,
}

impl Names {
    /// Reads and sorts the directory's names. `buffer` is used meanwhile.
    pub(super) fn read(directory: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Self, Errno> {
        let (mut text, mut names) = (Vec::new(), Vec::new());
        kernel::list(directory, buffer, |name, kind| {
            if !matches!(name, b"." | b"..") {
                let start = u32::try_from(text.len()).map_err(|_| Errno::FBIG)?;
                let length = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
                names.push(Name { start, length, kind });
                text.extend_from_slice(name);
                text.push(0);
            }
            Ok(())
        })?;
        if text.is_ascii() {
            names.sort_unstable_by_key(|name| name.bytes(&text));
        } else {
            names.sort_unstable_by(|a, b| text::compare(a.bytes(&text), b.bytes(&text)));
        }
        text.shrink_to_fit();
        names.shrink_to_fit();
        Ok(Self { text, entries: names })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The place of a name in the order, or of the first one behind it.
    pub(super) fn position(&self, name: &[u8]) -> usize {
        self.entries.partition_point(|entry| text::compare(entry.bytes(&self.text), name).is_lt())
    }

    /// The name at a place in the order, and its type, which may be unknown.
    pub(super) fn get(&self, index: usize) -> (&CStr, FileType) {
        let name = &self.entries[index];
        let text = &self.text[name.start as usize..][..=usize::from(name.length)];
        (CStr::from_bytes_with_nul(text).expect("each name ends in its only zero byte"), name.kind)
    }
}

impl Name {
    fn bytes<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[self.start as usize..][..usize::from(self.length)]
    }
}

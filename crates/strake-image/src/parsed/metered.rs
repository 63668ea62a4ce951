//! Bounds what the headers of a tar archive may take in memory.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// What headers may take, in bytes.
const MAX_HEADERS: u64 = 16 * 1024 * 1024;

/// How much of an archive may still be read to find its members.
#[derive(Clone)]
pub(super) struct Budget {
    left: Rc<Cell<u64>>,
    paused: Rc<Cell<bool>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: Rc::new(Cell::new(MAX_HEADERS)), paused: Rc::default() }
    }
}

impl Budget {
    /// All of it may be read again.
    pub(super) fn refill(&self) {
        self.left.set(MAX_HEADERS);
    }

    /// What is read meanwhile is not a header and does not count.
    pub(super) fn pause<T>(&self, work: impl FnOnce() -> T) -> T {
        self.paused.set(true);
        let result = work();
        self.paused.set(false);
        result
    }
}

/// Reads at the cost of a budget.
pub(super) struct Metered<R> {
    pub(super) inner: R,
    pub(super) budget: Budget,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        if !self.budget.paused.get() {
            let left = self.budget.left.get().checked_sub(got as u64);
            let left = left.ok_or_else(|| io::Error::other("its headers are larger than any image's"))?;
            self.budget.left.set(left);
        }
        Ok(got)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}

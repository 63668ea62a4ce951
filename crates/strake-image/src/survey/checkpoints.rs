//! Positions in a layer of store paths from which its stream can be written without the entries before.
//!
//! Each store path begins with one, and so does about every 1,000th entry below it. Memory: 32 bytes for each store path,
//! and at most 100 bytes for every 1,000 entries, as the distance to the last one grows with the length of the path.

/// Minimum number of entries between two checkpoints in one store path: the entries read in vain for a range, which takes
/// about 3 ms.
const DISTANCE: usize = 1000;

/// Entries for each byte that a checkpoint takes, at least.
const ENTRIES_PER_BYTE: usize = 10;

/// All checkpoints of a layer, in the stream's order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoints {
    list: Vec<Mark>,
    /// Their paths, one behind the other.
    paths: Vec<u8>,
    /// Where the last store path ends in the stream, in bytes.
    end: u64,
}

/// A checkpoint without its path.
#[derive(Clone, Debug)]
struct Mark {
    offset: u64,
    entry: usize,
    store_path: usize,
    path_end: usize,
}

/// An entry where writing may begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint<'c> {
    /// Where its header begins in the stream, in bytes.
    pub(crate) offset: u64,
    /// Its number among the layer's entries.
    pub(crate) entry: usize,
    /// The number of its store path in the layer.
    pub(crate) store_path: usize,
    /// Its path below the store path, without a slash in front; empty for the store path itself.
    pub(crate) path: &'c [u8],
}

impl Checkpoints {
    /// The next entry begins at `offset` and is the next store path itself.
    pub(crate) fn store_path(&mut self, offset: u64, entry: usize) {
        let store_path = self.list.last().map_or(0, |last| last.store_path + 1);
        self.list.push(Mark { offset, entry, store_path, path_end: self.paths.len() });
    }

    /// Whether this entry should be the next checkpoint, going by its number and the length of its path.
    pub(crate) fn is_due(&self, entry: usize, path_length: usize) -> bool {
        let distance = entry - self.list.last().map_or(0, |last| last.entry);
        distance >= DISTANCE && distance >= (size_of::<Mark>() + path_length) * ENTRIES_PER_BYTE
    }

    /// The next entry begins at `offset` and has this path below the current store path.
    pub(crate) fn below(&mut self, offset: u64, entry: usize, path: &[u8]) {
        let store_path = self.list.last().map_or(0, |last| last.store_path);
        self.paths.extend_from_slice(path);
        self.list.push(Mark { offset, entry, store_path, path_end: self.paths.len() });
    }

    /// The last store path ends at `offset`.
    pub(crate) fn finish(&mut self, offset: u64) {
        self.end = offset;
        self.list.shrink_to_fit();
        self.paths.shrink_to_fit();
    }

    /// Where the last store path ends in the stream, in bytes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The last checkpoint at or before an offset.
    pub(crate) fn before(&self, offset: u64) -> Option<Checkpoint<'_>> {
        let index = self.list.partition_point(|place| place.offset <= offset).checked_sub(1)?;
        let Mark { offset, entry, store_path, path_end } = self.list[index];
        let path_start = index.checked_sub(1).map_or(0, |before| self.list[before].path_end);
        Some(Checkpoint { offset, entry, store_path, path: &self.paths[path_start..path_end] })
    }

    /// The first entry after this number of store paths; `None` if these are all.
    pub(crate) fn first_entry_after(&self, store_paths: usize) -> Option<usize> {
        let index = self.list.partition_point(|place| place.store_path < store_paths);
        self.list.get(index).map(|place| place.entry)
    }

    /// Bytes of the stream that each store path takes, in their order.
    pub(crate) fn weights(&self) -> Vec<u64> {
        let starts = self.list.chunk_by(|a, b| a.store_path == b.store_path).map(|places| places[0].offset);
        let starts: Vec<u64> = starts.chain([self.end]).collect();
        starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Bytes of memory that they take.
    #[cfg(test)]
    fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Mark>() + self.paths.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Store paths with so many entries each, whose paths have this length: entries between two checkpoints, at most.
    fn check(store_paths: &[usize], path_length: usize, distance: usize) {
        let path = vec![b'x'; path_length];
        let (mut checkpoints, mut entry) = (Checkpoints::default(), 0);
        for entries in store_paths {
            checkpoints.store_path(1000 + entry as u64 * 512, entry);
            for next in entry..entry + entries {
                if checkpoints.is_due(next, path.len()) {
                    checkpoints.below(1000 + next as u64 * 512, next, &path);
                }
            }
            entry += entries;
        }
        checkpoints.finish(1000 + entry as u64 * 512);
        let most = 32 * store_paths.len() + entry / 10;
        assert!(checkpoints.memory() <= most, "{} of {most}", checkpoints.memory());
        assert_eq!(checkpoints.before(999), None);
        for number in 0..entry {
            let found = checkpoints.before(1000 + number as u64 * 512 + 511).unwrap();
            assert_eq!(found.offset, 1000 + found.entry as u64 * 512);
            assert!((found.entry..found.entry + distance).contains(&number), "{found:?} for {number}");
            let first: usize = store_paths[..found.store_path].iter().sum();
            assert!((first..first + store_paths[found.store_path]).contains(&number), "{found:?}");
            assert_eq!(found.path, if found.entry == first { b"" } else { &path[..] });
            assert_eq!(checkpoints.first_entry_after(found.store_path), Some(first));
        }
        assert_eq!(checkpoints.first_entry_after(store_paths.len()), None);
        let weights: Vec<u64> = store_paths.iter().map(|entries| *entries as u64 * 512).collect();
        assert_eq!(checkpoints.weights(), weights);
    }

    #[test]
    fn memory_is_bounded_whatever_the_paths_length() {
        check(&[1, 1, 1], 0, 1);
        check(&[100_000], 60, 1000);
        check(&[100_000], 200, 2320);
        check(&[100_000], 4000, 40_320);
        check(&[999, 50_000, 1001], 60, 1000);
    }
}

//! Layers of store paths to take ranges of, and sinks to take them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use strake_image::Lanes;
use strake_image::recipe::{Depth, Owner, Recipe, StorePaths};
use strake_image::sink::{Sink, SinkError, Watch, read_some};
use strake_image::{Digest, Store, Survey};
use strake_plan::StoreDir;
use tempfile::TempDir;

/// A layer of store paths, and what was seen of it.
pub(crate) struct Fixture {
    pub(crate) root: Arc<TempDir>,
    pub(crate) recipe: Recipe,
    pub(crate) survey: Survey,
}

/// The name of a store path.
fn store_path(number: usize) -> String {
    format!("/nix/store/{number:032}-path")
}

impl Fixture {
    /// So many store paths; `make` makes each.
    pub(crate) fn of(count: usize, mut make: impl FnMut(usize, &Path)) -> Self {
        let root = Arc::new(tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("nix/store")).unwrap();
        (0..count).for_each(|number| make(number, &root.path().join(&store_path(number)[1..])));
        let dir = StoreDir::parse("/nix/store").unwrap();
        let paths = (0..count).map(|number| dir.store_path(&store_path(number)).unwrap()).collect();
        let recipe = Recipe::StorePaths(StorePaths {
            store: Arc::new(Store::new(dir, root.path())),
            paths,
            nar_hashes: Vec::new(),
            owner: Owner { uid: 0, gid: 0, uname: "root".into(), gname: "root".into() },
            mtime: 1,
        });
        Self { survey: recipe.survey().unwrap(), root, recipe }
    }

    /// Where something below a store path is.
    pub(crate) fn file(&self, number: usize, below: &str) -> PathBuf {
        self.root.path().join(format!("{}{below}", &store_path(number)[1..]))
    }

    /// The whole stream.
    pub(crate) fn whole(&self) -> Vec<u8> {
        written(&self.recipe, &self.survey)
    }
}

/// The whole stream.
pub(crate) fn written(recipe: &Recipe, survey: &Survey) -> Vec<u8> {
    let mut out = Gather::default();
    recipe.write(Some(survey), &mut out).unwrap();
    assert_eq!(out.0.len() as u64, survey.size);
    out.0
}

/// The digest of a recipe's stream, and what computing it has shown.
pub(crate) fn digested(recipe: &Recipe) -> (Digest, Survey) {
    let (progress, cancelled, lanes) = (AtomicU64::new(0), AtomicBool::new(false), Lanes::default());
    recipe
        .digest(Watch { progress: &progress, cancelled: &cancelled, lanes: &lanes }, Depth::Content)
        .unwrap()
}

/// A file's name of one of many kinds: ASCII, UTF-8, neither, one that sorts behind those, one too long for a header.
pub(crate) fn name(number: usize) -> OsString {
    let digits = format!("{number:05}");
    OsString::from_vec(match number % 7 {
        0 => format!("é{digits}").into_bytes(),
        1 => [b"\xff", digits.as_bytes()].concat(),
        2 => format!("\u{e000}{digits}").into_bytes(),
        3 if number.is_multiple_of(2) => format!("{digits}{}", "x".repeat(150)).into_bytes(),
        _ => digits.into_bytes(),
    })
}

/// Offsets at and beside each boundary of a tar archive's blocks, and beside the ends of contents of these lengths.
pub(crate) fn boundaries(archive: &[u8], lengths: &[u64]) -> Vec<u64> {
    let size = archive.len() as u64;
    // Of the padding at the end a few blocks are enough.
    let last = size - 8 * 512;
    let blocks = (0..last).step_by(512).chain([last, size]);
    let offsets: BTreeSet<u64> = blocks
        .flat_map(|block| lengths.iter().map(move |length| block + length % 512).chain([block]))
        .flat_map(|offset| [offset.saturating_sub(1), offset, offset + 1])
        .filter(|offset| *offset <= size)
        .collect();
    offsets.into_iter().collect()
}

/// Bytes that this thread reads from files meanwhile.
pub(crate) fn read_by_this_thread(run: impl FnOnce()) -> u64 {
    let count = || {
        let io = fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        line.parse::<u64>().unwrap()
    };
    let before = count();
    run();
    count() - before
}

/// Gathers what it takes.
#[derive(Default)]
pub(crate) struct Gather(pub(crate) Vec<u8>);

impl Sink for Gather {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let start = self.0.len();
        self.0.resize(start + length as usize, 0);
        let mut done = 0;
        while done < length {
            let room = &mut self.0[start + done as usize..];
            done += read_some(file, offset + done, room, length - done)? as u64;
        }
        Ok(())
    }
}

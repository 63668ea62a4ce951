//! Files that change between the survey and the range.

use std::fs::{self, File};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use strake_image::Error;

use crate::fixture::{Fixture, Gather};

/// A change to a file or next to it.
#[derive(Clone, Copy, Debug)]
enum Change {
    Overwritten,
    Longer,
    Removed,
    Linked,
    NowDirectory,
    Added(&'static str),
    DirectoryRemoved,
    ModeChanged,
}

/// A layer of two store paths with directories of files.
fn layer() -> Fixture {
    Fixture::of(2, |_, path| {
        for (directory, files) in [("a", 600), ("b", 600), ("c", 50)] {
            fs::create_dir_all(path.join(directory)).unwrap();
            for file in 0..files {
                let content = [b"0123456789"[file % 10]; 100];
                fs::write(path.join(directory).join(format!("{file:03}")), content).unwrap();
            }
        }
    })
}

impl Change {
    /// Makes it, at the file 300 of the second store path's directory `b`.
    fn make(self, layer: &Fixture) {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let path = layer.file(1, "/b/300");
        match self {
            Self::Overwritten => {
                fs::write(&path, [b'x'; 100]).unwrap();
                // Its change time may be in the same tick of the clock.
                let touched = SystemTime::now() + Duration::from_secs(10);
                File::options().write(true).open(&path).unwrap().set_modified(touched).unwrap();
            }
            Self::Longer => fs::write(&path, [b'x'; 101]).unwrap(),
            Self::Removed => fs::remove_file(&path).unwrap(),
            Self::Linked => {
                fs::remove_file(&path).unwrap();
                symlink("301", &path).unwrap();
            }
            Self::NowDirectory => {
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
            }
            Self::Added(name) => fs::write(layer.file(1, name), "more").unwrap(),
            Self::DirectoryRemoved => fs::remove_dir_all(path.parent().unwrap()).unwrap(),
            Self::ModeChanged => fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap(),
        }
    }
}

/// Ranges all over a layer in which something has changed: right bytes or an error, and an error if they hold what has
/// changed.
fn check(change: Change) {
    let layer = layer();
    let whole = layer.whole();
    let size = whole.len() as u64;
    let header = b"/nix/store/00000000000000000000000000000001-path/b/300\0";
    let changed = whole.windows(header.len()).position(|window| window == header).unwrap() as u64;
    change.make(&layer);
    let touched = match change {
        // Files missing from the range are only noticed by the next ones, or at the store path's end.
        Change::Added(_) | Change::DirectoryRemoved => changed..changed,
        _ => changed..changed + 612,
    };
    let around = (0..6).map(|entry| changed + 1024 * entry - 3 * 1024);
    let starts = (0..size).step_by(197 * 1024 + 7).chain(around);
    let mut failures = 0;
    for start in starts {
        for length in [300, 70_000] {
            let range: Range<u64> = start..(start + length).min(size);
            let mut out = Gather::default();
            match layer.recipe.write_range(&layer.survey, range.clone(), &mut out) {
                Ok(()) => {
                    let is_touched = range.start < touched.end && touched.start < range.end;
                    assert!(!is_touched, "{change:?} in {range:?}");
                    assert!(
                        out.0 == whole[range.start as usize..range.end as usize],
                        "{change:?}, {range:?}"
                    );
                }
                Err(Error::Changed { .. }) => failures += 1,
                Err(other) => panic!("{change:?}, {range:?}: {other:?}"),
            }
        }
    }
    assert!(failures > 0, "{change:?}");
    let mut out = Gather::default();
    let all = layer.recipe.write_range(&layer.survey, 0..size, &mut out);
    assert!(matches!(all, Err(Error::Changed { .. })), "{change:?}: {all:?}");
}

#[test]
fn a_change_is_noticed_where_it_matters() {
    check(Change::Overwritten);
    check(Change::Longer);
    check(Change::Removed);
    check(Change::Linked);
    check(Change::NowDirectory);
    check(Change::ModeChanged);
    check(Change::DirectoryRemoved);
    for name in ["/0", "/b/000a", "/b/300a", "/b/zzz", "/z"] {
        check(Change::Added(name));
    }
}

//! Ranges of layers: the same bytes as the whole has there, without reading the bytes before.

mod changes;
mod fixture;
mod kinds;
mod window;

use std::fs;
use std::ops::Range;
use std::sync::LazyLock;

use fixture::{Fixture, Gather, boundaries, digested, name, read_by_this_thread};
use proptest::prelude::*;
use strake_image::Error;
use strake_testkit::tree::any_tree;

/// A range is what the whole has there.
fn check(layer: &Fixture, whole: &[u8], range: Range<u64>) {
    let mut out = Gather::default();
    layer.recipe.write_range(&layer.survey, range.clone(), &mut out).unwrap();
    let expected = &whole[range.start as usize..range.end as usize];
    assert!(out.0 == expected, "{range:?} of {}", whole.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn of_any_store_paths(
        trees in prop::collection::vec(any_tree(), 1..4),
        ranges in prop::collection::vec((0..=1_000_000u64, 0..=1_000_000u64), 12),
    ) {
        let layer = Fixture::of(trees.len(), |number, path| trees[number].make(path));
        let whole = layer.whole();
        let (digest, survey) = digested(&layer.recipe);
        prop_assert_eq!(strake_image::Digest::of(&whole), digest);
        let by_digest = Fixture { survey, ..layer };
        for (start, end) in ranges {
            let at = |millionths: u64| millionths * whole.len() as u64 / 1_000_000;
            let (start, end) = (at(start), at(end));
            check(&by_digest, &whole, start.min(end)..start.max(end));
        }
    }
}

/// A layer with all that is large: a wide directory, a deep one, a sparse file.
static LARGE: LazyLock<(Fixture, Vec<u8>)> = LazyLock::new(|| {
    let layer = Fixture::of(4, |number, path| match number {
        0 => {
            let file = fs::File::create(path).unwrap();
            file.set_len(5_000_001).unwrap();
        }
        1 => {
            fs::create_dir(path).unwrap();
            (0..3300).for_each(|file| fs::write(path.join(name(file)), vec![7; file % 3 * 300]).unwrap());
        }
        2 => {
            let mut deep = path.to_owned();
            for level in 0..45 {
                fs::create_dir(&deep).unwrap();
                (0..50).for_each(|file| fs::write(deep.join(name(file)), [level]).unwrap());
                deep.push("middle");
            }
        }
        _ => {
            fs::create_dir(path).unwrap();
            for directory in 0..40 {
                let below = path.join(format!("{directory:02}-{}", "long".repeat(20)));
                fs::create_dir(&below).unwrap();
                std::os::unix::fs::symlink("nowhere".repeat(20), below.join("link")).unwrap();
                (0..60).for_each(|file| fs::write(below.join(name(file)), "").unwrap());
                fs::write(below.join("large"), vec![directory; 40_000]).unwrap();
            }
        }
    });
    let whole = layer.whole();
    (layer, whole)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn of_a_large_layer(block in 0u64..21_000, offset in -2i64..3, length in 0u64..200_000) {
        let (layer, whole) = &*LARGE;
        let size = whole.len() as u64;
        let start = (block * 512 % size).saturating_add_signed(offset).min(size);
        check(layer, whole, start..(start + length).min(size));
    }
}

#[test]
fn pieces_of_a_large_layer_are_the_whole() {
    let (layer, whole) = &*LARGE;
    let size = whole.len() as u64;
    for start in (0..size).step_by(400_003) {
        check(layer, whole, start..(start + 400_003).min(size));
    }
}

/// All ranges that begin and end at or beside a boundary: of headers, contents, their padding, the padding at the end.
#[test]
fn at_every_boundary() {
    let layer = Fixture::of(2, |number, path| match number {
        0 => {
            fs::create_dir(path).unwrap();
            fs::write(path.join("empty"), "").unwrap();
            fs::write(path.join("full block"), [1; 512]).unwrap();
            fs::write(path.join("part of one"), [2; 700]).unwrap();
            fs::write(path.join("x".repeat(130)), [3; 3]).unwrap();
        }
        _ => std::os::unix::fs::symlink("target", path).unwrap(),
    });
    let whole = layer.whole();
    let offsets = boundaries(&whole, &[512, 700, 3]);
    for (index, start) in offsets.iter().enumerate() {
        for end in &offsets[index..] {
            check(&layer, &whole, *start..*end);
        }
    }
}

#[test]
fn ranges_that_are_not_there() {
    let layer = Fixture::of(1, |_, path| fs::write(path, "content").unwrap());
    let size = layer.whole().len() as u64;
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is checked")]
    for range in [0..size + 1, size..size + 1, size + 1..size + 1, 5..4, u64::MAX - 1..u64::MAX] {
        let mut out = Gather::default();
        let written = layer.recipe.write_range(&layer.survey, range.clone(), &mut out);
        let expected = (range.start, range.end, size);
        assert!(
            matches!(written, Err(Error::Range { start, end, size }) if (start, end, size) == expected),
            "{range:?}: {written:?}"
        );
        assert!(out.0.is_empty());
    }
    // Nothing is looked at where nothing is wanted.
    fs::remove_file(layer.file(0, "")).unwrap();
    check(&layer, &[], 0..0);
}

#[test]
fn what_lies_before_is_not_read() {
    let layer = Fixture::of(2, |number, path| {
        if number == 0 {
            fs::File::create(path).unwrap().set_len(300_000_000).unwrap();
        } else {
            fs::create_dir(path).unwrap();
            (0..3000).for_each(|file| fs::write(path.join(name(file)), [5; 5000]).unwrap());
        }
    });
    let size = layer.survey.size;
    for start in [150_000_000, size - 12_000_000, size - 2_000_000, size - 5000] {
        let mut out = Gather::default();
        let read = read_by_this_thread(|| {
            layer.recipe.write_range(&layer.survey, start..start + 5000, &mut out).unwrap();
        });
        assert_eq!(out.0.len(), 5000);
        assert!(read < 10_000, "{read} bytes for 5000 at {start}");
    }
}

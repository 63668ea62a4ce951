//! Closures: any small ones, and large ones of some shapes.

use proptest::prelude::*;
use strake_plan::closure::{Closure, Row};
use strake_plan::store_path::StoreDir;

/// The rows of any small closure: several roots, equal names and sizes, references to themselves, in any order.
pub fn rows() -> impl Strategy<Value = Vec<Row>> {
    let size = prop_oneof![0..4_u64, 0..1000_u64, any::<u64>()];
    let path = (0..6_usize, size, prop::collection::vec(any::<prop::sample::Index>(), 0..5), any::<bool>());
    let rows = prop::collection::vec(path, 0..24).prop_map(|paths| {
        let names: Vec<String> =
            (0..).zip(&paths).map(|(index, path)| store_path(index, NAMES[path.0])).collect();
        let row = |(index, (_, nar_size, references, to_itself)): (
            usize,
            (_, u64, Vec<prop::sample::Index>, bool),
        )| {
            let lower = references.iter().filter(|_| index > 0).map(|reference| reference.index(index));
            let references =
                lower.chain(to_itself.then_some(index)).map(|lower| names[lower].clone()).collect();
            Row { path: names[index].clone(), references, nar_size, nar_hash: None }
        };
        paths.into_iter().enumerate().map(row).collect::<Vec<Row>>()
    });
    rows.prop_shuffle()
}

/// Names among which the order is not plain.
const NAMES: [&str; 6] = ["a", "a+b", "a-1", "a-.1", "b", "a-1-doc"];

/// The same rows with names and sizes of their own, so that no hash breaks a tie.
#[must_use]
pub fn distinct(mut rows: Vec<Row>) -> Vec<Row> {
    let names: Vec<String> = rows.iter().map(|row| row.path.clone()).collect();
    let renamed = |name: &String| {
        let index = names.iter().position(|other| other == name).expect("a reference to a row");
        format!("{name}-{index}")
    };
    for (index, row) in (0..).zip(&mut rows) {
        row.path = renamed(&row.path);
        row.references = row.references.iter().map(renamed).collect();
        row.nar_size = row.nar_size % 1_000_000 * 100 + index;
    }
    rows
}

/// The same rows with other hashes, which are in another order.
#[must_use]
pub fn rehashed(mut rows: Vec<Row>) -> Vec<Row> {
    let reversed = |path: &String| {
        let (before, name) = path.split_at("/nix/store/".len() + 32);
        let hash: String = before["/nix/store/".len()..].chars().map(flipped).collect();
        format!("/nix/store/{hash}{name}")
    };
    for row in &mut rows {
        row.path = reversed(&row.path);
        row.references = row.references.iter().map(reversed).collect();
    }
    rows
}

/// The hexadecimal digit that is as far from the end as this one is from the beginning.
fn flipped(digit: char) -> char {
    digit.to_digit(16).and_then(|digit| char::from_digit(15 - digit, 16)).expect("a hexadecimal digit")
}

/// The closure of such rows.
pub fn closure(rows: Vec<Row>) -> Closure {
    Closure::new(StoreDir::parse("/nix/store").expect("a store directory"), rows).expect("a closure")
}

/// Paths of which each refers to the next.
pub fn chain(paths: usize) -> Closure {
    generated(paths, |index| index.checked_sub(1).into_iter().collect())
}

/// Levels of two paths, of which each refers to both of the next level: two to the power of `levels` ways down.
pub fn ladder(levels: usize) -> Closure {
    generated(levels * 2, |index| match index / 2 {
        0 => Vec::new(),
        level => vec![level * 2 - 2, level * 2 - 1],
    })
}

/// A closure of about this many paths and references. The lower half is referred to more, as libraries are.
pub fn large(paths: usize, references: usize) -> Closure {
    generated(paths, |index| {
        let below = |at: usize| mix((index * 1_000 + at) as u64) as usize % index;
        let least = |at: usize| below(2 * at).min(below(2 * at + 1));
        if index == 0 { Vec::new() } else { (0..references / paths).map(least).collect() }
    })
}

fn generated(paths: usize, references: impl Fn(usize) -> Vec<usize>) -> Closure {
    let name = |index| store_path(index, &format!("p{index}"));
    let row = |index| Row {
        path: name(index),
        references: references(index).into_iter().map(name).collect(),
        nar_size: (1 << 40) >> (mix(index as u64) % 40),
        nar_hash: None,
    };
    closure((0..paths).map(row).collect())
}

fn store_path(index: usize, name: &str) -> String {
    format!("/nix/store/{:032x}-{name}", u128::from(mix(index as u64)) << 64 | index as u128)
}

/// A number that has nothing to do with this one, but is always the same (Steele and others, "`SplitMix64`", 2014).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

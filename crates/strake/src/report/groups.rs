//! Lines about many things: one for each as long as they are few, then one for several.

use std::fmt::Write as _;

use indicatif::HumanBytes;

/// The maximum number of lines about all layers of a run, and about all blobs of a push.
const MAX_LINES: usize = 20;

/// Bounds the lines about things of which the number is known.
#[derive(Debug)]
pub(super) struct Groups {
    count: usize,
    /// So many things have one line.
    size: usize,
    seen: usize,
    group: Group,
}

/// Things that have had no line yet.
#[derive(Debug, Default)]
struct Group {
    bytes: u64,
    /// Their results, with the number of each.
    words: Vec<(&'static str, usize)>,
    /// The largest of them, and its size.
    largest: Option<(u64, String)>,
}

/// A line about one thing or several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// How many have been seen.
    pub(super) number: usize,
    /// How many there are.
    pub(super) count: usize,
    pub(super) bytes: u64,
    /// Their results: `cached`, or `9 cached, 1 hashed`.
    pub(super) words: String,
    /// The name of the largest.
    pub(super) title: String,
}

impl Groups {
    /// For this number of items; if `all`, each has a line.
    pub(super) fn new(count: usize, all: bool) -> Self {
        let size = if all { 1 } else { count.div_ceil(MAX_LINES).max(1) };
        Self { count, size, seen: 0, group: Group::default() }
    }

    /// Something has happened, which may be a reason for a line.
    pub(super) fn add(&mut self, bytes: u64, word: &'static str, title: &str) -> Option<Summary> {
        self.seen += 1;
        let Group { bytes: sum, words, largest } = &mut self.group;
        *sum = sum.saturating_add(bytes);
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => words.push((word, 1)),
        }
        if largest.as_ref().is_none_or(|(size, _)| bytes > *size) {
            *largest = Some((bytes, title.to_owned()));
        }
        if !self.seen.is_multiple_of(self.size) && self.seen != self.count {
            return None;
        }
        let Group { bytes, words, largest } = std::mem::take(&mut self.group);
        let title = largest.map_or_else(String::new, |(_, title)| title);
        let words = match &words[..] {
            [(word, 1)] => (*word).to_owned(),
            several => several.iter().fold(String::new(), |mut text, (word, count)| {
                let comma = if text.is_empty() { "" } else { ", " };
                let _ = write!(text, "{comma}{count} {word}");
                text
            }),
        };
        Some(Summary { number: self.seen, count: self.count, bytes, words, title })
    }
}

impl Summary {
    /// In columns; the title is a third party's.
    pub(super) fn line(&self) -> String {
        let Self { number, count, bytes, words, title } = self;
        let size = HumanBytes(*bytes).to_string();
        format!("{number:>3}/{count}  {size:>10}  {words:<8}  {title}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize, all: bool) -> Vec<String> {
        let mut groups = Groups::new(count, all);
        let word = |place: usize| if place.is_multiple_of(4) { "hashed" } else { "cached" };
        (0..count)
            .filter_map(|place| groups.add(1000 + place as u64 % 7, word(place), &format!("path-{place}")))
            .map(|summary| summary.line())
            .collect()
    }

    #[test]
    fn few_have_a_line_each() {
        let found = lines(20, false);
        assert_eq!(found.len(), 20);
        assert_eq!(found[0], "  1/20      1000 B  hashed    path-0");
        assert_eq!(found, lines(20, true));
    }

    #[test]
    fn many_share_lines() {
        for (count, expected) in [(21, 11), (100, 20), (125, 18), (201, 19), (5000, 20)] {
            let found = lines(count, false);
            assert_eq!(found.len(), expected, "{count}");
            assert!(found.last().unwrap().contains(&format!("{count}/{count}")));
            assert_eq!(lines(count, true).len(), count);
        }
        assert_eq!(lines(100, false)[0], "  5/100    4.89 KiB  2 hashed, 3 cached  path-4");
    }
}

//! Bytes from outside that somebody has damaged.

use proptest::prelude::*;

/// Some bytes replaced, removed, doubled or put in, and numbers made larger.
pub fn mutated(original: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..5, 1usize..600);
    prop::collection::vec(change, 1..5).prop_map(move |changes| {
        let mut text = original.clone();
        for (index, byte, how, length) in changes {
            let at = index.index(text.len().max(1)).min(text.len());
            let end = (at + length).min(text.len());
            match how {
                0 => text.insert(at, byte),
                1 => drop(text.drain(at..end)),
                2 => text.extend_from_within(at..end),
                3 => {
                    if let Some(digit) = text.iter_mut().skip(at).find(|old| old.is_ascii_digit()) {
                        *digit = b'9';
                    }
                }
                _ => text.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            }
        }
        text
    })
}

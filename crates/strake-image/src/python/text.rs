//! File names as Python strings: UTF-8 with each byte that is not UTF-8 as a lone surrogate
//! (`surrogateescape`).

use std::cmp::Ordering;

/// The code points of `os.fsdecode(bytes)`, where a byte `b` that is not UTF-8 is `0xDC00 + b`.
pub fn code_points(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let escaped = chunk.invalid().iter().map(|&byte| 0xDC00 + u32::from(byte));
        chunk.valid().chars().map(u32::from).chain(escaped)
    })
}

/// Orders two file names as Python orders the strings they decode to, by code point.
///
/// Of names that are UTF-8 the bytes have the same order. A byte that is not UTF-8 sorts as its
/// surrogate: after U+D7FF, before U+E000.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    if is_utf8(a) && is_utf8(b) { a.cmp(b) } else { code_points(a).cmp(code_points(b)) }
}

fn is_utf8(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{code_points, compare};

    #[test]
    fn decodes() {
        for (bytes, expected) in [
            (&b""[..], &[][..]),
            (b"a\xc3\xa9", &[0x61, 0xe9]),
            (b"\xf0\x9f\x98\x80", &[0x1f600]),
            (b"\xff", &[0xdcff]),
            // A sequence cut short, an overlong one, a surrogate, one past the last code point.
            (b"\xe2\x82A", &[0xdce2, 0xdc82, 0x41]),
            (b"\xc0\x80", &[0xdcc0, 0xdc80]),
            (b"\xed\xb2\x80", &[0xdced, 0xdcb2, 0xdc80]),
            (b"\xf4\x90\x80\x80", &[0xdcf4, 0xdc90, 0xdc80, 0xdc80]),
        ] {
            assert_eq!(code_points(bytes).collect::<Vec<_>>(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn orders() {
        let ascending: [&[u8]; 8] = [
            b"",
            b"a",
            b"a\xc3\xa9",
            "\u{d7ff}".as_bytes(),
            b"\x80",
            b"\xff",
            "\u{e000}".as_bytes(),
            "\u{10000}".as_bytes(),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    /// Names with long common prefixes, cut and joined at any byte.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(vec!["a", "\u{d7ff}", "\u{e000}", "\u{10000}"]).prop_map(Into::into),
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn compare_is_by_code_point(prefix in name(), a in name(), b in name()) {
            let (a, b) = ([&prefix[..], &a].concat(), [&prefix[..], &b].concat());
            prop_assert_eq!(compare(&a, &b), code_points(&a).cmp(code_points(&b)));
        }

        #[test]
        fn utf8_is_ordered_by_its_bytes(a in ".{0,3}", b in ".{0,3}") {
            prop_assert_eq!(compare(a.as_bytes(), b.as_bytes()), a.chars().cmp(b.chars()));
        }
    }
}

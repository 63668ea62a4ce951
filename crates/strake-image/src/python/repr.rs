//! `repr` of strings and of lists of them.

use unicode_general_category::{GeneralCategory, get_general_category};

use super::text::code_points;

/// `repr([os.fsdecode(item) for item in items])`.
pub fn repr_list<T: AsRef<[u8]>>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(|item| repr_str(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// `repr(os.fsdecode(bytes))`.
///
/// Whatever the bytes, the result is a string: a surrogate is not printable and so is escaped. The printable
/// characters follow Unicode 16, the tables of `CPython` 3.14; an older one escapes newer characters.
pub fn repr_str(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = String::from(quote);
    for point in code_points(bytes) {
        match char::from_u32(point) {
            Some(c) if c == quote || c == '\\' => text.extend(['\\', c]),
            Some(c) if is_printable(c) => text.push(c),
            _ => text.push_str(&escape(point)),
        }
    }
    text.push(quote);
    text
}

fn escape(point: u32) -> String {
    match point {
        0x09 => "\\t".into(),
        0x0a => "\\n".into(),
        0x0d => "\\r".into(),
        0..=0xff => format!("\\x{point:02x}"),
        0x100..=0xffff => format!("\\u{point:04x}"),
        _ => format!("\\U{point:08x}"),
    }
}

/// `str.isprintable`.
fn is_printable(c: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned,
    };
    c == ' '
        || !matches!(
            get_general_category(c),
            Control
                | Format
                | Surrogate
                | PrivateUse
                | Unassigned
                | LineSeparator
                | ParagraphSeparator
                | SpaceSeparator
        )
}

#[cfg(test)]
mod tests {
    use super::repr_list;

    fn check(cases: &[(&[&[u8]], &str)]) {
        for (items, expected) in cases {
            assert_eq!(repr_list(items), *expected);
        }
    }

    #[test]
    fn lists() {
        check(&[(&[], "[]"), (&[b""], "['']"), (&[b"/nix/store/a", b"b"], "['/nix/store/a', 'b']")]);
    }

    #[test]
    fn quotes() {
        check(&[
            (&[b"it's"], r#"["it's"]"#),
            (&[b"\"a\""], r#"['"a"']"#),
            (&[b"'\""], r#"['\'"']"#),
            (&[b"\\"], r"['\\']"),
            (&[b"'\\"], r#"["'\\"]"#),
        ]);
    }

    #[test]
    fn escapes() {
        check(&[
            (&[b"\t\n\r\x00\x1b\x7f ~"], r"['\t\n\r\x00\x1b\x7f ~']"),
            (&[b"\xff\xe2\x82A"], r"['\udcff\udce2\udc82A']"),
            (&["\u{80}\u{a0}\u{ad}é".as_bytes()], r"['\x80\xa0\xadé']"),
            (&["\u{3000}\u{2028}\u{2029}\u{200b}\u{e000}".as_bytes()], r"['\u3000\u2028\u2029\u200b\ue000']"),
            (&["\u{1f600}\u{e0001}\u{10ffff}".as_bytes()], "['\u{1f600}\\U000e0001\\U0010ffff']"),
            (&["日\u{301}\u{378}".as_bytes()], "['日\u{301}\\u0378']"),
        ]);
    }
}

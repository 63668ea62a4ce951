//! A JSON text in which Nix finds no references.
//!
//! Nix takes a store path for a reference of a build's result if the result holds the 32 characters of its hash in a row
//! (`scanForReferences`). JSON lets any character be written in another way, so a character in each such row is: the
//! text means the same, and the store paths in it need not be present.

use std::fmt::Write;

/// So long is the hash in a store path.
const HASH: usize = 32;

/// The characters of Nix's base 32.
fn is_hash(character: char) -> bool {
    matches!(character, '0'..='9' | 'a'..='d' | 'f'..='n' | 'p'..='s' | 'v'..='z')
}

/// The same JSON without any `HASH` characters in a row that could be a hash. Numbers of so many digits stay.
pub fn detached(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut row, mut in_text, mut escaped) = (0, false, false);
    for character in json.chars() {
        in_text ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        row = if in_text && is_hash(character) { row + 1 } else { 0 };
        // Far from the row's beginning, where it may be part of an escape sequence.
        if row == HASH / 2 {
            row = 0;
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{HASH, detached, is_hash};

    #[test]
    fn means_the_same_without_a_hash() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        assert!(hash.len() == HASH && hash.chars().all(is_hash));
        for value in [
            serde_json::json!({ "path": format!("/nix/store/{hash}-name"), hash: [hash.repeat(3)] }),
            serde_json::json!([
                format!("\n{hash}\"{hash}\\{hash}"),
                u64::MAX,
                -1.5e300,
                format!("e{}", &hash[1..])
            ]),
        ] {
            let text = detached(&value.to_string());
            let longest = text.split(|character| !is_hash(character)).map(str::len).max();
            assert!(longest < Some(HASH), "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
        assert_eq!(detached("{\"a\":1}"), "{\"a\":1}");
    }
}

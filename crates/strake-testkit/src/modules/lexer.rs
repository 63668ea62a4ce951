//! Splits Rust source into identifiers, `::` and single characters, without comments and literals.

/// The tokens of a source. A string or character literal, a lifetime and a number are one token, `"`.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        match *rest {
            ['/', '/', ..] => at += length_while(rest, |c| c != '\n'),
            ['/', '*', ..] => at += block_comment(rest),
            ['"', ..] => at += literal(rest, '"', &mut found),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => at += literal(rest, '\'', &mut found),
            [':', ':', ..] => {
                found.push("::".to_owned());
                at += 2;
            }
            [c, ..] if c == '\'' || c.is_ascii_digit() => {
                at += 1 + length_while(&rest[1..], is_word);
                found.push("\"".to_owned());
            }
            [c, ..] if is_word(c) => {
                let length = length_while(rest, is_word);
                let word: String = rest[..length].iter().collect();
                at += length;
                match raw_string(&text[at..]) {
                    Some(length) if ["r", "br", "cr"].contains(&&*word) => {
                        at += length;
                        found.push("\"".to_owned());
                    }
                    _ => found.push(word),
                }
            }
            [c, ..] => {
                if !c.is_whitespace() {
                    found.push(c.to_string());
                }
                at += 1;
            }
            [] => {}
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn length_while(text: &[char], is: impl Fn(char) -> bool) -> usize {
    text.iter().take_while(|c| is(**c)).count()
}

/// The length of a comment, which may hold others.
fn block_comment(text: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal up to the quote that ends it.
fn literal(text: &[char], quote: char, found: &mut Vec<String>) -> usize {
    found.push("\"".to_owned());
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of what follows the `r` of a raw string, if that is one.
fn raw_string(text: &[char]) -> Option<usize> {
    let hashes = length_while(text, |c| c == '#');
    if text.get(hashes) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let content = &text[hashes + 1..];
    let length = content.windows(end.len()).position(|window| window == end)?;
    Some(hashes + 1 + length + end.len())
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn nothing_in_literals_and_comments_counts() {
        for (text, expected) in [
            ("a::b /* x /* y */ z */ c // d\ne", "a :: b c e"),
            (r#"f("x \" y", 'z', '\'', b'"', b"q", 'c: loop)"#, r#"f ( " , " , " , b " , b " , " : loop )"#),
            ("r#\"a \" b\"# + br\"c\" - r", "\" + \" - r"),
            ("1..2_000u64 'é' 0x1f.x", "\" . . \" \" \" . x"),
        ] {
            assert_eq!(tokens(text).join(" "), expected, "{text}");
        }
    }
}

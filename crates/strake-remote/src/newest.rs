//! Which tags are likely to name the newest images. A registry's list has no times in it.

use std::cmp::Reverse;

/// The tags that can name an image, the newest first as far as the names show it: those that begin like a version
/// or a date, by their numbers, and then all others, backwards. Signatures and attestations, which have tags like
/// `sha256-…`, are left out.
pub(crate) fn newest_first(mut tags: Vec<String>) -> Vec<String> {
    tags.retain(|tag| !tag.starts_with("sha256-"));
    tags.sort_by_cached_key(|tag| Reverse((version(tag), tag.clone())));
    tags
}

/// The numbers of a version or a date: those at the beginning of `v1.10.0`, `2026-11-21` or `1.2-rc1`, and whether nothing comes
/// behind them. A name that begins like a number and goes on with letters, as hashes do, is no version.
fn version(tag: &str) -> Option<(Vec<u64>, bool)> {
    let rest = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    let parts: Vec<Option<u64>> = rest.split(['.', '-', '_']).map(number).collect();
    let numbers: Vec<u64> = parts.iter().copied().map_while(|part| part).collect();
    let is_all = numbers.len() == parts.len();
    (!numbers.is_empty()).then_some((numbers, is_all))
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_hashes() {
        let check = |expected: &[&str]| {
            let mut given: Vec<String> = expected.iter().map(ToString::to_string).collect();
            given.sort();
            assert_eq!(newest_first(given), expected);
        };
        check(&["1.10", "1.9", "1.9-rc1", "1.2.3", "1.2"]);
        check(&["v2.0.0", "v1.99.0", "main", "4e5f6a7b", "0a1b2c3d"]);
        check(&["2026-11-21", "2026-11-3", "2025-12-31"]);
        check(&["20261121", "17", "sometag"]);
        let signatures = ["sha256-0123.sig", "sha256-0123", "1"].map(str::to_owned).to_vec();
        assert_eq!(newest_first(signatures), ["1"]);
    }
}

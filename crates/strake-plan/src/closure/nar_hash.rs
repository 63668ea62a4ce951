//! NAR hashes, in all the ways in which Nix writes them.

use std::fmt;
use std::sync::LazyLock;

use data_encoding::{BASE64, BitOrder, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE, Specification};

/// Nix's base 32, which has no `e`, `o`, `t` and `u`; but Nix writes the digits in the reverse of this order.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789abcdfghijklmnpqrsvwxyz");
    specification.bit_order = BitOrder::LeastSignificantFirst;
    specification.encoding().expect("32 different digits")
});

/// The SHA-256 of a store path's content, serialised as a NAR (Nix manual, "Nix Archive format").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NarHash([u8; 32]);

impl NarHash {
    /// Takes `sha256:` and 64 hexadecimal or 52 base-32 digits, or `sha256-` and base 64 (SRI); old registrations have
    /// only the digits. `None` where it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(base64) = text.strip_prefix("sha256-") {
            return Self::decode(&BASE64, base64.as_bytes());
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        match digits.len() {
            64 => Self::decode(&HEXLOWER_PERMISSIVE, digits),
            52 => Self::decode(&BASE32, &digits.iter().rev().copied().collect::<Vec<_>>()),
            44 => Self::decode(&BASE64, digits),
            _ => None,
        }
    }

    fn decode(encoding: &Encoding, digits: &[u8]) -> Option<Self> {
        Some(Self(encoding.decode(digits).ok()?.try_into().ok()?))
    }

    /// The hash's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// `sha256:` and base 32, as `exportReferencesGraph` writes it.
impl fmt::Display for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = BASE32.encode(&self.0).chars().rev().collect();
        write!(f, "sha256:{digits}")
    }
}

impl fmt::Debug for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::NarHash;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(NarHash::parse(text).map(|hash| hash.to_string()).as_deref(), expected, "{text}");
    }

    /// Of the empty text, as `nix hash` converts it.
    #[test]
    fn forms() {
        let base32 = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        check(base32, Some(base32));
        check("0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73", Some(base32));
        check("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Some(base32));
        check("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Some(base32));
        assert_eq!(
            NarHash::parse(base32).unwrap().hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for refused in [
            "",
            "sha256:",
            "sha256:zzzz",
            "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "sha256:zmdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "sha256:emdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g",
        ] {
            check(refused, None);
        }
    }
}

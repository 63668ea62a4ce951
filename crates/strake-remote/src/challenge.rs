//! The authentication that a registry requires.
//!
//! Format: RFC 7235, `WWW-Authenticate`, and the distribution project's "token authentication specification".

/// The authentication scheme of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By name and password.
    Basic,
    /// By a token, to be fetched from another URL.
    Bearer {
        /// Where.
        realm: String,
        /// The service that the token is for.
        service: Option<String>,
    },
}

impl Challenge {
    /// The challenge in the header's values that can be met best.
    pub(crate) fn parse<'h>(values: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        let all: Vec<Self> = values.into_iter().flat_map(challenges).collect();
        let bearer = all.iter().find(|challenge| **challenge != Self::Basic);
        bearer.or_else(|| all.first()).cloned()
    }
}

/// A value may hold several challenges, with commas between them as between a challenge's parameters.
fn challenges(value: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let end = rest.find([' ', ',']).unwrap_or(rest.len());
        let scheme = &rest[..end];
        let (parameters, left) = parameters(rest[end..].trim_start());
        let get = |name: &str| {
            parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            found.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = get("realm")
        {
            // Its scope is ignored: the scope of a request is known, and a registry could ask for more.
            found.push(Challenge::Bearer { realm, service: get("service") });
        }
        // Unknown schemes are skipped; each step consumes input.
        rest = if left.len() < rest.len() { left } else { "" };
    }
    found
}

/// `name=value` and `name="value"` with commas between them, and what stands behind.
fn parameters(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let token = |byte: char| !byte.is_ascii_alphanumeric() && !"-_.!#$%&'*+^`|~".contains(byte);
        let end = rest.find(token).unwrap_or(rest.len());
        let Some(value) = rest[end..].trim_start().strip_prefix('=') else { return (found, rest) };
        let (name, value) = (&rest[..end], value.trim_start());
        if name.is_empty() {
            return (found, "");
        }
        let (text, left) = if let Some(quoted) = value.strip_prefix('"') {
            unquote(quoted)
        } else {
            let end = value.find([',', ' ']).unwrap_or(value.len());
            (value[..end].to_owned(), &value[end..])
        };
        found.push((name.to_owned(), text));
        rest = left;
    }
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return (value, &text[place + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Option<&Challenge>) {
        assert_eq!(Challenge::parse(values.iter().copied()).as_ref(), expected, "{values:?}");
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges_of_registries() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        check(&[hub], Some(&bearer("https://auth.docker.io/token", Some("registry.docker.io"))));
        check(&[r#"Basic realm="Registry Realm""#], Some(&Challenge::Basic));
        check(&["Basic realm=\"x\"", r#"Bearer realm="y""#], Some(&bearer("y", None)));
        check(&[r#"Basic realm="x", Bearer realm="y", service=z"#], Some(&bearer("y", Some("z"))));
        check(&[r#"bearer Realm = "a\"b" , error="invalid_token""#], Some(&bearer("a\"b", None)));
        check(&["Negotiate"], None);
        check(&["Bearer"], None);
        check(&[], None);
        check(&["=", ",,,", "Bearer =,", "Bearer realm=\"", "\"", "é=é"], Some(&bearer("", None)));
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_fail(value in r#"(Basic|Bearer|[a-z=", \\é]){0,12}"#) {
            Challenge::parse([value.as_str()]);
        }
    }
}

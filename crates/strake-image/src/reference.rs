//! Names of images.
//!
//! Format: the distribution project's "reference" package, and the OCI image specification's
//! `org.opencontainers.image.ref.name`.

/// Whether two names mean the same image: `hello` is short for `docker.io/library/hello:latest`.
pub fn same(a: &str, b: &str) -> bool {
    a == b || full(a) == full(b)
}

/// Names for messages, in one line, without control characters.
pub fn list(names: &[&str]) -> String {
    /// The number of names shown.
    const NAMED: usize = 8;
    /// So long is what is shown of one, in characters.
    const LENGTH: usize = 200;
    let shown = |name: &&str| name.chars().take(LENGTH).flat_map(char::escape_debug).collect::<String>();
    let first = names.iter().take(NAMED).map(shown).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "none with a name".to_owned(),
        count if count > NAMED => format!("{first} and {} more", count - NAMED),
        _ => first,
    }
}

/// Whether a text can be an image's name with a tag: what Docker takes.
pub fn is_valid(name: &str) -> bool {
    let (repository, tag) = split_tag(name);
    let (host, path) = match repository.split_once('/') {
        Some((host, path)) if is_host(host) => (Some(host), path),
        _ => (None, repository),
    };
    // Docker takes it for an image's ID.
    let is_id = tag.is_none()
        && name.len() == 64
        && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_named = tag.is_none_or(is_tag) && host.is_none_or(is_domain) && is_repository(path);
    is_named && !is_id && repository.len() <= 255
}

/// Whether a text can be a name in a docker-archive: with a tag, without which `docker load` refuses the archive.
pub fn is_repo_tag(name: &str) -> bool {
    split_tag(name).1.is_some() && is_valid(name)
}

/// Whether a text can be a tag.
pub fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && word(tag.as_bytes()[0])
        && tag.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

/// Whether a text can be the name of a repository, without its registry.
pub fn is_repository(path: &str) -> bool {
    path.len() <= 255 && path.split('/').all(is_component)
}

/// Whether a text can be the name of a manifest in an OCI index.
pub fn is_ref_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@/+".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends(name.as_bytes().first()) && ends(name.as_bytes().last()) && name.bytes().all(allowed)
}

/// The name as Docker requires it in an archive: with a tag. `None` where it cannot be one.
pub fn with_tag(name: &str) -> Option<String> {
    let tagged = if split_tag(name).1.is_some() { name.to_owned() } else { format!("{name}:latest") };
    is_valid(&tagged).then_some(tagged)
}

/// Lower-case letters and digits, with a dot, one or two underscores or any number of hyphens between them.
fn is_component(part: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let groups = part.as_bytes().chunk_by(|a, b| is_word(a) == is_word(b));
    let is_separator =
        |group: &[u8]| matches!(group, b"." | b"_" | b"__") || group.iter().all(|byte| *byte == b'-');
    let is_fine = |group: &[u8]| is_word(&group[0]) || is_separator(group);
    let ends = |byte: Option<&u8>| byte.is_some_and(is_word);
    ends(part.as_bytes().first()) && ends(part.as_bytes().last()) && groups.into_iter().all(is_fine)
}

/// Whether a registry's name can be one: parts with dots between them or an address in brackets, and maybe a port.
fn is_domain(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_part = |part: &str| {
        let ends = !part.starts_with('-') && !part.ends_with('-') && !part.is_empty();
        ends && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_named = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_part),
    };
    is_named && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the first part of a name is a registry's: it has a dot or a port, or is `localhost`.
pub fn is_host(part: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    !part.is_empty() && part.bytes().all(letters) && (part.contains(['.', ':']) || part == "localhost")
}

/// The part before the tag, and the tag.
pub fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// Whether a name in a layout is only a tag, as skopeo and umoci write it there: nothing says of what.
pub fn is_only_tag(name: &str) -> bool {
    !name.contains(['/', ':', '@'])
}

/// A name in full, as Docker and containerd write it: `docker.io/library/hello:latest` for `hello`. `None` where it cannot be a
/// name with a tag.
pub fn normalised(name: &str) -> Option<String> {
    let (repository, tag) = full(name);
    is_valid(name).then(|| format!("{repository}:{tag}"))
}

/// A name in full: the repository with its registry, and the tag.
pub fn full(name: &str) -> (String, String) {
    let (repository, tag) = split_tag(name);
    let repository = match repository.split_once('/') {
        Some(("docker.io" | "index.docker.io", path)) if path.contains('/') => format!("docker.io/{path}"),
        Some(("docker.io" | "index.docker.io", path)) => format!("docker.io/library/{path}"),
        Some((host, _)) if is_host(host) => repository.to_owned(),
        Some(_) => format!("docker.io/{repository}"),
        None => format!("docker.io/library/{repository}"),
    };
    (repository, tag.unwrap_or("latest").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names() {
        for (a, b, expected) in [
            ("hello", "hello:latest", true),
            ("hello:1", "docker.io/library/hello:1", true),
            ("hello:1", "docker.io/hello:1", true),
            ("hello:1", "index.docker.io/library/hello:1", true),
            ("a/hello:1", "docker.io/a/hello:1", true),
            ("localhost/hello:1", "hello:1", false),
            ("hello:1", "hello:2", false),
            ("host:5000/hello", "host:5000/hello:latest", true),
        ] {
            assert_eq!(same(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn in_full() {
        for (name, expected) in [
            ("hello", Some("docker.io/library/hello:latest")),
            ("hello:1.0", Some("docker.io/library/hello:1.0")),
            ("docker.io/hello:1.0", Some("docker.io/library/hello:1.0")),
            ("team/hello:1.0", Some("docker.io/team/hello:1.0")),
            ("localhost/hello:1.0", Some("localhost/hello:1.0")),
            ("host:5000/hello", Some("host:5000/hello:latest")),
            ("Hello:1", None),
            ("hello@sha256:0", None),
            ("a:1+2", None),
        ] {
            assert_eq!(normalised(name).as_deref(), expected, "{name}");
        }
        assert!(is_only_tag("1.0") && !is_only_tag("hello:1.0") && !is_only_tag("a/b"));
    }

    #[test]
    fn what_docker_takes() {
        for valid in [
            "hello:1.0",
            "docker.io/a/b:x",
            "localhost:5000/a_b/c-d:Tag",
            "a/b/c:1",
            "a.b/c__d/e---f:1",
            "[::1]:5000/a:1",
            "Host.example/a:1",
        ] {
            assert!(is_valid(valid) && is_repo_tag(valid), "{valid}");
        }
        let id = "0a".repeat(32);
        for untagged in ["hello", "a/b/c", "localhost:5000/a", &id[..63]] {
            assert!(is_valid(untagged) && !is_repo_tag(untagged), "{untagged}");
        }
        for refused in [
            "",
            ":1",
            "Hello:1",
            "a//b",
            "a:",
            "-a",
            "a/../b",
            "a:x y",
            "a b",
            "a..b:1",
            "a.-b:1",
            "a___b:1",
            "a_.b:1",
            "a.:1",
            "<none>:<none>",
            "x@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "a..b/c:1",
            "-a.b/c:1",
            "a.b:/c:1",
            "a.b:x/c:1",
            "[::g]/c:1",
            "a:1 ",
            " a:1",
            "a:1\n",
            &id,
        ] {
            assert!(!is_valid(refused), "{refused}");
        }
    }
}

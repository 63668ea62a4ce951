//! Suggestions for an argument that is not an image: a name without `docker://`, a flake, a place in skopeo's syntax.

use std::path::Path;

use strake_remote::Reference;

/// The suggestion for a source that is absent.
pub(crate) fn of_source(argument: &Path) -> Option<String> {
    if let Some(flake) = argument.to_str().filter(|text| text.contains('#') && !argument.exists()) {
        return Some(format!("build it first: \"$(nix build --no-link --print-out-paths {flake})\""));
    }
    let text = unknown(argument)?;
    if let Some(directory) = text.strip_prefix("dir:") {
        return Some(format!("skopeo copy dir:{directory} oci:DIR makes a layout of it: use oci:DIR"));
    }
    name(text).map(|name| format!("for an image in a registry use docker://{name}"))
}

/// The suggestion for an invalid destination.
pub(crate) fn of_destination(argument: &Path) -> Option<String> {
    let text = unknown(argument)?;
    if text.starts_with("dir:") {
        return Some("for a directory use oci:DIR".to_owned());
    }
    name(text).map(|name| format!("for an image in a registry use docker://{name}"))
}

/// The text of an argument that is no file.
fn unknown(argument: &Path) -> Option<&str> {
    let text = argument.to_str()?;
    (!text.starts_with(['/', '.', '~', '-']) && !argument.exists()).then_some(text)
}

/// The name of an image in a registry, if the text can be nothing else: it has a tag or a digest, or begins with a host.
fn name(text: &str) -> Option<&str> {
    let text = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let has_host = text.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']));
    (has_host || text.contains([':', '@'])).then(|| Reference::parse(text).ok())?.map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant() {
        let docker = |name: &str| Some(format!("for an image in a registry use docker://{name}"));
        let digest = format!("app@sha256:{}", "0".repeat(64));
        for (text, source) in [
            ("myapp:1.0", docker("myapp:1.0")),
            ("registry.example.org/team/app", docker("registry.example.org/team/app")),
            ("localhost:5000/app", docker("localhost:5000/app")),
            ("https://registry.example.org/app:1", docker("registry.example.org/app:1")),
            (&*digest, docker(&digest)),
            (
                "nixpkgs#hello",
                Some("build it first: \"$(nix build --no-link --print-out-paths nixpkgs#hello)\"".to_owned()),
            ),
            (".#app", Some("build it first: \"$(nix build --no-link --print-out-paths .#app)\"".to_owned())),
            ("app", None),
            ("team/app", None),
            ("./app:1", None),
            ("MyApp:1.0", None),
            ("/tmp/app:1", None),
            ("image.tar", None),
        ] {
            assert_eq!(of_source(Path::new(text)), source, "{text}");
            if !text.contains('#') {
                assert_eq!(of_destination(Path::new(text)), source, "{text}");
            }
        }
        assert!(of_source(Path::new("dir:app")).is_some_and(|hint| hint.ends_with("use oci:DIR")));
        assert!(of_destination(Path::new("dir:app")).is_some_and(|hint| hint.ends_with("use oci:DIR")));
    }
}

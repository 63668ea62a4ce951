//! `strake pin`: the digests behind a name in a registry.

use std::fmt::Write as _;

use serde_json::json;
use strake_remote::Reference;

use crate::cli::Pin;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::printable;

pub(crate) fn run(arguments: &Pin) -> Result<(), Failure> {
    let name = arguments.name.strip_prefix("docker://").unwrap_or(&arguments.name);
    let reference = Reference::parse(name).map_err(|error| Failure::reference(name, &error))?;
    let repository = Registries::new(&arguments.registry)?.repository(&reference)?;
    let pins = strake_remote::pins(&repository, &reference)
        .map_err(|error| Failure::open(&format!("docker://{name}"), &error))?;
    let mut text = String::new();
    for (platform, digest) in pins {
        let pinned = reference.pinned(digest).to_string();
        let _ = if arguments.json {
            writeln!(text, "{}", json!({ "platform": platform, "image": pinned }))
        } else {
            writeln!(text, "{:<16} {pinned}", printable(&platform))
        };
    }
    super::say(text.as_bytes())
}

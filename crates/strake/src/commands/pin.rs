//! `strake pin`: the digests behind a name in a registry.

use serde_json::json;
use strake_remote::Reference;

use crate::cli::Pin;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registries;
use crate::terminal::{self, Lines, column};

pub(crate) fn run(arguments: &Pin) -> Result<(), Failure> {
    let name = arguments.name.strip_prefix("docker://").unwrap_or(&arguments.name);
    let reference = Reference::parse(name).map_err(|error| Failure::reference(name, &error))?;
    let repository = Registries::new(&arguments.registry)?.repository(&reference)?;
    let pins = strake_remote::pins(&repository, &reference)
        .map_err(|error| Failure::open(&format!("docker://{name}"), &error))?;
    let mut lines = Lines::default();
    for (platform, digest) in pins {
        let pinned = reference.pinned(digest).to_string();
        lines.push(if arguments.json {
            terminal::json(&json!({ "platform": platform, "image": pinned }))
        } else {
            format!("{:<16} {}", column(&platform), column(&pinned))
        });
    }
    output::say(&lines)
}

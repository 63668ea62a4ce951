//! `strake tag`: more tags for an image in a registry.

use strake_remote::Reference;

use crate::cli::Tag;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registries;
use crate::terminal::Lines;

pub(crate) fn run(arguments: &Tag) -> Result<(), Failure> {
    let reference = super::named(&arguments.name)?;
    let repository = Registries::new(&arguments.registry)?.repository(&reference)?;
    let manifest = strake_remote::manifest(&repository, &reference)?;
    let digest = manifest.digest;
    repository.tag(manifest, &arguments.tags)?;
    let mut lines = Lines::default();
    for tag in &arguments.tags {
        let name = Reference { tag: Some(tag.clone()), digest: None, ..reference.clone() };
        lines.push(super::manifest_line(&name, digest, arguments.json));
    }
    output::say(&lines)
}

//! `strake delete`: an image in a registry.

use strake_image::reference::list;
use strake_remote::{Reference, RemoteError, Uses};

use crate::cli::Delete;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registries;
use crate::terminal::Lines;

pub(crate) fn run(arguments: &Delete) -> Result<(), Failure> {
    let reference = super::named(&arguments.name)?;
    if reference.tag.is_none() && reference.digest.is_none() {
        return Err(Failure::usage(format!("{:?} does not say which image", arguments.name))
            .hint("name it with its tag or digest: docker://NAME:TAG or docker://NAME@DIGEST"));
    }
    let repository = Registries::new(&arguments.registry)?.repository(&reference)?;
    let digest = strake_remote::digest(&repository, &reference)?;
    let uses = match repository.uses(digest) {
        Ok(uses) => uses,
        Err(error) if arguments.force => {
            super::warn(&format!("cannot tell what else leads to {digest}: {error}"));
            Uses { is_whole: true, ..Uses::default() }
        }
        Err(error) => {
            return Err(Failure::new(format!("cannot tell what else leads to {digest}: {error}"))
                .hint("strake delete --force deletes it all the same"));
        }
    };
    if !arguments.force {
        needed(&reference, &uses)?;
    }
    let mut tags = uses.tags.clone();
    tags.extend(reference.tag.clone().filter(|tag| !uses.tags.contains(tag)));
    match repository.delete(digest, &tags) {
        Ok(true) => {}
        Ok(false) => return Err(Failure::new(format!("{}: not found (404)", arguments.name))),
        // distribution says 405, and so do others; the specification has 400 as well.
        Err(error @ RemoteError::Status { status: 400 | 405, .. }) => {
            return Err(Failure::from(error).hint(
                "the registry does not allow that: distribution needs REGISTRY_STORAGE_DELETE_ENABLED=true",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    let mut lines = Lines::default();
    for tag in &tags {
        let name = Reference { tag: Some(tag.clone()), digest: None, ..reference.clone() };
        lines.push(super::manifest_line(&name, digest, arguments.json));
    }
    if tags.is_empty() {
        lines.push(super::manifest_line(&reference.pinned(digest), digest, arguments.json));
    }
    if uses.referrers > 0 {
        let count = uses.referrers;
        super::warn(&format!("{count} manifests about {digest}, such as signatures, are still there"));
    }
    output::say(&lines)
}

/// Fails if something else leads to the manifest.
fn needed(reference: &Reference, uses: &Uses) -> Result<(), Failure> {
    let is_other = |tag: &&String| Some(*tag) != reference.tag.as_ref();
    let tags: Vec<&str> = uses.tags.iter().filter(is_other).map(String::as_str).collect();
    let indexes: Vec<&str> = uses.indexes.iter().map(String::as_str).collect();
    if !tags.is_empty() {
        return Err(Failure::new(format!(
            "the manifest of docker://{reference} also has the tags {}, which would be deleted with it",
            list(&tags)
        ))
        .hint("strake delete --force deletes all of them"));
    }
    if !indexes.is_empty() {
        return Err(Failure::new(format!(
            "docker://{reference} is listed by the indexes with the tags {}, which would be broken",
            list(&indexes)
        ))
        .hint("delete the indexes first; strake delete --force deletes it all the same"));
    }
    if !uses.is_whole {
        return Err(Failure::new(format!(
            "docker://{reference} is in a repository with too many tags to check what else leads to it"
        ))
        .hint("strake delete --force deletes it all the same"));
    }
    Ok(())
}

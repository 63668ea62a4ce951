//! `strake list-tags`: the tags of a repository in a registry.

use serde_json::json;

use crate::cli::ListTags;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registries;
use crate::terminal::{self, Lines};

/// How many pages of the list are fetched at most: of 1000 tags, unless the registry makes smaller ones.
const PAGES: usize = 1000;

pub(crate) fn run(arguments: &ListTags) -> Result<(), Failure> {
    let reference = super::named(&arguments.name)?;
    if reference.tag.is_some() || reference.digest.is_some() {
        return Err(Failure::usage(format!("{:?} is an image, not a repository", arguments.name))
            .hint("leave the tag and the digest out"));
    }
    let repository = Registries::new(&arguments.registry)?.repository(&reference)?;
    let Some(tags) = repository.tags(PAGES)? else {
        return Err(Failure::new(format!("docker://{reference} is not in the registry: not found (404)"))
            .hint("check the name, and the account's permission to pull"));
    };
    if !tags.is_whole {
        return Err(Failure::new(format!("docker://{reference} has more than {PAGES} pages of tags")));
    }
    let mut lines = Lines::default();
    if arguments.json {
        let name = format!("docker://{reference}");
        lines.push(terminal::json(&json!({ "repository": name, "tags": tags.names })));
    } else {
        tags.names.iter().for_each(|tag| lines.push(tag));
    }
    output::say(&lines)
}

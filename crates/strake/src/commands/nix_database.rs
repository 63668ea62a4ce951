//! `strake nix-database`: a Nix database for a tree that somebody else packs.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use strake_image::nix_database;
use strake_plan::graph::NodeSet;

use crate::cli::NixDatabase;
use crate::failure::Failure;
use crate::references;

pub(crate) fn run(arguments: &NixDatabase) -> Result<(), Failure> {
    let closure = references::graph(&arguments.graph, arguments.key.key.as_deref())?;
    let mut excluded = NodeSet::new(closure.len());
    for node in arguments.exclude.iter().filter_map(|path| closure.node(path)) {
        excluded.insert(node);
    }
    let closure = closure.without(&excluded);
    if let Some(info) = closure.paths().iter().find(|info| info.nar_hash.is_none()) {
        return Err(Failure::new(format!("a Nix database needs the NAR hash of {}", info.path)));
    }
    if let Some(root) = arguments.root.iter().find(|root| closure.node(root).is_none()) {
        return Err(Failure::new(format!("the garbage collector's root {root} is not in the closure")));
    }
    let bytes = nix_database::write(&closure).map_err(|error| Failure::new(error.to_string()))?;
    let state = nix_database::state_directory(closure.store_dir());
    let state = arguments.directory.join(state.trim_start_matches('/'));
    let write = || -> io::Result<()> {
        let (database, roots) = (state.join("db"), state.join("gcroots/docker"));
        fs::create_dir_all(&database)?;
        fs::create_dir_all(&roots)?;
        fs::write(database.join("db.sqlite"), &bytes)?;
        fs::write(database.join("schema"), nix_database::SCHEMA_VERSION)?;
        for root in &arguments.root {
            let name = Path::new(root).file_name().unwrap_or_default();
            symlink(root, roots.join(name))?;
        }
        Ok(())
    };
    write().map_err(|error| Failure::new(format!("cannot write below {}: {error}", state.display())))
}

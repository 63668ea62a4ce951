//! Where closures come from: a file, the store's database, or the nix command.

use std::path::Path;
use std::process::Command;

use strake_image::Store;
use strake_image::nix_database::{self, ReadError};
use strake_plan::{Closure, StoreDir, StorePath};

use crate::failure::Failure;
use crate::input;

/// The maximum number of names for one nix command: a command line has a limit.
const NAMES_AT_ONCE: usize = 1000;

/// Reads a references graph.
pub(crate) fn graph(path: &Path, key: Option<&str>) -> Result<Closure, Failure> {
    Closure::parse(&input::read(path)?, key).map_err(|error| Failure::closure(&input::name(path), &error))
}

/// The closure of store paths, as the store's database has it.
pub(crate) fn closure(store: &Store, roots: &[StorePath]) -> Result<Closure, Failure> {
    if roots.is_empty() {
        return Ok(Closure::new(store.dir().clone(), Vec::new()).expect("nothing is a closure"));
    }
    match nix_database::closure(store, roots) {
        Err(error @ ReadError::Database { .. }) => from_nix(store, roots).map_err(|cli| {
            let failure = Failure::read_database(&error);
            Failure::new(format!("{failure}; and {cli}"))
                .hint("give the closure's references graph with --graph, or say with --store-root where the store lies")
        }),
        result => result.map_err(|error| Failure::read_database(&error)),
    }
}

/// Asks nix, which may ask its daemon.
fn from_nix(store: &Store, roots: &[StorePath]) -> Result<Closure, Failure> {
    let roots: Vec<&str> = roots.iter().map(StorePath::as_str).collect();
    let requisites = String::from_utf8(nix_store(store, &["--query", "--requisites"], &roots)?);
    let requisites = requisites.map_err(|_| Failure::new("nix-store writes names that are not UTF-8"))?;
    let mut registration = Vec::new();
    for paths in requisites.lines().collect::<Vec<_>>().chunks(NAMES_AT_ONCE) {
        registration.extend(nix_store(store, &["--dump-db"], paths)?);
    }
    Closure::parse(&registration, None)
        .map_err(|error| Failure::closure("what nix-store --dump-db writes", &error))
}

fn nix_store(store: &Store, verb: &[&str], paths: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut command = Command::new("nix-store");
    if store.root() != Path::new("/") {
        command.env("NIX_REMOTE", format!("local?root={}", store.root().display()));
    }
    let output = command.args(verb).args(paths).output();
    let output = output.map_err(|error| Failure::new(format!("nix-store cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    Err(Failure::new(format!("nix-store {} failed: {}", verb[0], said.trim())))
}

/// The store that is meant where nothing says another.
pub(crate) fn usual_store(root: &Path) -> Store {
    Store::new(StoreDir::parse("/nix/store").expect("a store directory"), root)
}

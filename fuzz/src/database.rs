//! A store's database.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use strake_image::{Store, nix_database};

use super::memory::{said, store_dir};

/// The path whose closure is asked for.
pub const ROOT: &str = "/nix/store/00000000000000000000000000000000-a";

/// Where the database is written: in memory, where there is such a file system.
static PLACE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let place =
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("there is a directory");
    fs::create_dir_all(place.path().join("nix/var/nix/db")).expect("it can be written");
    place
});

/// A closure from the database holds the requested path and is complete.
pub fn database(data: &[u8]) {
    let place: PathBuf = PLACE.path().to_owned();
    fs::write(place.join("nix/var/nix/db/db.sqlite"), data).expect("it can be written");
    let root = store_dir().store_path(ROOT).expect("it is one");
    let store = Store::new(store_dir(), place);
    match nix_database::closure(&store, std::slice::from_ref(&root)) {
        Ok(closure) => assert!(closure.node(ROOT).is_some()),
        Err(error) => drop(said(&error)),
    }
}

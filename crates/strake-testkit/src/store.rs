//! Throw-away stores with their confs, and what they must become.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{command, stdout_of};
use crate::workspace;

/// The names of the confs in the golden store.
pub const GOLDEN: [&str; 4] = ["plain", "base", "owner", "no-store"];

/// A directory with a store below it, and confs.
pub struct TestStore {
    directory: TempDir,
}

impl TestStore {
    /// The store of cases that are hard to get right. Needs python3.
    pub fn golden(seed: u64) -> Self {
        let store = Self::empty();
        let maker = workspace().join("tests/golden/make_store.py");
        let arguments =
            [maker.as_os_str(), store.root().as_os_str(), seed.to_string().as_ref()].map(ToOwned::to_owned);
        stdout_of(command("python3", arguments));
        store
    }

    /// A store with nothing but a customisation layer.
    pub fn empty() -> Self {
        let store = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        let layer = store.root().join(&CUSTOMISATION[1..]);
        std::fs::create_dir_all(&layer).expect("the store can be made");
        // An empty archive: two blocks of zeros, filled up to a record.
        std::fs::write(layer.join("layer.tar"), [0; 10240]).expect("the layer can be written");
        std::fs::write(layer.join("checksum"), EMPTY_LAYER).expect("the checksum can be written");
        store
    }

    /// The directory below which the store is.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Where a logical path is.
    pub fn real(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Where the conf of this name is.
    pub fn conf(&self, name: &str) -> PathBuf {
        self.root().join(format!("conf-{name}.json"))
    }

    /// Writes a conf for these layers, and returns its place. `change` may change it before.
    pub fn write_conf(&self, name: &str, layers: &[Vec<String>], change: impl FnOnce(&mut Value)) -> PathBuf {
        let mut conf = json!({
            "architecture": "amd64",
            "config": {},
            "os": "linux",
            "store_dir": "/nix/store",
            "from_image": null,
            "store_layers": layers,
            "customisation_layer": CUSTOMISATION,
            "repo_tag": "test:1",
            "created": "1970-01-01T00:00:01+00:00",
            "mtime": "1970-01-01T00:00:01+00:00",
            "uid": "0",
            "gid": "0",
            "uname": "root",
            "gname": "root",
        });
        change(&mut conf);
        let path = self.conf(name);
        std::fs::write(&path, conf.to_string()).expect("the conf can be written");
        path
    }

    /// The archive that dockerTools' script makes of a conf, by way of a Python program that does the same.
    pub fn oracle(&self, conf: &Path) -> Vec<u8> {
        oracle(self.root(), conf)
    }
}

/// The same, for a store below another directory.
pub fn oracle(root: &Path, conf: &Path) -> Vec<u8> {
    let program = workspace().join("bench/baseline.py");
    let mut oracle = command("python3", [program.as_path(), "--store-root".as_ref(), root, conf]);
    oracle.env("TZ", "UTC");
    stdout_of(oracle)
}

const CUSTOMISATION: &str = "/nix/store/00000000000000000000000000000000-customisation-layer";
const EMPTY_LAYER: &str = "84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652\n";

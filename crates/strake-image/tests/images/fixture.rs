//! A store with a few paths, and images of it.

use std::fs;
use std::time::{Duration, SystemTime};

use strake_image::cache::Cache;
use strake_image::compression::{Compression, Pool};
use strake_image::deliver::{Batch, Delivered, Options, deliver};
use strake_image::spec::{Spec, Surroundings};
use strake_image::{Context, Draft, Store, Target, TargetError};
use strake_plan::StoreDir;

use crate::memory::MemoryTarget;

/// A store with three paths, in three layers.
pub(crate) struct Fixture {
    pub(crate) root: tempfile::TempDir,
    pub(crate) context: Context,
}

pub(crate) const PATHS: [&str; 3] = ["/nix/store/aaa-small", "/nix/store/bbb-large", "/nix/store/ccc-tree"];

impl Fixture {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let real = |path: &str| root.path().join(&path[1..]);
        fs::create_dir_all(real("/nix/store/ccc-tree/below")).unwrap();
        fs::write(real(PATHS[0]), "small").unwrap();
        fs::write(real(PATHS[1]), b"large ".repeat(100_000)).unwrap();
        fs::write(real("/nix/store/ccc-tree/below/file"), "content").unwrap();
        let store = Store::new(StoreDir::parse("/nix/store").unwrap(), root.path());
        // Late enough for the files' change times to count as settled.
        let context = Context::new(store, || SystemTime::now() + Duration::from_secs(10));
        Self { root, context }
    }

    pub(crate) fn with_cache(mut self) -> Self {
        self.context.cache = Some(Cache::open(&self.root.path().join("cache")).unwrap());
        self
    }

    pub(crate) fn draft(&self, architecture: &str) -> Draft {
        let layers = PATHS.map(|path| format!("[{path:?}]")).join(", ");
        let conf = format!(
            r#"{{"architecture": "{architecture}", "config": {{}}, "os": "linux", "store_dir": "/nix/store",
            "from_image": null, "store_layers": [{layers}], "customisation": {{}}, "repo_tag": "test:1",
            "created": "1970-01-01T00:00:01+00:00", "mtime": "1970-01-01T00:00:01+00:00", "uid": 0, "gid": 0,
            "uname": "root", "gname": "root"}}"#
        );
        let (store, now) = (&self.context.store, SystemTime::UNIX_EPOCH);
        let surroundings = Surroundings { store, now, user_name: &|_| None, group_name: &|_| None };
        let spec = Spec::parse(conf.as_bytes()).unwrap();
        spec.draft::<strake_image::spec::DraftError>(&surroundings, |_| panic!("it has no base image"))
            .unwrap()
    }

    pub(crate) fn deliver(
        &self,
        batch: Batch,
        targets: &[&MemoryTarget],
        compression: Option<Compression>,
    ) -> Result<Delivered, TargetError> {
        let mut targets: Vec<Box<dyn Target>> =
            targets.iter().map(|target| Box::new((*target).clone()) as _).collect();
        deliver(&self.context, batch, &mut targets, &options(compression), &|_| {})
    }
}

pub(crate) fn options(compression: Option<Compression>) -> Options {
    let pool = compression.map(|compression| Pool::new(compression, 2.try_into().unwrap()).unwrap());
    Options { pool, ..Options::default() }
}

//! Images into a registry in this process: what is asked, what is sent, and what it has in the end.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use strake_image::compression::{Compression, Pool};
use strake_image::deliver::{Delivered, Options, deliver};
use strake_image::spec::{DraftError, Spec, Surroundings};
use strake_image::{Context, Digest, Store, TargetError};
use strake_plan::StoreDir;
use strake_remote::{Client, Reference, RegistryTarget, RemoteError, Repository, Settings};
use strake_testkit::registry::{Effect, Fault, Personality, Registry};

struct Fixture {
    _root: tempfile::TempDir,
    context: Context,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("nix/store");
        fs::create_dir_all(&store).unwrap();
        fs::write(store.join("aaa-one"), "one").unwrap();
        fs::write(store.join("bbb-two"), b"two".repeat(100_000)).unwrap();
        let store = Store::new(StoreDir::parse("/nix/store").unwrap(), root.path());
        Self { context: Context::new(store, SystemTime::now), _root: root }
    }

    /// Pushes an image of this layer and another under a name.
    fn push(
        &self,
        registry: &Registry,
        name: &str,
        compression: Option<Compression>,
    ) -> Result<Delivered, TargetError> {
        let conf = r#"{"architecture": "amd64", "config": {}, "os": "linux", "store_dir": "/nix/store",
            "from_image": null, "store_layers": [["/nix/store/aaa-one"], ["/nix/store/bbb-two"]], "customisation": {},
            "repo_tag": "app:1", "created": "1970-01-01T00:00:01+00:00", "mtime": "1970-01-01T00:00:01+00:00",
            "uid": 0, "gid": 0, "uname": "root", "gname": "root"}"#;
        let (store, now) = (&self.context.store, SystemTime::UNIX_EPOCH);
        let surroundings = Surroundings { store, now, user_name: &|_| None, group_name: &|_| None };
        let spec = Spec::parse(conf.as_bytes()).unwrap();
        let draft = spec.draft::<DraftError>(&surroundings, |_| panic!("it has no base image")).unwrap();
        let reference = Reference::parse(&format!("{}/{name}", registry.address())).unwrap();
        let repository =
            Repository::connect(&Client::new(Settings::new(SystemTime::now)), &reference).unwrap();
        let target = RegistryTarget::new(Arc::new(repository), reference, &self.context);
        let pool = compression.map(|compression| Pool::new(compression, 2.try_into().unwrap()).unwrap());
        let options = Options { pool, ..Options::default() };
        deliver(&self.context, draft.into(), &mut [Box::new(target)], &options, &|_| {})
    }
}

#[test]
fn only_what_is_missing_is_sent() {
    for compression in [None, Some(Compression::GZIP)] {
        let (fixture, registry) = (Fixture::new(), Registry::start(Personality::default()));
        let pushed = fixture.push(&registry, "app:1", compression).unwrap();
        assert_eq!(registry.complete("app", "1"), Ok(()));
        assert_eq!(registry.tags("app"), [("1".to_owned(), pushed.top.digest().to_string())]);
        assert_eq!(registry.count("POST", "/blobs/uploads/"), 3);
        registry.clear_log();
        // Without a cache compressed digests are learnt from the tag that is pushed.
        let again = fixture.push(&registry, "app:1", compression).unwrap();
        assert_eq!(again.top, pushed.top);
        assert_eq!((registry.count("POST", ""), registry.count("PUT", "")), (0, 0));
    }
}

#[test]
fn a_registry_that_has_lost_a_blob_is_sent_it_again() {
    let (fixture, registry) = (Fixture::new(), Registry::start(Personality::default()));
    fixture.push(&registry, "app:1", None).unwrap();
    let body = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#;
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let unknown = Fault::once("PUT", "/manifests/", 1, Effect::Raw(answer.into_bytes()));
    registry.set_personality(Personality { faults: vec![unknown], ..Personality::default() });
    registry.clear_log();
    fixture.push(&registry, "app:2", None).unwrap();
    assert_eq!(registry.complete("app", "2"), Ok(()));
    assert_eq!((registry.count("POST", "/blobs/uploads/"), registry.count("PUT", "/manifests/")), (3, 2));
}

#[test]
fn a_digest_that_is_promised_is_checked_before_anything_is_sent() {
    let (fixture, registry) = (Fixture::new(), Registry::start(Personality::default()));
    let other = Digest::of(b"other");
    let refused = fixture.push(&registry, &format!("app:1@{other}"), None);
    let Err(TargetError::Remote(error)) = refused else { panic!("{refused:?}") };
    let error = error.downcast::<RemoteError>().unwrap();
    assert!(matches!(*error, RemoteError::OtherManifest { expected, .. } if expected == other));
    assert_eq!(registry.count("POST", ""), 0);
}

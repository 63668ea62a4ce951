//! Delivery to targets of all kinds, held against targets that keep everything in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use strake_image::cache::Cache;
use strake_image::compression::{Compression, Pool};
use strake_image::deliver::{Batch, BatchIndex, Delivered, Options, deliver, preview};
use strake_image::sink::{Sink, SinkError};
use strake_image::spec::{Spec, Surroundings};
use strake_image::{
    BlobWriter, Content, Context, Descriptor, Digest, Document, Draft, Layer, ListedImage, Report, Store,
    Target, TargetError,
};
use strake_plan::StoreDir;

/// What a target has, and what happened to it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Memory {
    blobs: BTreeMap<Digest, Vec<u8>>,
    manifests: Vec<Digest>,
    names: BTreeMap<String, Digest>,
    written: usize,
}

#[derive(Clone, Copy, Default)]
struct Kind {
    asks: bool,
    uncompressed_only: bool,
}

#[derive(Clone, Default)]
struct MemoryTarget {
    kind: Kind,
    memory: Rc<RefCell<Memory>>,
}

struct Writer<'t>(&'t MemoryTarget, Vec<u8>);

impl MemoryTarget {
    fn new(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }

    fn put(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        let mut memory = self.memory.borrow_mut();
        memory.written += bytes.len();
        memory.blobs.insert(digest, bytes);
        digest
    }
}

impl Target for MemoryTarget {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn uncompressed_only(&self) -> bool {
        self.kind.uncompressed_only
    }

    fn asks(&self) -> bool {
        self.kind.asks
    }

    fn missing(&self, blobs: &[Descriptor]) -> Result<Vec<bool>, TargetError> {
        let memory = self.memory.borrow();
        Ok(blobs.iter().map(|blob| !memory.blobs.contains_key(&blob.digest)).collect())
    }

    fn blob<'t>(
        &'t mut self,
        _: &Layer,
        blob: Option<&Descriptor>,
    ) -> Result<Option<Box<dyn BlobWriter + 't>>, TargetError> {
        let is_there = blob.is_some_and(|blob| self.memory.borrow().blobs.contains_key(&blob.digest));
        Ok((!is_there).then(|| Box::new(Writer(self, Vec::new())) as _))
    }

    fn send(&mut self, contents: &[&dyn Content], _: &Report<'_>) -> Result<Vec<Descriptor>, TargetError> {
        let mut sent = Vec::new();
        for content in contents {
            let known = content.descriptor().cloned();
            let is_there = |blob: &Descriptor| self.memory.borrow().blobs.contains_key(&blob.digest);
            sent.push(match known {
                Some(known) if is_there(&known) => known,
                known => {
                    let mut writer = Writer(self, Vec::new());
                    let made = content.write(&mut writer)?;
                    assert!(known.is_none_or(|known| known == made));
                    assert_eq!(self.put(writer.1), made.digest);
                    made
                }
            });
        }
        Ok(sent)
    }

    fn has(&mut self, manifest: &Document, _: bool) -> Result<bool, TargetError> {
        Ok(self.memory.borrow().manifests.contains(&manifest.digest()))
    }

    fn image(&mut self, listed: &ListedImage<'_>, _: &Report<'_>) -> Result<(), TargetError> {
        self.put(listed.image.config.text().to_vec());
        self.manifest(listed.manifest)
    }

    fn manifest(&mut self, manifest: &Document) -> Result<(), TargetError> {
        self.memory.borrow_mut().manifests.push(manifest.digest());
        Ok(())
    }

    fn finish(&mut self, top: &Document, names: &[String]) -> Result<(), TargetError> {
        let mut memory = self.memory.borrow_mut();
        memory.names.extend(names.iter().map(|name| (name.clone(), top.digest())));
        Ok(())
    }
}

impl Sink for Writer<'_> {
    fn bytes(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.1.extend_from_slice(data);
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let start = self.1.len();
        self.1.resize(start + usize::try_from(length).unwrap(), 0);
        let mut done = 0;
        while done < length {
            let place = start + usize::try_from(done).unwrap();
            done += strake_image::sink::read_some(file, offset + done, &mut self.1[place..], length - done)?
                as u64;
        }
        Ok(())
    }
}

impl BlobWriter for Writer<'_> {
    fn finish(self: Box<Self>, blob: &Descriptor) -> Result<(), TargetError> {
        assert_eq!(self.0.put(self.1), blob.digest);
        Ok(())
    }
}

/// A store with three paths, in three layers.
struct Fixture {
    root: tempfile::TempDir,
    context: Context,
}

const PATHS: [&str; 3] = ["/nix/store/aaa-small", "/nix/store/bbb-large", "/nix/store/ccc-tree"];

impl Fixture {
    fn new() -> Self {
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

    fn with_cache(mut self) -> Self {
        self.context.cache = Some(Cache::open(&self.root.path().join("cache")).unwrap());
        self
    }

    fn draft(&self, architecture: &str) -> Draft {
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

    fn deliver(
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

fn options(compression: Option<Compression>) -> Options {
    let pool = compression.map(|compression| Pool::new(compression, 2.try_into().unwrap()).unwrap());
    Options { pool, ..Options::default() }
}

const FILE: Kind = Kind { asks: false, uncompressed_only: false };
const PLAIN: Kind = Kind { asks: false, uncompressed_only: true };
const ASKING: Kind = Kind { asks: true, uncompressed_only: false };

/// Delivers an image to targets of these kinds, and again: the second time nothing is written.
fn check(kinds: &[Kind], compression: Option<Compression>) {
    let fixture = Fixture::new().with_cache();
    let targets: Vec<MemoryTarget> = kinds.iter().map(|kind| MemoryTarget::new(*kind)).collect();
    let all: Vec<&MemoryTarget> = targets.iter().collect();
    let delivered = fixture.deliver(fixture.draft("amd64").into(), &all, compression).unwrap();
    let image = &delivered.images[0];
    for (target, kind) in targets.iter().zip(kinds) {
        let mut memory = target.memory.borrow_mut();
        for one in &image.layers {
            let blob = if kind.uncompressed_only { &one.layer.stored } else { &one.descriptor };
            assert_eq!(memory.blobs[&blob.digest].len() as u64, blob.size);
        }
        let expected = compression.filter(|_| kinds.iter().any(|kind| !kind.uncompressed_only));
        assert_eq!(image.layers[1].descriptor.codec(), expected.map(Compression::codec));
        assert_eq!(memory.blobs[&image.id()], image.config.text());
        assert_eq!(memory.names["test:1"], delivered.top.digest());
        memory.written = 0;
    }
    let again = fixture.deliver(fixture.draft("amd64").into(), &all, compression).unwrap();
    assert_eq!(again.top, delivered.top);
    let config = image.config.text().len();
    assert!(targets.iter().all(|target| target.memory.borrow().written <= config));
}

#[test]
fn an_image_to_targets_of_all_kinds() {
    for compression in [None, Some(Compression::GZIP), Some("zstd".parse().unwrap())] {
        for kinds in
            [&[FILE][..], &[PLAIN], &[ASKING], &[FILE, PLAIN], &[ASKING, FILE], &[PLAIN, ASKING, FILE]]
        {
            check(kinds, compression);
        }
    }
}

#[test]
fn a_preview_is_what_would_be_sent() {
    let fixture = Fixture::new();
    let target = MemoryTarget::new(ASKING);
    let missing = |target: &MemoryTarget| {
        let mut targets: Vec<Box<dyn Target>> = vec![Box::new(target.clone())];
        let batch = fixture.draft("amd64").into();
        let previews = preview(&fixture.context, batch, &mut targets, &options(None), &|_| {}).unwrap();
        (previews[0].is_there, previews[0].missing.iter().map(|blob| blob.title.clone()).collect::<Vec<_>>())
    };
    assert_eq!(missing(&target), (false, ["small", "large", "tree", "config"].map(str::to_owned).to_vec()));
    let delivered = fixture.deliver(fixture.draft("amd64").into(), &[&target], None).unwrap();
    assert_eq!(missing(&target), (true, Vec::new()));
    target.memory.borrow_mut().manifests.clear();
    target.memory.borrow_mut().blobs.remove(&delivered.images[0].layers[1].descriptor.digest);
    assert_eq!(missing(&target), (false, vec!["large".to_owned()]));
}

#[test]
fn an_index_of_images() {
    let fixture = Fixture::new();
    let target = MemoryTarget::new(ASKING);
    let images = vec![fixture.draft("amd64"), fixture.draft("arm64")];
    let delivered =
        fixture.deliver(Batch { images, index: Some(BatchIndex::New) }, &[&target], None).unwrap();
    assert!(delivered.is_index);
    assert_eq!(delivered.top.media_type().index_format(), Some(strake_image::Format::Oci));
    let memory = target.memory.borrow();
    assert_eq!((memory.manifests.len(), memory.names["test:1"]), (2, delivered.top.digest()));
    let same = vec![fixture.draft("amd64"), fixture.draft("amd64")];
    let refused = fixture.deliver(Batch { images: same, index: Some(BatchIndex::New) }, &[&target], None);
    assert!(matches!(refused, Err(TargetError::Index(_))));
}

/// A file that changes between the digest and the delivery.
#[test]
fn nothing_gets_a_name_if_a_file_has_changed() {
    let fixture = Fixture::new();
    let path: &Path = &fixture.context.store.locate(Path::new(PATHS[1]));
    for kinds in [&[FILE][..], &[ASKING], &[FILE, ASKING]] {
        let targets: Vec<MemoryTarget> = kinds.iter().map(|kind| MemoryTarget::new(*kind)).collect();
        let boxed = targets.iter().map(|target| Box::new(target.clone()) as Box<dyn Target>);
        let changed = |event: strake_image::Event<'_>| {
            if let strake_image::Event::Layer(layer) = event
                && layer.title == "large"
            {
                fs::write(path, "another").unwrap();
            }
        };
        fs::write(path, b"large ".repeat(100_000)).unwrap();
        let batch = fixture.draft("amd64").into();
        let delivered =
            deliver(&fixture.context, batch, &mut boxed.collect::<Vec<_>>(), &options(None), &changed);
        assert!(matches!(delivered, Err(TargetError::Write(strake_image::Error::Changed { .. }))));
        assert!(targets.iter().all(|target| target.memory.borrow().names.is_empty()));
    }
}

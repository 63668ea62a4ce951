//! Delivery to targets of all kinds.

use std::fs;
use std::path::Path;

use strake_image::compression::Compression;
use strake_image::deliver::{Batch, BatchIndex, deliver, preview};
use strake_image::{Event, Format, Target, TargetError};

use crate::fixture::{Fixture, PATHS, options};
use crate::memory::{Kind, MemoryTarget};

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
    assert_eq!(delivered.top.media_type().index_format(), Some(Format::Oci));
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
        let changed = |event: Event<'_>| {
            if let Event::Layer(layer) = event
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

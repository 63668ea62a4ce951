//! Compressed layers that are cached.

use std::fs;

use strake_image::cache::{Cache, Maker};
use strake_image::compression::Compression;
use strake_image::{Codec, Descriptor, Digest};

fn blob(text: &str, codec: Codec) -> Descriptor {
    Descriptor::layer(Digest::of(text.as_bytes()), text.len() as u64, Some(codec))
}

#[test]
fn each_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let made = |text: &str| Maker::Here(text.parse::<Compression>().unwrap());
    let makers = [
        (made("gzip:3"), Codec::Gzip),
        (made("gzip:9"), Codec::Gzip),
        (made("zstd:3"), Codec::Zstd),
        (Maker::Elsewhere(Codec::Gzip), Codec::Gzip),
        (Maker::Elsewhere(Codec::Zstd), Codec::Zstd),
    ];
    let layers = [Digest::of(b"one"), Digest::of(b"two")];
    let text = |layer: Digest, number: usize| format!("{layer} {number}");
    for layer in layers {
        for (number, (maker, codec)) in makers.into_iter().enumerate() {
            assert_eq!(cache.blob(layer, maker), None);
            cache.put_blob(layer, maker, &blob(&text(layer, number), codec)).unwrap();
        }
    }
    for layer in layers {
        for (number, (maker, codec)) in makers.into_iter().enumerate() {
            assert_eq!(cache.blob(layer, maker), Some(blob(&text(layer, number), codec)));
        }
    }
    assert_eq!(cache.blobs().unwrap().len(), 10);
    cache.forget_blob(layers[0], makers[0].0);
    assert_eq!(cache.blob(layers[0], makers[0].0), None);
    assert!(cache.blob(layers[1], makers[0].0).is_some() && cache.blob(layers[0], makers[1].0).is_some());
    assert_eq!((cache.blobs().unwrap().len(), cache.layers().unwrap().len()), (9, 0));
    assert_eq!(cache.clear().unwrap().entries, 9);
}

#[test]
fn damaged_entries_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    let maker = Maker::Here(Compression::GZIP);
    let entry = |layer: Digest| {
        cache.put_blob(layer, maker, &blob("text", Codec::Gzip)).unwrap();
        let line = |path: &fs::DirEntry| {
            fs::read(path.path()).unwrap().starts_with(format!("{{\"diff_id\":\"{layer}").as_bytes())
        };
        fs::read_dir(directory.path().join("blobs-v1"))
            .unwrap()
            .map(Result::unwrap)
            .find(line)
            .unwrap()
            .path()
    };
    let path = entry(one);
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() - 1], &[&whole[..], b"x"].concat(), b"", &whole[1..]] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(cache.blob(one, maker), None);
    }
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert_eq!(cache.blob(one, maker), None, "at {place}");
    }
    // An entry of another layer is whole, but not this layer's.
    fs::copy(entry(other), &path).unwrap();
    assert_eq!(cache.blob(one, maker), None);
    fs::write(&path, whole).unwrap();
    assert_eq!(cache.blob(one, maker), Some(blob("text", Codec::Gzip)));
}

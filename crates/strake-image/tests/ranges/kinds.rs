//! Ranges of recipes that are not store paths.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use strake_image::compression::CompressedFile;
use strake_image::recipe::{Depth, Digests, FileContent, Files, Recipe, Remote, Source, Tarball};
use strake_image::tar::{Kind, Member};
use strake_image::{Codec, Digest, Error};

use crate::fixture::{Gather, boundaries, read_by_this_thread, written};

/// All ranges of a recipe between these offsets.
fn check(recipe: &Recipe, offsets: &[u64]) {
    let survey = recipe.survey().unwrap();
    let whole = written(recipe, &survey);
    for (index, start) in offsets.iter().enumerate() {
        for end in &offsets[index..] {
            let mut out = Gather::default();
            recipe.write_range(&survey, *start..*end, &mut out).unwrap();
            assert!(out.0 == whole[*start as usize..*end as usize], "{start}..{end}");
        }
    }
}

/// A layer of files: from memory, from files of these lengths, and links.
fn files(root: &Path, lengths: &[usize]) -> Recipe {
    let mut files = vec![(Member::file("bytes", 700, 1), FileContent::Bytes(vec![1; 700]))];
    for (number, length) in lengths.iter().enumerate() {
        let path = root.join(number.to_string());
        fs::write(&path, vec![number as u8; *length]).unwrap();
        let name = format!("{number}{}", "é".repeat(number * 60));
        files.push((Member::file(name.clone(), *length as u64, 1), FileContent::File(path)));
        let link = Member { kind: Kind::SYMLINK, linkname: name.into_bytes(), ..Member::file("link", 0, 1) };
        files.push((link, FileContent::None));
    }
    Recipe::Files(Files { files: Arc::new(files) })
}

#[test]
fn files_at_every_boundary() {
    let root = tempfile::tempdir().unwrap();
    let recipe = files(root.path(), &[3, 0, 512]);
    let whole = written(&recipe, &recipe.survey().unwrap());
    check(&recipe, &boundaries(&whole, &[3, 700]));
}

#[test]
fn files_before_and_behind_are_not_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let recipe = files(root.path(), &[100, 40_000, 100]);
    let survey = recipe.survey().unwrap();
    let whole = written(&recipe, &survey);
    let content =
        whole.windows(40_000).position(|window| window.iter().all(|byte| *byte == 1)).unwrap() as u64;
    for name in ["0", "2"] {
        fs::remove_file(root.path().join(name)).unwrap();
    }
    let mut out = Gather::default();
    recipe.write_range(&survey, content - 5..content + 40_000, &mut out).unwrap();
    assert!(out.0 == whole[content as usize - 5..content as usize + 40_000]);
    let changed = File::options().write(true).open(root.path().join("1")).unwrap();
    changed.set_modified(SystemTime::now() + Duration::from_secs(10)).unwrap();
    let again = recipe.write_range(&survey, content + 5..content + 6, &mut out);
    assert!(matches!(again, Err(Error::Changed { path }) if path.ends_with("1")));
}

/// A blob on another machine, which cannot be asked for a part.
#[derive(Debug)]
struct Blob(Vec<u8>);

impl Remote for Blob {
    fn name(&self) -> &Path {
        Path::new("registry")
    }

    fn repository(&self) -> (&str, &str) {
        ("registry", "repository")
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(&self.0[..]))
    }
}

/// Bytes that no two ranges have in common.
fn bytes(length: u32) -> Vec<u8> {
    (0..length).flat_map(|number| number.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}

fn tarball(source: Source, content: &[u8]) -> Recipe {
    let digest = Digest::of(content);
    let size = content.len() as u64;
    Recipe::Tarball(Tarball {
        source,
        size,
        diff_id: digest,
        digest: Some(digest),
        codec: None,
        is_layer: true,
    })
}

/// A tarball behind 1,000 other bytes in a file, in a compressed file, and on another machine.
fn tarballs(root: &Path, content: &[u8]) -> [Recipe; 3] {
    let (plain, packed) = (root.join("plain"), root.join("packed"));
    let whole = [&[9; 1000], content, &[8; 5000]].concat();
    fs::write(&plain, &whole).unwrap();
    fs::write(&packed, zstd::encode_all(&whole[..], 1).unwrap()).unwrap();
    let file = Arc::new(CompressedFile::new(packed, Codec::Zstd, root.to_owned()));
    file.expect(1000..1000 + content.len() as u64);
    let digests = Arc::new(Digests::read(&mut &content[..], Depth::Content).unwrap());
    [
        tarball(Source::File { path: plain, offset: 1000 }, content),
        tarball(Source::Compressed { file, offset: 1000, digests }, content),
        tarball(Source::Remote(Arc::new(Blob(content.to_vec()))), content),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn of_tarballs(mut offsets in prop::collection::vec(0u64..=400_000, 5)) {
        let root = tempfile::tempdir().unwrap();
        offsets.extend([0, 400_000]);
        offsets.sort_unstable();
        for recipe in tarballs(root.path(), &bytes(100_000)) {
            check(&recipe, &offsets);
        }
    }
}

#[test]
fn of_a_tarball_only_the_range_is_read() {
    let root = tempfile::tempdir().unwrap();
    let [recipe, ..] = tarballs(root.path(), &bytes(1_000_000));
    let survey = recipe.survey().unwrap();
    let read = read_by_this_thread(|| {
        recipe.write_range(&survey, 3_000_000..3_001_000, &mut Gather::default()).unwrap();
    });
    assert!(read < 5000, "{read}");
}

#[test]
fn tarballs_that_have_changed() {
    let root = tempfile::tempdir().unwrap();
    let content = bytes(1000);
    let [plain, packed, _] = tarballs(root.path(), &content);
    for (recipe, name) in [(plain, "plain"), (packed, "packed")] {
        let survey = recipe.survey().unwrap();
        let mut file = File::options().append(true).open(root.path().join(name)).unwrap();
        file.write_all(b"more").unwrap();
        let mut out = Gather::default();
        let written = recipe.write_range(&survey, 5..10, &mut out);
        assert!(matches!(written, Err(Error::Changed { .. })), "{written:?}");
        assert!(out.0.is_empty());
    }
}

#[test]
fn blobs_that_are_not_what_is_said() {
    let content = bytes(1000);
    let range = |blob: Vec<u8>, range| {
        let recipe = tarball(Source::Remote(Arc::new(Blob(blob))), &content);
        let mut out = Gather::default();
        recipe.write_range(&recipe.survey().unwrap(), range, &mut out).map(|()| out.0)
    };
    let other = vec![0; 4000];
    assert!(matches!(range(other, 0..4000), Err(Error::Digest { .. })));
    assert!(matches!(range(content[..3000].to_vec(), 2990..3010), Err(Error::Changed { .. })));
    assert!(matches!(range(content[..3000].to_vec(), 3500..3600), Err(Error::Read { .. })));
    assert!(range(content[..3000].to_vec(), 2990..3000).unwrap() == content[2990..3000]);
    let recipe = tarball(Source::Elsewhere { path: PathBuf::from("nowhere") }, &content);
    let absent = recipe.write_range(&recipe.survey().unwrap(), 0..10, &mut Gather::default());
    assert!(matches!(absent, Err(Error::Absent { .. })));
}

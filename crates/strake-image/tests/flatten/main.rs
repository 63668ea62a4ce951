//! An image's file system is what umoci unpacks.

mod cases;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use cases::{CASES, directory, file, link, sized, symlink};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use strake_image::flatten::flatten;
use strake_image::layout::{Layout, LayoutPick};
use strake_image::sink::DescriptorSink;
use strake_image::{Context, Error, Platform, PlatformPick, Store};
use strake_plan::StoreDir;
use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::image::Image;
use strake_testkit::tar_bytes::{RawMember, archive};

/// The image's file system as an archive.
fn exported(layers: &[Vec<u8>], place: &Path) -> Result<std::path::PathBuf, Error> {
    let layout = place.join("layout");
    Image::of(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>()).write_layout(&layout, "latest");
    let pick = LayoutPick { name: None, platform: PlatformPick::Preferred(Platform::linux("amd64")) };
    let image = Layout::directory(&layout).unwrap().image(&pick).unwrap();
    let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/nonexistent");
    let context = Context { jobs: NonZeroUsize::MIN, ..Context::new(store, || SystemTime::UNIX_EPOCH) };
    let layers = context.describe_all(image.layers)?;
    let flat = place.join("flat.tar");
    let written = AtomicU64::new(0);
    let mut sink = DescriptorSink::new(fs::File::create(&flat).unwrap().into(), &written);
    flatten(&layers, &context, &mut sink)?;
    sink.finish()?;
    Ok(flat)
}

/// The contents of a directory: each path with type, permissions, time, content, link target, and its other names.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                open.push(path.clone());
            }
            found.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), path, metadata));
        }
    }
    let mut names: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (name, _, metadata) in &found {
        names.entry(metadata.ino()).or_default().push(name.clone());
    }
    for names in names.values_mut() {
        names.sort();
    }
    let line = |(name, path, metadata): (String, std::path::PathBuf, fs::Metadata)| {
        let mode = format!("{:o}", metadata.mode() & 0o7777);
        let line = match metadata.file_type() {
            kind if kind.is_dir() => format!("directory {mode}"),
            kind if kind.is_symlink() => format!("link to {}", fs::read_link(&path).unwrap().display()),
            kind if kind.is_fifo() => format!("pipe {mode} {}", metadata.mtime()),
            _ => format!("file {mode} {} {}", metadata.mtime(), text(&fs::read(&path).unwrap())),
        };
        (name, format!("{line} {:?}", names[&metadata.ino()]))
    };
    found.into_iter().map(line).collect()
}

fn ours(layers: &[Vec<u8>]) -> Result<BTreeMap<String, String>, Error> {
    let place = tempfile::tempdir().unwrap();
    let flat = exported(layers, place.path())?;
    let root = place.path().join("root");
    fs::create_dir(&root).unwrap();
    let arguments = ["-xpf".as_ref(), flat.as_os_str(), "-C".as_ref(), root.as_os_str()];
    stdout_of(command("tar", arguments));
    Ok(listing(&root))
}

/// The files that umoci unpacks; an error if it fails.
fn theirs(layers: &[Vec<u8>]) -> Result<BTreeMap<String, String>, String> {
    let place = tempfile::tempdir().unwrap();
    let layout = place.path().join("layout");
    Image::of(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>()).write_layout(&layout, "latest");
    let mut umoci = command("umoci", ["unpack", "--image", "layout:latest", "bundle"]);
    let output = output_of(umoci.current_dir(place.path()));
    if !output.status.success() {
        return Err(text(&output.stderr));
    }
    Ok(listing(&place.path().join("bundle/rootfs")))
}

#[test]
fn by_hand() {
    check_cases(false);
}

#[test]
#[ignore = "needs root, umoci"]
fn by_hand_as_umoci_unpacks_it() {
    check_cases(true);
}

fn check_cases(with_umoci: bool) {
    for (number, (layers, expected)) in CASES.iter().enumerate() {
        let layers: Vec<Vec<RawMember>> = layers.iter().map(|layer| layer()).collect();
        // umoci refuses global headers, which Go's archive/tar leaves to its callers.
        let is_global = layers.iter().flatten().any(|member| member.kind == b'g');
        let layers: Vec<Vec<u8>> = layers.iter().map(|layer| archive(layer)).collect();
        let found = ours(&layers).unwrap_or_else(|error| panic!("{number}: {error}"));
        if with_umoci && !is_global {
            assert_eq!(Ok(&found), theirs(&layers).as_ref(), "{number}");
        }
        assert_eq!(found.len(), expected.len(), "{number}: {found:#?}");
        for (path, words) in *expected {
            assert!(found.get(*path).is_some_and(|line| line.starts_with(words)), "{number}: {found:#?}");
        }
    }
}

#[test]
fn refused() {
    check_refused(false);
}

#[test]
#[ignore = "needs root, umoci"]
fn refused_as_umoci_does() {
    check_refused(true);
}

/// Layers that no program unpacks.
fn check_refused(with_umoci: bool) {
    let deep = |parts: usize| "a/".repeat(parts) + "f";
    let long = |name: String| vec![RawMember::extended(b'x', &[("path", &name)]), file("f", "")];
    let mut by_link = long(deep(2000));
    by_link.extend([RawMember::extended(b'x', &[("linkpath", &"a/".repeat(2000))]), symlink("l", "")]);
    by_link.extend(long(format!("l/{}", deep(100))));
    for (words, layer, umoci_minds) in [
        ("a hard link to something that is not there", vec![link("l", "t"), file("t", "")], true),
        ("a hard link to something that is not there", vec![link("l", "l")], true),
        ("a hard link to a directory", vec![directory("d"), link("l", "d")], true),
        ("lies in something that is not a directory", vec![file("f", ""), file("f/x", "")], true),
        ("the place of the root directory", vec![symlink(".", "x")], true),
        ("more than 40 symbolic links", vec![symlink("l", "l"), file("l/x", "")], true),
        ("to nothing", vec![symlink("l", "")], true),
        ("file of an unknown type", vec![RawMember::new(b'Z', "x", b"")], true),
        ("a whiteout of nothing", vec![file("d/.wh.", "")], false),
        ("a whiteout of nothing", vec![file("d/.wh...", "")], false),
        ("sparse file", vec![RawMember::extended(b'x', &[("GNU.sparse.major", "1")]), file("f", "")], false),
        ("longer than 255 bytes", long("n".repeat(256)), true),
        ("longer than 4096 bytes", long(deep(2048)), true),
        ("longer than 4096 bytes", by_link, true),
    ] {
        let layers = [archive(&layer)];
        let error = ours(&layers).expect_err(words).to_string();
        assert!(error.contains(words), "{words:?} is not in {error}");
        assert!(!umoci_minds || !with_umoci || theirs(&layers).is_err(), "{words}");
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&NAMES), 1..4).prop_map(|parts| parts.join("/"))
}

/// Somewhere a link can lead.
fn target() -> impl Strategy<Value = String> {
    (prop::sample::select(&["", "/", "../", "./", "../../"]), path())
        .prop_map(|(start, path)| [start, &path].concat())
}

fn member() -> impl Strategy<Value = RawMember> {
    let mode = || prop::sample::select(&[0o755, 0o700, 0o644, 0o4755]);
    let size = || prop::sample::select(&[0, 0, 512, 3000]);
    prop_oneof![
        4 => (path(), mode(), "[x-z]{0,3}").prop_map(|(name, mode, text)| RawMember { mode, ..file(&name, &text) }),
        3 => (path(), mode(), size()).prop_map(|(name, mode, size)| RawMember { mode, size, ..directory(&name) }),
        3 => (path(), target(), size()).prop_map(|(name, target, size)| sized(symlink(&name, &target), size)),
        3 => (path(), path(), size()).prop_map(|(name, target, size)| sized(link(&name, &target), size)),
        1 => (path(), mode(), size()).prop_map(|(name, mode, size)| RawMember { mode, size, ..RawMember::new(b'6', &name, b"") }),
        3 => (path(), prop::sample::select(&NAMES)).prop_map(|(above, name)| file(&format!("{above}/.wh.{name}"), "")),
        1 => prop::sample::select(&NAMES).prop_map(|name| file(&format!(".wh.{name}"), "")),
        2 => path().prop_map(|above| file(&format!("{above}/.wh..wh..opq"), "")),
    ]
}

/// Layers of few names, so that they meet often. No member is put where no archive could have it: umoci and we both
/// end there, and nothing more would be seen.
fn layers() -> impl Strategy<Value = Vec<Vec<RawMember>>> {
    prop::collection::vec(prop::collection::vec(member(), 1..5), 1..4)
}

#[test]
#[ignore = "needs root, umoci"]
fn as_umoci_unpacks_it() {
    let cases = std::env::var("STRAKE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(120);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let counted = std::cell::RefCell::new((0, 0, 0));
    let ran = runner.run(&layers(), |layers| {
        // Layers that fail by themselves are left out, so that more is left to compare.
        let mut kept: Vec<Vec<RawMember>> = Vec::new();
        let mut dropped = false;
        for layer in layers {
            kept.push(Vec::new());
            for member in layer {
                kept.last_mut().unwrap().push(member);
                let archives: Vec<_> = kept.iter().map(|layer| archive(layer)).collect();
                let place = tempfile::tempdir().unwrap();
                if let Err(error) = exported(&archives, place.path()) {
                    // Once a case: it takes long.
                    prop_assert!(dropped || theirs(&archives).is_err(), "{}\n{:#?}", error, kept);
                    dropped = true;
                    kept.last_mut().unwrap().pop();
                }
            }
        }
        let archives: Vec<_> = kept.iter().map(|layer| archive(layer)).collect();
        let mut counted = counted.borrow_mut();
        match (ours(&archives), theirs(&archives)) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours, theirs, "{:#?}", kept);
                counted.0 += 1;
            }
            (Err(_), Err(_)) => counted.1 += 1,
            // A lower file in the way of a directory, which umoci does not replace as overlayfs does.
            (Ok(_), Err(theirs)) => {
                prop_assert!(theirs.contains("not a directory"), "{}\n{:#?}", theirs, kept);
                counted.2 += 1;
            }
            (Err(ours), Ok(_)) => prop_assert!(false, "{}\n{:#?}", ours, kept),
        }
        Ok(())
    });
    let (unpacked, same_refusal, lenient) = counted.into_inner();
    println!("{unpacked} alike, {same_refusal} refused by both, {lenient} only by umoci");
    ran.unwrap();
    assert!(unpacked > cases / 2, "{unpacked} of {cases}");
}

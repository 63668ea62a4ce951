//! Targets that are files, and what is read back from them.

use std::fs;
use std::path::Path;

use strake_image::archive::{self, ArchiveTarget};
use strake_image::compression::Compression;
use strake_image::deliver::deliver;
use strake_image::layout::{Layout, LayoutArchiveTarget, LayoutPick, LayoutTarget};
use strake_image::parsed::ParsedImage;
use strake_image::verify::verify;
use strake_image::{Output, Platform, PlatformPick, Target};

use crate::fixture::{Fixture, options};

/// The forms of images in files.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Archive,
    Layout,
    LayoutArchive,
}

fn target<'p>(form: Form, path: &Path, fixture: &'p Fixture) -> Box<dyn Target + 'p> {
    let written = &fixture.context.progress.written;
    match form {
        Form::Archive => Box::new(ArchiveTarget::new(Output::create(path).unwrap(), 1, written).unwrap()),
        Form::Layout => Box::new(LayoutTarget::new(path, None, written).unwrap()),
        Form::LayoutArchive => {
            let (output, aside) = (Output::create(path).unwrap(), fixture.root.path().to_owned());
            Box::new(LayoutArchiveTarget::new(output, 1, None, aside, written).unwrap())
        }
    }
}

fn open(form: Form, path: &Path) -> ParsedImage {
    let pick = LayoutPick { name: None, platform: PlatformPick::Preferred(Platform::linux("amd64")) };
    match form {
        Form::Archive => archive::open(path, &std::env::temp_dir()).unwrap(),
        Form::Layout => Layout::directory(path).unwrap().image(&pick).unwrap(),
        Form::LayoutArchive => Layout::archive(path, &std::env::temp_dir()).unwrap().image(&pick).unwrap(),
    }
}

/// Delivers an image to several files at once, and each to another: all hold the same image.
fn check(compression: Option<Compression>) {
    let fixture = Fixture::new();
    let directory = tempfile::tempdir().unwrap();
    let all = [Form::Archive, Form::Layout, Form::LayoutArchive];
    let place = |name: &str, form: Form| directory.path().join(format!("{name}-{form:?}"));
    let mut targets: Vec<_> = all.map(|form| target(form, &place("first", form), &fixture)).into();
    let draft = fixture.draft("amd64");
    let delivered =
        deliver(&fixture.context, draft.into(), &mut targets, &options(compression), &|_| {}).unwrap();
    let config = delivered.images[0].config.text();
    for from in all {
        let image = open(from, &place("first", from));
        assert_eq!((image.config.text.as_slice(), &image.tags[..]), (config, &["test:1".to_owned()][..]));
        assert_eq!(image.manifest == delivered.top.text(), from != Form::Archive);
        assert!(verify(image, &fixture.context).is_empty());
        for to in all {
            let (name, image) = (format!("{from:?}"), open(from, &place("first", from)));
            let mut targets = vec![target(to, &place(&name, to), &fixture)];
            deliver(&fixture.context, image.into_draft().into(), &mut targets, &options(None), &|_| {})
                .unwrap();
            let copied = open(to, &place(&name, to));
            assert_eq!(copied.config.text, config, "{from:?} {to:?}");
            assert!(verify(copied, &fixture.context).is_empty());
        }
    }
}

#[test]
fn from_any_file_to_any_file() {
    check(None);
    check(Some(Compression::GZIP));
}

/// A target that is dropped before it is finished leaves no file, and no name in a layout.
#[test]
fn nothing_is_left_of_what_is_not_finished() {
    let fixture = Fixture::new();
    let directory = tempfile::tempdir().unwrap();
    for form in [Form::Archive, Form::Layout, Form::LayoutArchive] {
        let path = directory.path().join(format!("{form:?}"));
        let image = fixture.context.describe_image(fixture.draft("amd64")).unwrap();
        let mut target = target(form, &path, &fixture);
        let writer = target.blob(&image.layers[0].layer, Some(&image.layers[0].descriptor)).unwrap();
        drop(writer);
        drop(target);
        let is_there = match form {
            Form::Layout => {
                path.join("index.json").exists()
                    || fs::read_dir(path.join("blobs/sha256")).unwrap().count() > 0
            }
            Form::Archive | Form::LayoutArchive => path.exists(),
        };
        assert!(!is_there, "{form:?}");
    }
}

//! Detects the form of an argument without a prefix: a conf, a finished image, or store paths. Its content decides.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use strake_image::Store;
use strake_image::plan::in_store;
use strake_image::recognise::{ImageForm, begins_as_archive, image_form};

use crate::failure::Failure;
use crate::incoming::{self, Incoming};
use crate::place::{FilePlace, Form, Place};
use crate::{input, references, script};

/// The sources that arguments name.
pub(crate) enum Named {
    /// A conf: what to call it, and its text.
    Conf(String, Vec<u8>),
    /// Store paths.
    StorePaths(Vec<PathBuf>),
    /// An image that is finished.
    Image(Place),
}

/// The source that one argument names.
enum Single {
    /// A conf in this file.
    File(PathBuf),
    /// A conf that was read already.
    Text(Vec<u8>),
    StorePath,
    Image(FilePlace),
}

/// Finds out what arguments name, none of which says in what form it is.
pub(crate) fn named(arguments: &[PathBuf], store_root: &Path) -> Result<Named, Failure> {
    let store = &references::usual_store(store_root);
    let [argument] = arguments else {
        only_store_paths(arguments, store)?;
        return Ok(Named::StorePaths(arguments.to_vec()));
    };
    Ok(match single(store, argument)? {
        Single::File(file) => Named::Conf(input::name(&file), input::read(&file)?),
        Single::Text(text) => Named::Conf(input::name(argument), text),
        Single::StorePath => Named::StorePaths(arguments.to_vec()),
        Single::Image(place) => Named::Image(Place::File(place)),
    })
}

/// Makes sure that nothing of which an image is planned is an image itself, which would be packed as a file.
pub(crate) fn only_store_paths(arguments: &[PathBuf], store: &Store) -> Result<(), Failure> {
    for argument in arguments.iter().filter(|argument| !input::is_stdin(argument)) {
        if in_store(store, argument)?.is_none() {
            continue;
        }
        let (what, hint) = match single(store, argument)? {
            Single::Image(place) => (
                place.form.what(),
                "give it alone to strake stream or strake copy, or give it as the base image with --from",
            ),
            Single::File(_) => {
                ("the conf of an image, or streams one", "give it alone to strake stream or strake copy")
            }
            Single::Text(_) | Single::StorePath => continue,
        };
        let argument = argument.display();
        return Err(
            Failure::usage(format!("{argument} is {what}, not a store path to plan an image of")).hint(hint)
        );
    }
    Ok(())
}

fn single(store: &Store, argument: &Path) -> Result<Single, Failure> {
    if input::is_stdin(argument) {
        return incoming(argument);
    }
    let inside = in_store(store, argument)?;
    let real = inside.as_ref().map_or_else(|| argument.to_owned(), |(_, name)| store.locate(Path::new(name)));
    if inside.is_none() && incoming::is_pipe(&real) {
        return incoming(argument);
    }
    if real.exists() {
        let form = image_form(&real)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", argument.display())))?;
        if let Some(form) = form {
            return Ok(Single::Image(FilePlace { form: form.into(), path: real, name: None, at: None }));
        }
        if let Some(conf) = streamed(&real) {
            return Ok(Single::File(store.locate(&conf)));
        }
    }
    if let Some((path, name)) = inside {
        let is_json = Path::new(path.name()).extension().is_some_and(|extension| extension == "json");
        let is_json = is_json && path.as_str() == name && real.is_file();
        return Ok(if is_json { Single::File(real) } else { Single::StorePath });
    }
    if real.is_dir() {
        return Err(
            Failure::new(format!("{} is a directory, but no OCI layout", argument.display())).hint(KINDS)
        );
    }
    if begins_as_archive(&start(&real)) {
        return Err(no_image(&argument.display().to_string()));
    }
    Ok(Single::File(real))
}

/// The beginning of a file that can be read again.
fn start(file: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    // Why it cannot be read is said by those who need all of it.
    let _ = File::open(file).and_then(|file| file.take(incoming::START).read_to_end(&mut start));
    start
}

fn no_image(name: &str) -> Failure {
    Failure::new(format!("{name} is an archive, but holds no image, or is cut short")).hint(KINDS)
}

/// The forms of an image.
const KINDS: &str = "an image is a conf, a store path, a docker-archive, an OCI layout or an archive of one";

fn incoming(argument: &Path) -> Result<Single, Failure> {
    let name = input::name(argument);
    Ok(match incoming::take(argument)? {
        Incoming::Text(text) => Single::Text(text),
        Incoming::Archive(at) => {
            let form =
                image_form(&at).map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
            let form = form.ok_or_else(|| no_image(&name))?;
            Single::Image(FilePlace {
                form: form.into(),
                path: argument.to_owned(),
                name: None,
                at: Some(at),
            })
        }
    })
}

/// The conf of the image that an executable streams.
fn streamed(path: &Path) -> Option<PathBuf> {
    let is_small = path.metadata().is_ok_and(|found| found.is_file() && found.len() <= script::MAX);
    let mut text = Vec::new();
    File::open(path).ok().filter(|_| is_small)?.take(script::MAX).read_to_end(&mut text).ok()?;
    script::conf(&text)
}

impl From<ImageForm> for Form {
    fn from(form: ImageForm) -> Self {
        match form {
            ImageForm::DockerArchive => Self::DockerArchive,
            ImageForm::LayoutDirectory => Self::OciDirectory,
            ImageForm::LayoutArchive => Self::OciArchive,
        }
    }
}

//! Opens images that are finished.

use std::path::{Path, PathBuf};

use strake_image::layout::{self, Layout};
use strake_image::manifest::Opened;
use strake_image::parsed::{OpenError, ParsedImage};
use strake_image::{About, Draft, Platform, PlatformPick, Store, archive, reference};

use crate::engine_place::EnginePlace;
use crate::engines::Engines;
use crate::failure::Failure;
use crate::incoming::{self, Incoming};
use crate::place::{self, FilePlace, Form, Place};
use crate::registry::Registries;

/// Opens an image: the one for the platform that is meant, or all that an index lists.
pub(crate) fn opened(
    place: &Place,
    pick: Option<&PlatformPick>,
    registries: &Registries,
) -> Result<Opened, Failure> {
    match pick {
        Some(pick) => Ok(Opened::Image(Box::new(open(place, pick, registries)?))),
        None => open_all(place, registries),
    }
}

/// Opens an image, which must be for the platform if one was asked for.
fn open(place: &Place, pick: &PlatformPick, registries: &Registries) -> Result<ParsedImage, Failure> {
    let failed = |error: &OpenError| Failure::open(&place.to_string(), error);
    let image = image(place, pick, registries).map_err(|problem| problem.worded(failed))?;
    if let PlatformPick::Only(platform) = pick {
        image.check_platform(platform).map_err(|error| failed(&error))?;
    }
    Ok(image)
}

/// The image as one that is to be copied as it is, if nothing is wrong with it.
pub(crate) fn draft(place: &Place, image: ParsedImage) -> Result<Draft, Failure> {
    match image.problems.iter().find(|problem| !problem.is_tolerated) {
        Some(problem) => Err(Failure::open(&place.to_string(), &problem.error)),
        None => Ok(image.into_draft()),
    }
}

fn open_all(place: &Place, registries: &Registries) -> Result<Opened, Failure> {
    let opened = || -> Result<Opened, Problem> {
        Ok(match place {
            Place::Registry(reference) => {
                strake_remote::open_all(registries.repository(reference)?, reference)?
            }
            Place::Engine(place) => Opened::Image(Box::new(fetched(place)?)),
            Place::File(file) => {
                let path = readable(file)?;
                match layout(file.form, &path)? {
                    None => Opened::Image(Box::new(archived(file, &path)?)),
                    Some(layout) => layout.all(&in_layout(file, &machine()))?,
                }
            }
        })
    };
    opened().map_err(|problem| problem.worded(|error| Failure::open(&place.to_string(), error)))
}

/// Why an image cannot be opened.
enum Problem {
    /// The user's words for it are wrong, or its registry cannot be reached.
    Place(Failure),
    /// The image is malformed.
    Image(OpenError),
}

impl Problem {
    fn worded(self, word: impl FnOnce(&OpenError) -> Failure) -> Failure {
        match self {
            Self::Place(failure) => failure,
            Self::Image(error) => word(&error),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Place(failure)
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        Self::Image(error)
    }
}

/// Opens a base image, as a conf names it, for this architecture: of an index only such an image, while one that stands alone may
/// be for another. A path in the store is resolved below the store's root.
pub(crate) fn base(
    text: &str,
    architecture: &str,
    store: &Store,
    registries: &Registries,
) -> Result<ParsedImage, Failure> {
    let place = match place::base(text).map_err(Failure::in_file)? {
        Place::File(named) => Place::File(FilePlace { path: store.locate(&named.path), ..named }),
        other @ (Place::Registry(_) | Place::Engine(_)) => other,
    };
    let of_base = match &place {
        Place::Registry(reference) => Some(registries.for_base(reference)),
        Place::File(_) | Place::Engine(_) => None,
    };
    let registries = of_base.as_ref().unwrap_or(registries);
    let failed = |error: &OpenError| Failure::base(&place.in_conf(), error);
    let base = image(&place, &PlatformPick::Only(Platform::linux(architecture)), registries);
    let base = base.map_err(|problem| problem.worded(failed).in_file())?;
    match base.problems.iter().find(|problem| !problem.is_tolerated) {
        Some(problem) => Err(failed(&problem.error)),
        None => Ok(base),
    }
}

/// Whether a base image is a file, or a directory, that is not there.
pub(crate) fn is_absent(text: &str, store: &Store) -> Result<bool, Failure> {
    Ok(match place::base(text)? {
        Place::File(named) => !store.locate(&named.path).exists(),
        Place::Registry(_) | Place::Engine(_) => false,
    })
}

/// The warning about a base image for another platform than that of the image on it.
pub(crate) fn other_platform(base: &ParsedImage, architecture: &str) -> Option<String> {
    let said = |text: &str, usual: &str| if text.is_empty() { usual } else { text }.to_owned();
    let found = &base.config.platform;
    let (os, found) = (said(&found.os, "linux"), said(&found.architecture, architecture));
    let platform = reference::list(&[&format!("{os}/{found}")]);
    ((&*os, &*found) != ("linux", architecture))
        .then(|| format!("the base image is for {platform}, and the image for linux/{architecture}"))
}

/// The warning about links in an image that a runtime may not follow.
pub(crate) fn etc_links<'l>(links: impl IntoIterator<Item = &'l &'static str>) -> Option<String> {
    let links: Vec<&str> = links.into_iter().copied().collect();
    let (are, what) = match links[..] {
        [] => return None,
        [_] => ("is an absolute symbolic link", "a file in its place"),
        _ => ("are absolute symbolic links", "files in their place"),
    };
    let links = links.join(" and ");
    Some(format!(
        "{links} {are}, with which containerd 2.2 starts no container; --materialize-etc of strake plan, or materializeEtc of the Nix library, writes {what}"
    ))
}

/// The warning about a base image whose reference may change.
pub(crate) fn not_pinned(text: &str) -> Option<String> {
    match place::base(text) {
        Ok(Place::Registry(reference)) if reference.digest.is_none() => Some(format!(
            "the base image {text} can change at any time; strake pin {reference} prints its digest"
        )),
        _ => None,
    }
}

fn image(place: &Place, pick: &PlatformPick, registries: &Registries) -> Result<ParsedImage, Problem> {
    Ok(match place {
        Place::Registry(reference) => {
            strake_remote::open(registries.repository(reference)?, reference, pick)?
        }
        Place::Engine(place) => fetched(place)?,
        Place::File(file) => {
            let path = readable(file)?;
            match layout(file.form, &path)? {
                None => archived(file, &path)?,
                Some(layout) => layout.image(&in_layout(file, pick))?,
            }
        }
    })
}

/// An image out of an engine, by way of a file that is gone when strake ends.
fn fetched(place: &EnginePlace) -> Result<ParsedImage, Problem> {
    let path = incoming::keep(Engines::default().fetch(place)?);
    Ok(archive::open_image(&path, &archive::ArchivePick::First, &std::env::temp_dir())?)
}

/// Where a file or directory can be read as often as is needed. An archive out of a pipe is put aside.
fn readable(place: &FilePlace) -> Result<PathBuf, Failure> {
    match &place.at {
        Some(path) => Ok(path.clone()),
        None if place.form != Form::OciDirectory && incoming::is_pipe(&place.path) => {
            match incoming::take(&place.path)? {
                Incoming::Archive(path) => Ok(path),
                Incoming::Text(_) => Err(Failure::no_archive(place)),
            }
        }
        None => Ok(place.path.clone()),
    }
}

/// The layout in a file or directory. `None`: a docker-archive is.
fn layout(form: Form, path: &Path) -> Result<Option<Layout>, OpenError> {
    match form {
        Form::DockerArchive => Ok(None),
        Form::OciDirectory => Layout::directory(path).map(Some),
        Form::OciArchive | Form::HybridArchive => Layout::archive(path, &std::env::temp_dir()).map(Some),
    }
}

fn in_layout(place: &FilePlace, platform: &PlatformPick) -> layout::LayoutPick {
    layout::LayoutPick { name: place.name.clone(), platform: platform.clone() }
}

fn archived(place: &FilePlace, path: &Path) -> Result<ParsedImage, Problem> {
    let pick = match place.name.as_deref() {
        None => archive::ArchivePick::First,
        Some(name) => match name.strip_prefix('@') {
            None => archive::ArchivePick::Named(name.to_owned()),
            Some(number) => archive::ArchivePick::At(number.parse().map_err(|_| {
                Failure::usage(format!("{place}: {name:?} is not a place in the archive"))
                    .hint("@0 is the first image, @1 the second")
            })?),
        },
    };
    Ok(archive::open_image(path, &pick, &std::env::temp_dir())?)
}

/// The names of a finished image that Docker takes: in a layout a name can be anything, like a tag alone.
pub(crate) fn names_for_docker(about: &About) -> Option<Vec<String>> {
    match about {
        About::Settings(_) => None,
        About::Given(given) => {
            let docker = |name: &&String| reference::with_tag(name).as_ref() == Some(*name);
            Some(given.tags.iter().filter(docker).cloned().collect())
        }
    }
}

/// The platform of this machine, the default without `--platform`.
pub(crate) fn machine() -> PlatformPick {
    PlatformPick::Preferred(Platform::linux(architecture()))
}

/// Go's name for this machine's architecture.
pub(crate) fn architecture() -> String {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
    .to_owned()
}

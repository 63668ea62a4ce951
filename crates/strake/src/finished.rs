//! Opens images that are finished.

use strake_image::foreign::{Foreign, OpenError};
use strake_image::store::Store;
use strake_image::{archive, layout, reference};

use crate::failure::Failure;
use crate::place::{self, FilePlace, Form, Place};
use crate::registry::Registries;

/// Opens an image. `arch` says which, if it is there for several platforms; else the machine does.
pub(crate) fn open(place: &Place, arch: Option<&str>, registries: &Registries) -> Result<Foreign, Failure> {
    let arch = arch.map_or_else(architecture, str::to_owned);
    in_form(place, &arch, registries)?.map_err(|error| Failure::open(&place.to_string(), &error))
}

/// Opens a base image, as a conf names it, for this architecture. Where it lies in the store, it lies where the store
/// lies.
pub(crate) fn base(
    text: &str,
    architecture: &str,
    store: &Store,
    registries: &Registries,
) -> Result<Foreign, Failure> {
    let place = match place::base(text)? {
        Place::File(named) => Place::File(FilePlace { path: store.locate(&named.path), ..named }),
        registry @ Place::Registry(_) => registry,
    };
    let failed = |error: &OpenError| Failure::base(&place.in_conf(), error);
    let base = in_form(&place, architecture, registries)?.map_err(|error| failed(&error))?;
    match base.problems.first() {
        Some(problem) => Err(failed(&problem.error)),
        None => Ok(base),
    }
}

/// What is to be said where a base image is not for the platform that an image on it is for.
pub(crate) fn other_platform(base: &Foreign, architecture: &str) -> Option<String> {
    let os = base.config.os.as_deref().unwrap_or("linux");
    let found = base.config.architecture.as_deref().unwrap_or(architecture);
    let platform = reference::list(&[&format!("{os}/{found}")]);
    ((os, found) != ("linux", architecture))
        .then(|| format!("the base image is for {platform}, and the image for linux/{architecture}"))
}

/// What is to be said where a base image may be another one tomorrow.
pub(crate) fn not_pinned(text: &str) -> Option<String> {
    match place::base(text) {
        Ok(Place::Registry(reference)) if reference.digest.is_none() => Some(format!(
            "the base image {text} can change at any time; strake pin {reference} prints its digest"
        )),
        _ => None,
    }
}

fn in_form(
    place: &Place,
    architecture: &str,
    registries: &Registries,
) -> Result<Result<Foreign, OpenError>, Failure> {
    let place = match place {
        Place::File(place) => place,
        Place::Registry(reference) => {
            return Ok(strake_remote::open(registries.repository(reference)?, reference, architecture));
        }
    };
    let pick = || layout::Pick { name: place.name.clone(), architecture: architecture.to_owned() };
    Ok(match place.form {
        Form::DockerArchive => archive::open_image(&place.path, &in_archive(place)?),
        Form::OciDirectory => layout::open_directory(&place.path, &pick()),
        Form::OciArchive => layout::open_archive(&place.path, &pick()),
    })
}

fn in_archive(place: &FilePlace) -> Result<archive::Pick, Failure> {
    Ok(match place.name.as_deref() {
        None => archive::Pick::First,
        Some(name) => match name.strip_prefix('@') {
            None => archive::Pick::Named(name.to_owned()),
            Some(number) => archive::Pick::At(number.parse().map_err(|_| {
                Failure::new(format!("{place}: {name:?} is not a place in the archive"))
                    .hint("@0 is the first image, @1 the second")
            })?),
        },
    })
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

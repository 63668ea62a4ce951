//! Where images are and where they go to, as the user says it: `docker-archive:FILE`, `oci:DIR:NAME` and so on.

use std::fmt;
use std::path::{Path, PathBuf};

use strake_image::reference;
use strake_remote::Reference;

use crate::engine_place::{self, EnginePlace};
use crate::failure::Failure;
use crate::suggestion;

/// A place that an image can be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    File(FilePlace),
    Registry(Reference),
    Engine(EnginePlace),
}

/// A place in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePlace {
    pub(crate) form: Form,
    pub(crate) path: PathBuf,
    /// The part behind the path: the image's name, or its place as `@N`.
    pub(crate) name: Option<String>,
    /// The file that is opened in place of the path, where that can be read only once.
    pub(crate) at: Option<PathBuf>,
}

/// The forms of images in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    DockerArchive,
    OciDirectory,
    OciArchive,
    HybridArchive,
}

/// The source of an image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A conf, or store paths.
    Plan(Vec<PathBuf>),
    /// A finished image.
    Image(Place),
}

/// Where an image goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// As a docker-archive.
    Stdout,
    Place(Place),
}

impl Form {
    const ALL: [Self; 4] = [Self::DockerArchive, Self::OciDirectory, Self::OciArchive, Self::HybridArchive];

    /// The type, for messages.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::DockerArchive => "a docker-archive",
            Self::OciDirectory => "an OCI layout",
            Self::OciArchive | Self::HybridArchive => "an archive of an OCI layout",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::DockerArchive => "docker-archive",
            Self::OciDirectory => "oci",
            Self::OciArchive => "oci-archive",
            Self::HybridArchive => "hybrid-archive",
        }
    }
}

/// The prefix of the name of an image in a registry.
const REGISTRY: &str = "docker://";

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(place) => place.fmt(f),
            Self::Registry(reference) => write!(f, "{REGISTRY}{reference}"),
            Self::Engine(place) => place.fmt(f),
        }
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.form.word(), self.path.display())?;
        self.name.iter().try_for_each(|name| write!(f, ":{name}"))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Place(place) => place.fmt(f),
        }
    }
}

impl Destination {
    /// Whether the image gets a manifest there that others can read.
    pub(crate) fn has_a_manifest(&self) -> bool {
        self.has_room_for_an_index()
            || matches!(self, Self::Place(Place::File(place)) if place.form == Form::HybridArchive)
    }

    /// Whether several images can go there under one name.
    pub(crate) fn has_room_for_an_index(&self) -> bool {
        match self {
            Self::Stdout | Self::Place(Place::Engine(_)) => false,
            Self::Place(Place::File(place)) => matches!(place.form, Form::OciDirectory | Form::OciArchive),
            Self::Place(Place::Registry(_)) => true,
        }
    }
}

/// Takes a source and its destinations apart: the destinations begin at the first argument after the first that is a
/// place or `-`.
pub(crate) fn split(arguments: &[PathBuf]) -> Result<(Source, Vec<Destination>), Failure> {
    let is_target = |argument: &PathBuf| argument == Path::new("-") || is_place(argument);
    let behind = arguments.iter().skip(1).position(is_target).map_or(arguments.len(), |place| place + 1);
    let (source, targets) = arguments.split_at(behind);
    let targets = targets.iter().map(|argument| target(argument)).collect::<Result<Vec<_>, Failure>>()?;
    let Some(last) = source.last().filter(|_| targets.is_empty()) else {
        return Ok((self::source(source)?, targets));
    };
    Err(unknown(last))
}

/// A source that stands alone.
pub(crate) fn source(arguments: &[PathBuf]) -> Result<Source, Failure> {
    match arguments {
        [argument] => Ok(match place(argument)? {
            Some(place) => Source::Image(place),
            None => Source::Plan(vec![argument.clone()]),
        }),
        several => match several.iter().find(|argument| is_place(argument)) {
            Some(image) => Err(Failure::usage(format!(
                "{} is an image; only store paths can be several",
                image.display()
            ))),
            None => Ok(Source::Plan(several.to_vec())),
        },
    }
}

/// A destination.
pub(crate) fn target(argument: &Path) -> Result<Destination, Failure> {
    if argument == Path::new("-") {
        return Ok(Destination::Stdout);
    }
    let place = place(argument)?.ok_or_else(|| unknown(argument))?;
    if let Place::File(file) = &place {
        file.new_name()?;
    }
    Ok(Destination::Place(place))
}

fn unknown(argument: &Path) -> Failure {
    let usual = "a destination is docker://NAME, docker-daemon:NAME, docker-archive:FILE, oci:DIR, oci-archive:FILE, or - for stdout; \
                 strake copy --help has them all";
    Failure::usage(format!("{} is not a destination", argument.display()))
        .hint(suggestion::of_destination(argument).unwrap_or_else(|| usual.to_owned()))
}

fn is_place(argument: &Path) -> bool {
    form(argument).is_some()
        || registry(argument).is_some()
        || argument.to_str().is_some_and(engine_place::is_engine)
}

fn registry(argument: &Path) -> Option<&str> {
    argument.to_str()?.strip_prefix(REGISTRY)
}

fn form(argument: &Path) -> Option<Form> {
    let text = argument.to_str()?;
    Form::ALL
        .into_iter()
        .find(|form| text.strip_prefix(form.word()).is_some_and(|rest| rest.starts_with(':')))
}

fn place(argument: &Path) -> Result<Option<Place>, Failure> {
    if let Some(name) = registry(argument) {
        return Reference::parse(name)
            .map(Place::Registry)
            .map(Some)
            .map_err(|error| Failure::reference(name, &error));
    }
    if let Some(place) = argument.to_str().map(EnginePlace::parse).transpose()?.flatten() {
        return Ok(Some(Place::Engine(place)));
    }
    let (Some(form), Some(text)) = (form(argument), argument.to_str()) else { return Ok(None) };
    let rest = &text[form.word().len() + 1..];
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name.to_owned())),
        None => (rest, None),
    };
    if path.is_empty() || name.as_ref().is_some_and(String::is_empty) {
        return Err(Failure::usage(format!("{text:?} is not complete"))
            .hint("an image is docker-archive:FILE[:NAME], oci:DIR[:NAME] or oci-archive:FILE[:NAME]"));
    }
    Ok(Some(Place::File(FilePlace { form, path: path.into(), name, at: None })))
}

/// A base image as the user or a conf names it: a place, or only a docker-archive's path.
pub(crate) fn base(text: &str) -> Result<Place, Failure> {
    let path = Path::new(text);
    let archive = || FilePlace { form: Form::DockerArchive, path: path.into(), name: None, at: None };
    Ok(place(path)?.unwrap_or_else(|| Place::File(archive())))
}

impl Place {
    /// As a conf names it, which must be absolute then: a docker-archive by its path, as dockerTools does.
    pub(crate) fn in_conf(&self) -> String {
        match self {
            Self::File(FilePlace { form: Form::DockerArchive, name: None, path, .. }) => {
                path.display().to_string()
            }
            place => place.to_string(),
        }
    }
}

impl FilePlace {
    /// The name that an image gets here, if one is said.
    pub(crate) fn new_name(&self) -> Result<Option<String>, Failure> {
        let Some(name) = &self.name else { return Ok(None) };
        let valid = match self.form {
            Form::DockerArchive | Form::HybridArchive => reference::with_tag(name),
            Form::OciDirectory | Form::OciArchive => reference::is_ref_name(name).then(|| name.clone()),
        };
        let wrong = || {
            Failure::usage(format!("{name:?} is not a name that an image can have"))
                .hint("a name is like hello:1.0 or registry.example.org/team/hello:1.0")
        };
        valid.map(Some).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(arguments: &[&str]) -> Vec<PathBuf> {
        arguments.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn sources_and_destinations() {
        let oci = |path: &str, name: Option<&str>| {
            let name = name.map(str::to_owned);
            Place::File(FilePlace { form: Form::OciDirectory, path: path.into(), name, at: None })
        };
        let (source, targets) = split(&paths(&["oci:a:b:1", "oci:c", "-"])).unwrap();
        assert_eq!(source, Source::Image(oci("a", Some("b:1"))));
        assert_eq!(targets, [Destination::Place(oci("c", None)), Destination::Stdout]);
        let (source, targets) = split(&paths(&["/nix/store/a", "/nix/store/b", "-"])).unwrap();
        assert_eq!(source, Source::Plan(paths(&["/nix/store/a", "/nix/store/b"])));
        assert_eq!(targets, [Destination::Stdout]);
        assert_eq!(split(&paths(&["-", "-"])).unwrap().0, Source::Plan(paths(&["-"])));
        let hello = Place::Registry(Reference::parse("localhost:5000/hello:1").unwrap());
        let (source, targets) = split(&paths(&["a", "docker://localhost:5000/hello:1"])).unwrap();
        assert_eq!((source, targets), (Source::Plan(paths(&["a"])), vec![Destination::Place(hello)]));
        for refused in [
            &["a", "b"][..],
            &["a", "docker://"],
            &["a", "docker://Hello"],
            &["a"],
            &["a", "-", "b"],
            &["a", "oci:"],
            &["a", "oci:x:"],
            &["oci:a", "b", "-"],
            &["a", "docker-archive:b:Hello:1"],
            &["a", "oci:b:a b"],
        ] {
            assert!(split(&paths(refused)).is_err(), "{refused:?}");
        }
    }
}

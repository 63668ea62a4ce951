//! Where images go to, and whether they can.

use std::path::Path;
use std::sync::Arc;

use strake_image::archive::ArchiveTarget;
use strake_image::compression::Compression;
use strake_image::deliver::{Batch, BatchIndex};
use strake_image::layout::{LayoutArchiveTarget, LayoutTarget};
use strake_image::manifest::Listing;
use strake_image::{About, Codec, Context, Digest, Document, Draft, Format, Target};
use strake_remote::{Reference, RegistryTarget, RemoteError, Repository};

use crate::cli::{Copy, ManifestFormat};
use crate::engines::Engines;
use crate::failure::Failure;
use crate::place::{Destination, Form, Place, Source};
use crate::registry::Registries;
use crate::{finished, output};

/// How the image is to be listed where manifests are.
pub(super) fn listing(arguments: &Copy, targets: &[Destination]) -> Result<Listing, Failure> {
    let format = arguments.format.map(|format| match format {
        ManifestFormat::Oci => Format::Oci,
        ManifestFormat::Docker => Format::Docker,
    });
    let pairs = arguments.annotation.iter().filter_map(|text| text.split_once('='));
    let annotations: Vec<_> = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let has_room = targets.iter().any(Destination::has_a_manifest);
    if arguments.digest_file.is_some() && !has_room {
        return Err(Failure::usage("--digest-file: none of the destinations has a manifest")
            .hint("--digest-file is for images that go to docker://NAME, oci:DIR or oci-archive:FILE"));
    }
    if arguments.dry_run && !targets.iter().all(is_registry) {
        return Err(Failure::usage("--dry-run is for images that only go to registries"));
    }
    let is_one_tag = matches!(
        targets,
        [Destination::Place(Place::Registry(reference))] if reference.digest.is_none()
    );
    if arguments.update && !is_one_tag {
        return Err(Failure::usage("--update is for one index in a registry")
            .hint("strake copy --index --update IMAGE docker://NAME:TAG, without a digest"));
    }
    if !annotations.is_empty() && (format == Some(Format::Docker) || !has_room) {
        return Err(Failure::usage("--annotation: there is no room for annotations")
            .hint("only a manifest of the OCI has them: copy to docker://NAME, oci:DIR or oci-archive:FILE, without --format docker"));
    }
    if targets.iter().filter(|target| **target == Destination::Stdout).count() > 1 {
        return Err(Failure::usage("stdout can only be one of the destinations"));
    }
    Ok(Listing { format, annotations })
}

/// How layers are compressed that are not. Unless the user says, those that go into registries are, with gzip, which all clients
/// read. An image out of a registry stays what it is there, and so does one of which the digest is given.
pub(super) fn compression(
    arguments: &Copy,
    sources: &[Source],
    targets: &[Destination],
) -> Option<Compression> {
    let is_copied = sources.iter().all(|source| matches!(source, Source::Image(Place::Registry(_))));
    let has_digest = |target: &Destination| matches!(target, Destination::Place(Place::Registry(reference)) if reference.digest.is_some());
    let is_usual = targets.iter().any(is_registry) && !is_copied && !targets.iter().any(has_digest);
    match arguments.compress {
        Some(said) => said.0,
        None => is_usual.then_some(Compression::GZIP),
    }
}

/// Adds the images to the index that the only destination leads to, and returns its digest.
pub(super) fn update(
    repository: &Arc<Repository>,
    places: &[Destination],
    images: &Document,
) -> Result<Digest, Failure> {
    let [Destination::Place(place @ Place::Registry(reference))] = places else {
        return Err(Failure::usage("--update is for one index in a registry"));
    };
    let index = strake_remote::update_index(repository, reference, images);
    Ok(index.map_err(|error| Failure::open(&place.to_string(), &error))?.digest())
}

fn is_registry(target: &Destination) -> bool {
    matches!(target, Destination::Place(Place::Registry(_)))
}

/// Docker's manifests have no name for layers that are compressed with zstd.
pub(super) fn can_be_listed(
    compression: Option<Compression>,
    listing: &Listing,
    batch: &Batch,
    targets: &[Destination],
) -> Result<(), Failure> {
    let is_zstd = compression.is_some_and(|compression| compression.codec() == Codec::Zstd);
    let is_docker = |draft: &Draft| {
        let given = match &draft.about {
            About::Settings(_) => None,
            About::Given(given) => given.manifest.as_deref(),
        };
        listing.format_of(given) == Format::Docker
    };
    if is_zstd && targets.iter().any(Destination::has_a_manifest) && batch.images.iter().any(is_docker) {
        return Err(Failure::new(
            "--compress: Docker's manifests cannot list layers that are compressed with zstd",
        )
        .hint("compress with gzip, or have an OCI manifest with --format oci"));
    }
    Ok(())
}

/// The place of the image that goes where there is room for only one, if there is such a target.
pub(super) fn only(targets: &[Destination], batch: &Batch) -> Result<Option<usize>, Failure> {
    if targets.iter().all(Destination::has_room_for_an_index) {
        return Ok(None);
    }
    let Some(BatchIndex::Given { platforms, .. }) = &batch.index else { return Ok(Some(0)) };
    if let [_] = platforms[..] {
        return Ok(Some(0));
    }
    let machine = finished::machine();
    let fits = |place: &usize| platforms[*place].is_a(machine.platform());
    let fits: Vec<usize> = (0..platforms.len()).filter(fits).collect();
    let plain = fits.iter().find(|&&place| platforms[place].variant.is_none());
    match (plain, &fits[..]) {
        (Some(place), _) | (None, [place]) => Ok(Some(*place)),
        _ => Err(Failure::several_platforms("the image", platforms)),
    }
}

/// The repositories among the destinations, each with all its tags. Each is asked whether it is there.
pub(super) fn registries<'c>(
    places: &[Destination],
    arguments: &Copy,
    registries: &Registries,
    context: &'c Context,
    warnings: &mut Vec<String>,
) -> Result<Vec<RegistryTarget<'c>>, Failure> {
    let mut targets: Vec<RegistryTarget<'c>> = Vec::new();
    for place in places {
        let Destination::Place(Place::Registry(reference)) = place else { continue };
        if let Some(known) = targets.iter_mut().find(|target| target.is_for(reference)) {
            known.add(reference).map_err(|error| match error {
                RemoteError::OtherManifest { expected, found } => Failure::new(format!(
                    "an image cannot be both {expected} and {found} in {}",
                    known.name()
                )),
                error => error.into(),
            })?;
            continue;
        }
        let repository = registries.repository(reference)?;
        if let Some(tag) = &arguments.previous
            && !repository.has_name(tag)?
        {
            let name = Reference { tag: Some(tag.clone()), digest: None, ..reference.clone() };
            warnings.push(format!("--previous: there is no docker://{name}, so nothing is learnt from it"));
        }
        let target = RegistryTarget::new(repository, reference.clone(), context);
        let target = target.learning_from(arguments.previous.clone());
        targets.push(if arguments.update { target.without_index() } else { target });
    }
    Ok(targets)
}

/// The names of the targets in messages, and whether images have manifests there.
pub(super) fn names(places: &[Destination], registries: &[RegistryTarget<'_>]) -> Vec<(String, bool)> {
    let files = places.iter().filter(|place| !is_registry(place));
    let files = files.map(|place| (place.to_string(), place.has_a_manifest()));
    files
        .chain(registries.iter().flat_map(|target| target.names().into_iter().map(|name| (name, true))))
        .collect()
}

/// The targets. `about` is what the image is that goes where there is room for only one.
pub(super) fn create<'c>(
    places: &[Destination],
    registries: Vec<RegistryTarget<'c>>,
    about: &About,
    context: &'c Context,
) -> Result<Vec<Box<dyn Target + 'c>>, Failure> {
    let written = &context.progress.written;
    let mut targets: Vec<Box<dyn Target + 'c>> = Vec::with_capacity(places.len());
    for place in places {
        let (form, path, name) = match place {
            Destination::Place(Place::Engine(place)) => {
                let names = Some(vec![place.name.clone()]);
                targets.push(Box::new(Engines::default().target(
                    &place.engine,
                    names,
                    about.mtime(),
                    context,
                )?));
                continue;
            }
            Destination::Stdout => (Form::DockerArchive, Path::new("-"), None),
            Destination::Place(Place::File(place)) => (place.form, &*place.path, place.new_name()?),
            Destination::Place(Place::Registry(_)) => continue,
        };
        let names = name.map(|name| vec![name]);
        targets.push(match form {
            Form::DockerArchive => {
                let archive = ArchiveTarget::new(output::archive(Some(path))?, about.mtime(), written)?;
                Box::new(archive.named(names.or_else(|| finished::names_for_docker(about))))
            }
            Form::HybridArchive => {
                let (output, aside) = (output::archive(Some(path))?, std::env::temp_dir());
                let names = names.or_else(|| finished::names_for_docker(about));
                Box::new(LayoutArchiveTarget::new(output, about.mtime(), names, aside, written)?.hybrid())
            }
            Form::OciArchive => {
                let (output, aside) = (output::archive(Some(path))?, std::env::temp_dir());
                Box::new(LayoutArchiveTarget::new(output, about.mtime(), names, aside, written)?)
            }
            Form::OciDirectory => {
                let layout = LayoutTarget::new(path, names, written);
                let layout = layout.map_err(|error| Failure::prepare(path, &error))?;
                Box::new(layout.verifying(context.verify))
            }
        });
    }
    targets.extend(registries.into_iter().map(|target| Box::new(target) as _));
    Ok(targets)
}

//! Where images go to, and whether they can.

use std::path::Path;

use strake_image::archive::ArchiveWriter;
use strake_image::blob::Blob;
use strake_image::cache::Cache;
use strake_image::codec::Codec;
use strake_image::compression::Compression;
use strake_image::delivery;
use strake_image::destination::Destination;
use strake_image::draft::{About, LayerDraft};
use strake_image::layout::{LayoutArchiveWriter, LayoutWriter};
use strake_image::manifest::Listing;
use strake_image::media_type::Format;
use strake_image::recipe::{Recipe, Source as Bytes};
use strake_image::reference;
use strake_image::sink::Descriptor;

use crate::cli::{Copy, ManifestFormat};
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{Form, Place, Target};
use crate::report::Progress;

/// How the image is to be listed where manifests are.
pub(super) fn listing(arguments: &Copy, targets: &[Target]) -> Result<Listing, Failure> {
    let format = arguments.format.map(|format| match format {
        ManifestFormat::Oci => Format::Oci,
        ManifestFormat::Docker => Format::Docker,
    });
    let annotations = arguments.annotation.iter().map(|text| {
        let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
        let wrong = || Failure::new(format!("--annotation {text:?} is not KEY=VALUE"));
        pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(wrong)
    });
    let annotations = annotations.collect::<Result<Vec<_>, _>>()?;
    let has_room = targets.iter().any(Target::has_a_manifest);
    if arguments.digest_file.is_some() && !has_room {
        return Err(Failure::new("a docker-archive has no manifest of which there would be a digest")
            .hint("--digest-file is for images that go to docker://NAME, oci:DIR or oci-archive:FILE"));
    }
    if arguments.dry_run && !targets.iter().all(is_registry) {
        return Err(Failure::new("--dry-run is for images that only go to registries"));
    }
    if !annotations.is_empty() && (format == Some(Format::Docker) || !has_room) {
        return Err(Failure::new("there is no room for annotations")
            .hint("only a manifest of the OCI has them: copy to docker://NAME, oci:DIR or oci-archive:FILE, without --format docker"));
    }
    if targets.iter().filter(|target| **target == Target::Stdout).count() > 1 {
        return Err(Failure::new("stdout can only be one of the destinations"));
    }
    Ok(Listing { format, annotations })
}

pub(super) fn is_registry(target: &Target) -> bool {
    matches!(target, Target::Place(Place::Registry(_)))
}

/// Docker's manifests have no name for layers that are compressed with zstd.
pub(super) fn can_be_listed(
    compression: Option<Compression>,
    listing: &Listing,
    about: &About,
    targets: &[Target],
) -> Result<(), Failure> {
    let given = match about {
        About::Settings(_) => None,
        About::Given(given) => given.manifest.as_deref(),
    };
    let is_zstd = compression.is_some_and(|compression| compression.codec() == Codec::Zstd);
    if is_zstd && targets.iter().any(Target::has_a_manifest) && listing.format_of(given) == Format::Docker {
        return Err(Failure::new("Docker's manifests cannot list layers that are compressed with zstd")
            .hint("compress with gzip, or have an OCI manifest with --format oci"));
    }
    Ok(())
}

/// The file or pipe that an archive goes to.
pub(super) fn output(target: &Target) -> Result<Option<Output>, Failure> {
    match target {
        Target::Stdout => Output::open(None).map(Some),
        Target::Place(Place::File(place)) if place.form != Form::OciDirectory => {
            Output::open(Some(&place.path)).map(Some)
        }
        Target::Place(_) => Ok(None),
    }
}

pub(super) fn destination<'d>(
    target: &Target,
    sink: Option<&'d mut Descriptor<'_>>,
    about: &About,
    verify: bool,
    progress: &'d Progress,
) -> Result<Box<dyn Destination + 'd>, Failure> {
    let (form, path, name) = match target {
        Target::Stdout => (Form::DockerArchive, Path::new("-"), None),
        Target::Place(Place::File(place)) => (place.form, &*place.path, place.new_name()?),
        Target::Place(Place::Registry(_)) => unreachable!("a registry is no file"),
    };
    let names = name.map(|name| vec![name]);
    Ok(match sink {
        Some(sink) if form == Form::DockerArchive => {
            let writer = ArchiveWriter::new(sink, about.mtime());
            match names.or_else(|| names_for_docker(about)) {
                Some(names) => Box::new(writer.named(names)),
                None => Box::new(writer),
            }
        }
        Some(sink) => {
            let aside = std::env::temp_dir();
            Box::new(LayoutArchiveWriter::new(sink, about.mtime(), names, aside))
        }
        None => {
            let writer = LayoutWriter::new(path, names, &progress.written);
            Box::new(writer.map_err(|error| Failure::prepare(path, &error))?.verifying(verify))
        }
    })
}

/// The names of a finished image that Docker takes: in a layout a name can be anything, like a tag alone.
fn names_for_docker(about: &About) -> Option<Vec<String>> {
    match about {
        About::Settings(_) => None,
        About::Given(given) => {
            let docker = |name: &&String| reference::with_tag(name).as_ref() == Some(*name);
            Some(given.tags.iter().filter(docker).cloned().collect())
        }
    }
}

/// What all destinations have need not be read, and need not even be there.
pub(super) fn leave_out(
    drafts: &mut [LayerDraft],
    destinations: &[&mut (dyn Destination + '_)],
    compressed: Option<(&Cache, Compression)>,
) {
    let everywhere = |blob: &Blob| destinations.iter().all(|one| one.has(blob.digest, blob.size));
    for draft in drafts {
        let Recipe::Tarball(tarball) = &mut draft.recipe else { continue };
        let (Some(digest), Ok(codec)) = (tarball.digest, tarball.codec()) else { continue };
        let is_there = match compressed {
            Some((cache, compression)) if digest == tarball.diff_id => {
                let known = delivery::known(cache, digest, compression, everywhere);
                known.is_some_and(|known| everywhere(&known.blob))
            }
            _ => everywhere(&Blob { digest, size: tarball.size, codec }),
        };
        if is_there {
            tarball.source = Bytes::Elsewhere { path: tarball.source.path().to_owned() };
        }
    }
}

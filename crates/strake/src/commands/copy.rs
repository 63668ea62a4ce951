//! `strake copy`: an image from one form to others.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use strake_image::archive::ArchiveWriter;
use strake_image::blob::Blob;
use strake_image::cache::Cache;
use strake_image::codec::Codec;
use strake_image::compression::{Compression, Pool};
use strake_image::delivery::{self, Delivery};
use strake_image::destination::{Destination, FinishError, Written};
use strake_image::digest::Digest;
use strake_image::draft::{About, Draft, LayerDraft};
use strake_image::engine::Engine;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::layout::{LayoutArchiveWriter, LayoutWriter};
use strake_image::manifest::Listing;
use strake_image::media_type::Format;
use strake_image::recipe::{Recipe, Source as Bytes};
use strake_image::reference;
use strake_image::sink::Descriptor;
use strake_image::store::Store;

use crate::cli::{Copy, ManifestFormat};
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::place::{Form, Place, Source, Target, split};
use crate::push::{self, Pushing};
use crate::registry::Registries;
use crate::report::{Progress, Reporter};
use crate::{finished, references, source};

pub(crate) fn run(arguments: &Copy) -> Result<(), Failure> {
    let now = SystemTime::now();
    let begun = Instant::now();
    let (source, targets) = split(&arguments.places)?;
    let listing = listing(arguments, &targets)?;
    let registries = Registries::new(&arguments.connecting)?;
    let goals = push::goals(&targets, &registries)?;
    let mut warnings = Vec::new();
    let (Draft { layers: mut drafts, about }, store) =
        open(&source, arguments, &registries, now, &mut warnings)?;
    let compression = arguments.compress.0;
    can_be_listed(compression, &listing, &about, &targets)?;
    let targets: Vec<Target> = targets.into_iter().filter(|target| !is_registry(target)).collect();

    let progress = Arc::new(Progress { copies: (targets.len() + goals.len()) as u64, ..Progress::default() });
    let mut outputs = targets.iter().map(output).collect::<Result<Vec<_>, _>>()?;
    let mut sinks = Vec::new();
    for output in &outputs {
        let descriptor = output.as_ref().map(Output::descriptor).transpose()?;
        sinks.push(descriptor.map(|descriptor| Descriptor::new(descriptor, &progress.written)));
    }
    let mut destinations: Vec<Box<dyn Destination + '_>> = Vec::with_capacity(targets.len());
    for (target, sink) in targets.iter().zip(&mut sinks) {
        destinations.push(destination(target, sink.as_mut(), &about, &listing, &progress)?);
    }
    let cache = super::usable_cache(arguments.making.no_cache, |warning| warnings.push(warning.to_owned()));
    if goals.is_empty() {
        leave_out(&mut drafts, &destinations, cache.as_ref().zip(compression));
    }

    let mut reporter = Reporter::new(arguments.writing.style(), &drafts, &store, &progress);
    for warning in &warnings {
        reporter.warning(warning);
    }
    let jobs = arguments.making.jobs.unwrap_or_else(super::all_processors);
    // More threads than processors make compressing no faster.
    let pool = compression.map(|compression| Pool::new(compression, jobs.min(super::processors())));
    let pool = pool.transpose().map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let engine = Engine {
        store: &store,
        cache: cache.as_ref(),
        jobs,
        verify: arguments.writing.verify,
        started: now,
        digested: &progress.digested,
    };
    let delivery = Delivery {
        store: &store,
        verify: arguments.writing.verify,
        pool: pool.as_ref(),
        cache: cache.as_ref(),
        compressed: &progress.compressed,
    };
    let (layers, blobs) = super::write_layers(&engine, drafts, &mut reporter, |layer| {
        let mut all: Vec<&mut dyn Destination> = destinations.iter_mut().map(|one| &mut **one as _).collect();
        delivery.write(layer, &mut all)
    })?;
    let image = Image::new(layers, blobs, about).map_err(FinishError::from)?;
    let finished = destinations.iter_mut().map(|destination| destination.finish(&image));
    let finished = finished.collect::<Result<Vec<Written>, _>>()?;
    drop(destinations);
    let previous = arguments.previous.as_deref();
    let pushing = Pushing { delivery, listing: &listing, sent: &progress.written, previous };
    let push = |goal| pushing.push(goal, &image, &reporter, arguments.dry_run);
    let pushed = goals.iter().map(push).collect::<Result<Vec<Digest>, _>>()?;
    for (sink, output) in sinks.into_iter().zip(&mut outputs) {
        if let (Some(sink), Some(output)) = (sink, output.take()) {
            sink.finish().map_err(Error::from)?;
            output.commit()?;
        }
    }
    for (target, written) in targets.iter().zip(&finished) {
        reporter.written(&target.to_string(), written.manifest);
    }
    if arguments.dry_run {
        return Ok(());
    }
    for (goal, digest) in goals.iter().zip(&pushed) {
        reporter.written(&goal.name(), Some(*digest));
    }
    let digest = pushed.first().copied().or(finished.iter().find_map(|written| written.manifest));
    if let (Some(file), Some(digest)) = (&arguments.digest_file, digest) {
        output::write(file, format!("{digest}\n").as_bytes())?;
    }
    let size = progress.written.load(Ordering::Relaxed);
    let total = Written { image_id: image.id(), manifest: None, size };
    reporter.done(&image, total, &progress, begun.elapsed());
    Ok(())
}

/// How the image is to be listed where manifests are.
fn listing(arguments: &Copy, targets: &[Target]) -> Result<Listing, Failure> {
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

fn is_registry(target: &Target) -> bool {
    matches!(target, Target::Place(Place::Registry(_)))
}

/// Docker's manifests have no name for layers that are compressed with zstd.
fn can_be_listed(
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

fn open(
    source: &Source,
    arguments: &Copy,
    registries: &Registries,
    now: SystemTime,
    warnings: &mut Vec<String>,
) -> Result<(Draft, Store), Failure> {
    let store_root = &arguments.making.store_root;
    match source {
        Source::Plan(image) => {
            let spec = source::spec(image, &arguments.plan, store_root, registries)?;
            let store = Store::new(spec.store_dir.clone(), store_root);
            Ok((source::draft(&spec, &store, now, registries, warnings)?, store))
        }
        Source::Image(place) => {
            source::only_arch(&arguments.plan, place)?;
            let platform = arguments.one.wanted(arguments.plan.arch.as_deref());
            let image = finished::open(place, &platform.unwrap_or_else(finished::machine), registries)?;
            if let Some(problem) = image.problems.first() {
                return Err(Failure::open(&place.to_string(), &problem.error));
            }
            Ok((image.into_draft(), references::usual_store(store_root)))
        }
    }
}

/// The file or pipe that an archive goes to.
fn output(target: &Target) -> Result<Option<Output>, Failure> {
    match target {
        Target::Stdout => Output::open(None).map(Some),
        Target::Place(Place::File(place)) if place.form != Form::OciDirectory => {
            Output::open(Some(&place.path)).map(Some)
        }
        Target::Place(_) => Ok(None),
    }
}

fn destination<'d>(
    target: &Target,
    sink: Option<&'d mut Descriptor<'_>>,
    about: &About,
    listing: &Listing,
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
            Box::new(LayoutArchiveWriter::new(sink, about.mtime(), names, listing.clone(), aside))
        }
        None => {
            let writer = LayoutWriter::new(path, names, listing.clone(), &progress.written);
            Box::new(writer.map_err(|error| Failure::prepare(path, &error))?)
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
fn leave_out(
    drafts: &mut [LayerDraft],
    destinations: &[Box<dyn Destination + '_>],
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

//! `strake copy`: an image, or several together, from one form to others.

mod sources;
mod targets;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use strake_image::compression::Pool;
use strake_image::delivery::Delivery;
use strake_image::destination::{Destination, FinishError};
use strake_image::draft::{Draft, LayerDraft};
use strake_image::engine::Engine;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::layer::Layer;
use strake_image::manifest::{Listing, Manifest};
use strake_image::sink::Descriptor;
use strake_remote::Along;

use crate::cli::Copy;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::place::Target;
use crate::push::{self, Pushing};
use crate::registry::Registries;
use crate::report::{Done, Progress, Reporter};
use crate::several::{Several, listed};

pub(crate) fn run(arguments: &Copy) -> Result<(), Failure> {
    let now = SystemTime::now();
    let begun = Instant::now();
    let (sources, targets) = sources::places(arguments)?;
    let listing = targets::listing(arguments, &targets)?;
    let registries = Registries::new(&arguments.registry)?;
    let mut goals = push::goals(&targets, &registries)?;
    let mut warnings = Vec::new();
    let mut load = sources::open(&sources, &targets, arguments, &registries, now, &mut warnings)?;
    let only = if targets.iter().all(Target::has_a_manifest) { None } else { Some(load.only()?) };
    let mut attachments = load.take_attachments();
    let several = load.several.as_ref();
    let compression = arguments.compress.0;
    for draft in &load.images {
        targets::can_be_listed(compression, &listing, &draft.about, &targets)?;
    }
    let targets: Vec<Target> = targets.into_iter().filter(|target| !targets::is_registry(target)).collect();

    let progress = Arc::new(Progress { copies: (targets.len() + goals.len()) as u64, ..Progress::default() });
    let mut outputs = targets.iter().map(targets::output).collect::<Result<Vec<_>, _>>()?;
    let mut sinks = Vec::new();
    for output in &outputs {
        let descriptor = output.as_ref().map(Output::descriptor).transpose()?;
        sinks.push(descriptor.map(|descriptor| Descriptor::new(descriptor, &progress.written)));
    }
    let mut destinations: Vec<Box<dyn Destination + '_>> = Vec::with_capacity(targets.len());
    for (target, sink) in targets.iter().zip(&mut sinks) {
        let about = &load.images[only.unwrap_or(0)].about;
        let verify = arguments.writing.verify;
        destinations.push(targets::destination(target, sink.as_mut(), about, verify, &progress)?);
    }
    let cache = super::usable_cache(arguments.build.no_cache, |warning| warnings.push(warning.to_owned()));
    if goals.is_empty() {
        let compressed = cache.as_ref().zip(compression);
        for (place, draft) in load.images.iter_mut().enumerate() {
            let all = those_that_take(&mut destinations, &targets, Some(place) == only);
            targets::leave_out(&mut draft.layers, &all, compressed);
        }
        targets::leave_out(&mut attachments, &those_that_take(&mut destinations, &targets, false), None);
    }

    let mut drafts: Vec<_> = load.images.iter().map(|draft| &draft.layers[..]).collect();
    drafts.push(&attachments);
    let mut reporter = Reporter::new(arguments.writing.style(), &drafts, &progress);
    for warning in &warnings {
        reporter.warning(warning);
    }
    let jobs = arguments.build.jobs.unwrap_or_else(super::all_processors);
    // More threads than processors make compressing no faster.
    let pool = compression.map(|compression| Pool::new(compression, jobs.min(super::processors())));
    let pool = pool.transpose().map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let engine = Engine {
        cache: cache.as_ref(),
        jobs,
        verify: arguments.writing.verify,
        started: now,
        digested: &progress.digested,
    };
    let delivery = Delivery::new(&engine, pool.as_ref(), &progress.compressed);
    // With other places to go to, layers go to registries on the way, so that each is read once.
    let is_read_anyway = destinations.len() + goals.len() > 1 && !arguments.dry_run;
    let mut along: Vec<Along<'_>> = goals.iter().map(|goal| goal.along(&progress.written)).collect();
    along.truncate(if is_read_anyway { along.len() } else { 0 });
    let writing = Writing { engine, delivery, listing: &listing, targets: &targets, only };
    let Made { images, attachments, top } =
        writing.write(load.images, attachments, several, &mut destinations, &mut along, &mut reporter)?;
    drop(destinations);
    for (goal, along) in goals.iter_mut().zip(along) {
        goal.sent = along.sent();
    }

    let previous = arguments.previous.as_deref();
    let pushing = Pushing { delivery, listing: &listing, sent: &progress.written, previous };
    let push = |goal| pushing.push(goal, &images, several, &attachments, &reporter, arguments.dry_run);
    let pushed = goals.iter().map(push).collect::<Result<Vec<_>, _>>()?;
    for (sink, output) in sinks.into_iter().zip(&mut outputs) {
        if let (Some(sink), Some(output)) = (sink, output.take()) {
            sink.finish().map_err(Error::from)?;
            output.commit()?;
        }
    }
    for target in &targets {
        reporter.written(&target.to_string(), target.has_a_manifest().then(|| top.digest()));
    }
    if arguments.dry_run {
        return Ok(());
    }
    for (goal, digest) in goals.iter().zip(&pushed) {
        reporter.written(&goal.name(), Some(*digest));
    }
    let local = targets.iter().any(Target::has_a_manifest).then(|| top.digest());
    if let (Some(file), Some(digest)) = (&arguments.digest_file, pushed.first().copied().or(local)) {
        output::write(file, format!("{digest}\n").as_bytes())?;
    }
    let index = several.map(|_| pushed.first().copied().unwrap_or_else(|| top.digest()));
    let images = images.iter().collect();
    reporter.done(&Done { images, index, progress: &progress, elapsed: begun.elapsed() });
    Ok(())
}

/// How images are written.
struct Writing<'w> {
    engine: Engine<'w>,
    delivery: Delivery<'w>,
    listing: &'w Listing,
    targets: &'w [Target],
    /// The place of the image that goes where there is room for only one.
    only: Option<usize>,
}

/// What has been written.
struct Made {
    images: Vec<Image>,
    attachments: Vec<Layer>,
    top: Manifest,
}

impl Writing<'_> {
    /// Writes images with what goes along to all destinations, and ends these.
    fn write(
        &self,
        drafts: Vec<Draft>,
        attachments: Vec<LayerDraft>,
        several: Option<&Several>,
        destinations: &mut [Box<dyn Destination + '_>],
        along: &mut [Along<'_>],
        reporter: &mut Reporter,
    ) -> Result<Made, Failure> {
        let Self { engine, delivery, listing, targets, only } = *self;
        let (mut images, mut manifests) = (Vec::new(), Vec::new());
        for (place, Draft { layers, about }) in drafts.into_iter().enumerate() {
            let mut all = those_that_take(destinations, targets, Some(place) == only);
            all.extend(along.iter_mut().map(|one| one as &mut dyn Destination));
            let write = |layer: &_| delivery.write(layer, &mut all);
            let (layers, blobs) = super::write_layers(&engine, layers, reporter, write)?;
            let image = Image::new(layers, blobs, about).map_err(FinishError::from)?;
            let manifest = Manifest::new(&image, listing);
            let mut all = those_that_take(destinations, targets, Some(place) == only);
            all.iter_mut().try_for_each(|destination| destination.image(&image, &manifest))?;
            images.push(image);
            manifests.push(manifest);
        }
        // Nobody knows what they are, so they stay as they are.
        let delivery = Delivery { pool: None, ..delivery };
        let mut all = those_that_take(destinations, targets, false);
        all.extend(along.iter_mut().map(|one| one as &mut dyn Destination));
        let write = |blob: &_| delivery.write(blob, &mut all);
        let (attachments, _) = super::write_layers(&engine, attachments, reporter, write)?;
        let (inside, top) = listed(several, &images, &manifests, listing.format)?;
        let names = &images[only.unwrap_or(0)].tags;
        for destination in destinations {
            inside.iter().try_for_each(|manifest| destination.manifest(manifest))?;
            destination.manifest(&top)?;
            destination.finish(&top, names)?;
        }
        Ok(Made { images, attachments, top })
    }
}

/// The destinations that an image goes to: those with room for only one take only one.
fn those_that_take<'d>(
    destinations: &'d mut [Box<dyn Destination + '_>],
    targets: &[Target],
    is_only: bool,
) -> Vec<&'d mut dyn Destination> {
    let takes = |target: &Target| is_only || target.has_a_manifest();
    let both = destinations.iter_mut().zip(targets);
    both.filter(|(_, target)| takes(target)).map(|(destination, _)| &mut **destination as _).collect()
}

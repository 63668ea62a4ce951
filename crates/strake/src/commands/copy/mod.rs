//! `strake copy`: an image, or several together, from one form to others.

mod sources;
mod targets;

use std::time::Instant;

use strake_image::Event;
use strake_image::compression::Pool;
use strake_image::deliver::{Options, deliver, preview};

use crate::cli::Copy;
use crate::failure::Failure;
use crate::output;
use crate::place::Destination;
use crate::registry::Registries;
use crate::report::{Done, Reporter};
use crate::source::Opener;

pub(crate) fn run(arguments: &Copy) -> Result<(), Failure> {
    let begun = Instant::now();
    let (sources, places) = sources::places(arguments)?;
    let listing = targets::listing(arguments, &places)?;
    let Copy { registry, uploads, source, destination, .. } = arguments;
    let (registries, goal_registries) =
        Registries::of_copy(registry, uploads, source.side(), destination.side())?;
    let mut warnings = Vec::new();
    let context = super::context(&arguments.build, arguments.writing.verify, &mut warnings);

    let mut reporter = Reporter::new(arguments.writing.style(), &context.progress);
    let compression = targets::compression(arguments, &sources, &places);
    let goals = targets::registries(&places, arguments, &goal_registries, &context, &mut warnings)?;
    let updated = goals.first().map(|goal| goal.repository().clone()).filter(|_| arguments.update);
    let opener = Opener {
        context: &context,
        registries: &registries,
        plan: &arguments.plan,
        one: &arguments.one,
        platform: sources::platform(arguments, &places),
        // With --index there may be confs and store paths, too, which the plan is for.
        is_one_of_several: arguments.index,
    };
    let batch = sources::open(sources, arguments, &opener, &mut warnings)?;
    let only = targets::only(&places, &batch)?;
    targets::can_be_listed(compression, &listing, &batch, &places)?;
    let names = targets::names(&places, &goals);
    let is_piped = places.contains(&Destination::Stdout) && output::is_piped(None);
    let mut targets = targets::create(&places, goals, &batch.images[only.unwrap_or(0)].about, &context)?;

    reporter.layers(&sources::drafts(&batch), targets.iter().any(|target| !target.asks()));
    reporter.warnings(&warnings);
    // More threads than processors make compressing no faster.
    let threads = context.jobs.min(super::processors());
    let pool = compression.map(|compression| Pool::new(compression, threads));
    let pool = pool.transpose().map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let keeps_plain = arguments.compress.is_none();
    let options = Options { pool, keeps_plain, listing, only };
    let report = |event: Event<'_>| reporter.event(event);
    if arguments.dry_run {
        let previews = preview(&context, batch, &mut targets, &options, &report)?;
        for preview in &previews {
            reporter.would_send(preview);
        }
        return Ok(());
    }
    let delivered = deliver(&context, batch, &mut targets, &options, &report)?;

    let digest = match &updated {
        None => delivered.top.digest(),
        Some(repository) => targets::update(repository, &places, &delivered.top)?,
    };
    for (name, has_manifest) in &names {
        reporter.written(name, has_manifest.then_some(digest));
    }
    if let Some(file) = &arguments.digest_file {
        output::write(file, format!("{digest}\n").as_bytes())?;
    }
    let index = delivered.is_index.then_some(digest);
    reporter.done(&Done { images: &delivered.images, index, elapsed: begun.elapsed(), is_piped });
    Ok(())
}

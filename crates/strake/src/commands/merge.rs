//! `strake merge`: several images in one docker-archive.

use std::slice;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use strake_image::archive::ArchiveWriter;
use strake_image::delivery::Delivery;
use strake_image::destination::FinishError;
use strake_image::draft::Draft;
use strake_image::engine::Engine;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::sink::Descriptor;

use crate::cli::Merge;
use crate::failure::Failure;
use crate::output::Output;
use crate::registry::Registries;
use crate::report::{Done, Progress, Reporter};
use crate::source;

pub(crate) fn run(arguments: &Merge) -> Result<(), Failure> {
    let now = SystemTime::now();
    let begun = Instant::now();
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    let mut images = Vec::with_capacity(arguments.sources.len());
    for image in &arguments.sources {
        let image = slice::from_ref(image);
        images.push(source::open_image(image, &arguments.opening, now, &registries, &mut warnings)?);
    }
    // By their digests, as names in different archives may mean different layers.
    for layer in images.iter_mut().flat_map(|draft| &mut draft.layers) {
        layer.member = None;
    }
    let output = Output::open(arguments.output.as_deref())?;
    let progress = Arc::new(Progress::default());
    let drafts: Vec<_> = images.iter().map(|draft| &draft.layers[..]).collect();
    let mut reporter = Reporter::new(arguments.writing.style(), &drafts, &progress);
    let cache =
        super::usable_cache(arguments.opening.build.no_cache, |warning| warnings.push(warning.to_owned()));
    for warning in &warnings {
        reporter.warning(warning);
    }

    let mut sink = Descriptor::new(output.descriptor()?, &progress.written);
    let mtime = images.first().map_or(0, |draft| draft.about.mtime());
    let mut archive = ArchiveWriter::new(&mut sink, mtime);
    let mut merged = Vec::with_capacity(images.len());
    for Draft { layers: drafts, about } in images {
        let engine = Engine {
            cache: cache.as_ref(),
            jobs: arguments.opening.build.jobs.unwrap_or_else(super::all_processors),
            verify: arguments.writing.verify,
            started: now,
            digested: &progress.digested,
        };
        let delivery = Delivery::new(&engine, None, &progress.compressed);
        let write = |layer: &_| delivery.write(layer, &mut [&mut archive]);
        let (layers, blobs) = super::write_layers(&engine, drafts, &mut reporter, write)?;
        let image = Image::new(layers, blobs, about).map_err(FinishError::from)?;
        archive.add(&image)?;
        merged.push(image);
    }
    archive.close()?;
    sink.finish().map_err(Error::from)?;
    output.commit()?;
    let (images, elapsed) = (merged.iter().collect(), begun.elapsed());
    reporter.done(&Done { images, index: None, progress: &progress, elapsed });
    Ok(())
}

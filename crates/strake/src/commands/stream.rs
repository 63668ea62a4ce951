//! `strake stream`: a conf becomes a docker-archive.

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
use strake_image::store::Store;

use crate::cli::Stream;
use crate::failure::Failure;
use crate::output::Output;
use crate::registry::Registries;
use crate::report::{Done, Progress, Reporter};
use crate::source;

pub(crate) fn run(arguments: &Stream) -> Result<(), Failure> {
    let now = SystemTime::now();
    let begun = Instant::now();
    let registries = Registries::usual()?;
    let mut spec = source::spec(&arguments.image, &arguments.plan, &arguments.build.store_root, &registries)?;
    if let Some(repo_tag) = &arguments.repo_tag {
        spec.repo_tag.clone_from(repo_tag);
    }
    let store = Store::new(spec.store_dir.clone(), &arguments.build.store_root);
    let mut warnings = Vec::new();
    let Draft { layers: drafts, about } = source::draft(&spec, &store, now, &registries, &mut warnings)?;

    let output = Output::open(arguments.output.as_deref())?;
    let progress = Arc::new(Progress::default());
    let mut reporter = Reporter::new(arguments.style(), &[&drafts], &progress);
    for warning in &warnings {
        reporter.warning(warning);
    }
    let cache = super::usable_cache(arguments.build.no_cache, |warning| reporter.warning(warning));
    let engine = Engine {
        cache: cache.as_ref(),
        jobs: arguments.build.jobs.unwrap_or_else(super::all_processors),
        verify: arguments.writing.verify,
        started: now,
        digested: &progress.digested,
    };

    let mut sink = Descriptor::new(output.descriptor()?, &progress.written);
    let mut archive = ArchiveWriter::new(&mut sink, about.mtime());
    let delivery = Delivery::new(&engine, None, &progress.compressed);
    let write = |layer: &_| delivery.write(layer, &mut [&mut archive]);
    let (layers, blobs) = super::write_layers(&engine, drafts, &mut reporter, write)?;
    let image = Image::new(layers, blobs, about).map_err(FinishError::from)?;
    archive.add(&image)?;
    archive.close()?;
    sink.finish().map_err(Error::from)?;
    output.commit()?;
    let (images, elapsed) = (vec![&image], begun.elapsed());
    reporter.done(&Done { images, index: None, progress: &progress, elapsed });
    Ok(())
}

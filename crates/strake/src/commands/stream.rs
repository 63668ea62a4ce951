//! `strake stream`: a conf becomes a docker-archive.

use std::time::Instant;

use strake_image::Event;
use strake_image::archive::ArchiveTarget;
use strake_image::deliver::{Options, deliver};

use crate::cli::Stream;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::{Done, Reporter};
use crate::{output, source};

pub(crate) fn run(arguments: &Stream) -> Result<(), Failure> {
    let begun = Instant::now();
    let registries = Registries::usual()?;
    let mut spec = source::spec(&arguments.image, &arguments.plan, &arguments.build.store_root, &registries)?;
    if let Some(repo_tag) = &arguments.repo_tag {
        spec.repo_tag.clone_from(repo_tag);
    }
    let mut warnings = Vec::new();
    let context = super::context(&arguments.build, arguments.writing.verify, &mut warnings);
    let draft = source::draft(&spec, &context, &registries, &mut warnings)?;
    let output = output::archive(arguments.output.as_deref())?;
    let reporter = Reporter::new(arguments.style(), &[&draft.layers], 1, &context.progress);
    reporter.warnings(&warnings);

    let archive = ArchiveTarget::new(output, draft.about.mtime(), &context.progress.written)?;
    let report = |event: Event<'_>| reporter.event(event);
    let delivered = deliver(&context, draft.into(), &mut [Box::new(archive)], &Options::default(), &report)?;
    reporter.done(&Done { images: &delivered.images, index: None, elapsed: begun.elapsed() });
    Ok(())
}

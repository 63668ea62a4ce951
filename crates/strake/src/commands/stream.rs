//! `strake stream`: an image becomes a docker-archive.

use std::time::Instant;

use strake_image::Event;
use strake_image::archive::ArchiveTarget;
use strake_image::deliver::{Options, deliver};

use crate::cli::{OnePlatform, Stream};
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::{Done, Reporter};
use crate::source::Opener;
use crate::{finished, output};

pub(crate) fn run(arguments: &Stream) -> Result<(), Failure> {
    let begun = Instant::now();
    let registries = Registries::usual()?;
    let mut warnings = Vec::new();
    let context = super::context(&arguments.build, arguments.writing.verify, &mut warnings);
    let mut reporter = Reporter::new(arguments.style(), &context.progress);
    let (one, plan) = (&OnePlatform::default(), &arguments.plan);
    let platform = one.wanted(plan.arch.as_deref());
    let (context_of, registries) = (&context, &registries);
    let opener = Opener { context: context_of, registries, plan, one, platform, is_one_of_several: false };
    let mut draft = opener.open_one(&arguments.image, &mut warnings)?;
    if let Some(repo_tag) = &arguments.repo_tag {
        draft = draft.named(repo_tag.clone());
    }
    let is_piped = output::is_piped(arguments.output.as_deref());
    let output = output::archive(arguments.output.as_deref())?;
    reporter.layers(&[&draft.layers], true);
    reporter.warnings(&warnings);

    let archive = ArchiveTarget::new(output, draft.about.mtime(), &context.progress.written)?;
    let archive = archive.named(finished::names_for_docker(&draft.about));
    let report = |event: Event<'_>| reporter.event(event);
    let delivered = deliver(&context, draft.into(), &mut [Box::new(archive)], &Options::default(), &report)?;
    reporter.done(&Done { images: &delivered.images, index: None, elapsed: begun.elapsed(), is_piped });
    Ok(())
}

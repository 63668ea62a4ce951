//! `strake merge`: several images in one docker-archive.

use std::slice;
use std::time::Instant;

use strake_image::archive::ArchiveTarget;
use strake_image::deliver::{Batch, Options, deliver};
use strake_image::{Draft, Event};

use crate::cli::Merge;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::{Done, Reporter};
use crate::source::Opener;
use crate::{output, source};

pub(crate) fn run(arguments: &Merge) -> Result<(), Failure> {
    let begun = Instant::now();
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    let context = super::context(&arguments.opening.build, arguments.writing.verify, &mut warnings);
    let mut reporter = Reporter::new(arguments.writing.style(), &context.progress);
    let mut images: Vec<Draft> = Vec::with_capacity(arguments.sources.len());
    for image in &arguments.sources {
        let arch = &arguments.opening.arch;
        let plan = source::plan_for(arch.arch.as_deref());
        let opener = Opener {
            context: &context,
            registries: &registries,
            plan: &plan,
            one: &arch.one,
            platform: arch.wanted(),
            is_one_of_several: false,
        };
        images.push(opener.open_one(slice::from_ref(image), &mut warnings)?);
    }
    // By their digests, as names in different archives may mean different layers.
    for layer in images.iter_mut().flat_map(|draft| &mut draft.layers) {
        layer.member = None;
    }
    let output = output::archive(arguments.output.as_deref())?;
    let drafts: Vec<_> = images.iter().map(|draft| &draft.layers[..]).collect();
    reporter.layers(&drafts, true);
    reporter.warnings(&warnings);

    let mtime = images.first().map_or(0, |draft| draft.about.mtime());
    let archive = ArchiveTarget::new(output, mtime, &context.progress.written)?;
    let report = |event: Event<'_>| reporter.event(event);
    let batch = Batch { images, index: None };
    let delivered = deliver(&context, batch, &mut [Box::new(archive)], &Options::default(), &report)?;
    reporter.done(&Done {
        images: &delivered.images,
        index: None,
        elapsed: begun.elapsed(),
        is_piped: false,
    });
    Ok(())
}

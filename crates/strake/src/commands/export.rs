//! `strake export`: an image's file system as one tar archive.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use strake_image::engine::Engine;
use strake_image::error::Error;
use strake_image::flatten::flatten;
use strake_image::sink::Descriptor;

use crate::cli::Export;
use crate::failure::Failure;
use crate::output::Output;
use crate::registry::Registries;
use crate::source;

pub(crate) fn run(arguments: &Export) -> Result<(), Failure> {
    let now = SystemTime::now();
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    let draft = source::open_image(&arguments.source, &arguments.opening, now, &registries, &mut warnings)?;
    let output = Output::open(arguments.output.as_deref())?;
    let cache =
        super::usable_cache(arguments.opening.build.no_cache, |warning| warnings.push(warning.to_owned()));
    for warning in &warnings {
        super::warn(warning);
    }
    let digested = AtomicU64::new(0);
    let engine = Engine {
        cache: cache.as_ref(),
        jobs: arguments.opening.build.jobs.unwrap_or_else(super::all_processors),
        verify: false,
        started: now,
        digested: &digested,
    };
    let layers = engine.describe_all(draft.layers)?;
    let written = AtomicU64::new(0);
    let mut sink = Descriptor::new(output.descriptor()?, &written);
    flatten(&layers, &mut sink)?;
    sink.finish().map_err(Error::from)?;
    output.commit()
}

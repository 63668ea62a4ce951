//! `strake export`: an image's file system as one tar archive.

use strake_image::Error;
use strake_image::flatten::flatten;
use strake_image::sink::DescriptorSink;

use crate::cli::Export;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::{output, source};

pub(crate) fn run(arguments: &Export) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    let context = super::context(&arguments.opening.build, false, &mut warnings);
    let arch = &arguments.opening.arch;
    let draft = source::open_image(&arguments.source, arch, &context, &registries, &mut warnings)?;
    let output = output::archive(arguments.output.as_deref())?;
    super::warn_all(&warnings);
    let layers = context.describe_all(draft.layers)?;
    let mut sink = DescriptorSink::new(output.descriptor()?, &context.progress.written);
    flatten(&layers, &context, &mut sink)?;
    sink.finish().map_err(Error::from)?;
    Ok(output.commit()?)
}

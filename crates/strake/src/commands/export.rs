//! `strake export`: an image's file system as one tar archive.

use strake_image::Error;
use strake_image::flatten::flatten;
use strake_image::sink::DescriptorSink;

use crate::cli::Export;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registries;
use crate::source::Opener;

pub(crate) fn run(arguments: &Export) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.registry)?;
    let mut warnings = Vec::new();
    let context = super::context(&arguments.build, false, &mut warnings);
    let opener = Opener {
        context: &context,
        registries: &registries,
        plan: &arguments.plan,
        one: &arguments.one,
        platform: arguments.one.wanted(arguments.plan.arch.as_deref()),
        is_one_of_several: false,
    };
    let draft = opener.open_one(&arguments.source, &mut warnings)?;
    let output = output::archive(arguments.output.as_deref())?;
    super::warn_all(&warnings);
    let layers = context.describe_all(draft.layers)?;
    let mut sink = DescriptorSink::new(output.descriptor()?, &context.progress.written);
    flatten(&layers, &context, &mut sink)?;
    sink.finish().map_err(Error::from)?;
    Ok(output.commit()?)
}

//! `strake verify`: is an image what it says it is?

use std::fmt::Write as _;

use strake_image::verify;

use crate::cli::{BuildArgs, Verify};
use crate::failure::Failure;
use crate::registry::Registries;
use crate::source::{self, OpenedSource};

pub(crate) fn run(arguments: &Verify) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    // What was right once is looked at again, so no cache.
    let build = BuildArgs { no_cache: true, ..arguments.opening.build.clone() };
    let context = super::context(&build, true, &mut warnings);
    let arch = &arguments.opening.arch;
    let source = source::open_source(&arguments.source, arch, &context, &registries, &mut warnings)?;
    super::warn_all(&warnings);
    let (name, count, problems) = match source {
        OpenedSource::Draft(draft) => {
            let count = draft.layers.len();
            let mut problems = Vec::new();
            context.describe_each(draft.layers, |layer| {
                problems.extend(layer.err().map(|error| Failure::from(error).to_string()));
                Ok::<(), Failure>(())
            })?;
            ("the image".to_owned(), format!("{count} layers"), problems)
        }
        OpenedSource::Image(place, image) => {
            let count = image.layers.len();
            let problems = verify::verify(*image, &context);
            let problems = problems.iter().map(ToString::to_string).collect();
            (place.to_string(), format!("{count} layers"), problems)
        }
        OpenedSource::Index(place, index) => {
            let layers: usize = index.images.iter().map(|(_, image)| image.layers.len()).sum();
            let count = format!("{} images, {layers} layers", index.images.len());
            let problems = verify::verify_index(*index, &context);
            let problems = problems.iter().map(ToString::to_string).collect();
            (place.to_string(), count, problems)
        }
    };
    let mut text = String::new();
    for problem in &problems {
        let _ = writeln!(text, "{problem}");
    }
    if problems.is_empty() {
        let _ = writeln!(text, "{name} is what it says it is: {count}");
    }
    super::say(text.as_bytes())?;
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::new(format!("{name} has a problem"))),
        several => Err(Failure::new(format!("{name} has {several} problems"))),
    }
}

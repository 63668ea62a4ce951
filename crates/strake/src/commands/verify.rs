//! `strake verify`: is an image what it says it is?

use strake_image::verify;

use crate::cli::{BuildArgs, Verify};
use crate::failure::Failure;
use crate::registry::Registries;
use crate::source::{self, OpenedSource};
use crate::terminal::Lines;
use crate::{finished, output};

pub(crate) fn run(arguments: &Verify) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    // What was right once is looked at again, so no cache.
    let build = BuildArgs { no_cache: true, ..arguments.opening.build.clone() };
    let context = super::context(&build, true, &mut warnings);
    let arch = &arguments.opening.arch;
    let source = source::open_source(&arguments.source, arch, &context, &registries, &mut warnings)?;
    super::warn_all(&warnings);
    let mut etc_links = Vec::new();
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
            let problems = verify::verify_noting(*image, &context, &mut etc_links);
            let problems = problems.iter().map(ToString::to_string).collect();
            (place.to_string(), format!("{count} layers"), problems)
        }
        OpenedSource::Index(place, index) => {
            let layers: usize = index.images.iter().map(|(_, image)| image.layers.len()).sum();
            let count = format!("{} images, {layers} layers", index.images.len());
            let problems = verify::verify_index_noting(*index, &context, &mut etc_links);
            let problems = problems.iter().map(ToString::to_string).collect();
            (place.to_string(), count, problems)
        }
    };
    super::warn_all(finished::etc_links(&etc_links).as_slice());
    let mut lines = Lines::default();
    for problem in &problems {
        lines.push(problem);
    }
    if problems.is_empty() {
        lines.push(format!("{name} is what it says it is: {count}"));
    }
    output::say(&lines)?;
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::new(format!("{name} has a problem"))),
        several => Err(Failure::new(format!("{name} has {several} problems"))),
    }
}

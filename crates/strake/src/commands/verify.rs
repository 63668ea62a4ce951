//! `strake verify`: checks an image against all that it says of itself.

use serde_json::json;
use strake_image::verify;

use crate::cli::{BuildArgs, Verify};
use crate::failure::Failure;
use crate::paint::Paint;
use crate::registry::Registries;
use crate::source::{self, OpenedSource};
use crate::terminal::{self, Lines};
use crate::{finished, output};

pub(crate) fn run(arguments: &Verify) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.opening.registry)?;
    let mut warnings = Vec::new();
    // The cache is not used: everything is verified again.
    let build = BuildArgs { no_cache: true, ..arguments.opening.build.clone() };
    let context = super::context(&build, true, &mut warnings);
    let arch = &arguments.opening.arch;
    let source = source::open_source(&arguments.source, arch, &context, &registries, &mut warnings)?;
    super::warn_all(&warnings);
    let mut etc_links = Vec::new();
    let (name, images, layers, problems) = match source {
        OpenedSource::Draft(draft) => {
            let count = draft.layers.len();
            let mut problems = Vec::new();
            context.describe_each(draft.layers, |layer| {
                problems.extend(layer.err().map(|error| Failure::from(error).to_string()));
                Ok::<(), Failure>(())
            })?;
            ("the image".to_owned(), 1, count, problems)
        }
        OpenedSource::Image(place, image) => {
            let count = image.layers.len();
            let problems = verify::verify_noting(*image, &context, &mut etc_links);
            let problems = problems.iter().map(ToString::to_string).collect();
            (place.to_string(), 1, count, problems)
        }
        OpenedSource::Index(place, index) => {
            let layers: usize = index.images.iter().map(|(_, image)| image.layers.len()).sum();
            let count = index.images.len();
            let problems = verify::verify_index_noting(*index, &context, &mut etc_links);
            let problems = problems.iter().map(ToString::to_string).collect();
            (place.to_string(), count, layers, problems)
        }
    };
    super::warn_all(finished::etc_links(&etc_links).as_slice());
    let mut lines = Lines::default();
    if arguments.json {
        lines.push(terminal::json(&json!({
            "image": name,
            "ok": problems.is_empty(),
            "images": images,
            "layers": layers,
            "problems": problems,
        })));
    } else {
        for problem in &problems {
            lines.push_painted(Paint::Red, problem);
        }
        if problems.is_empty() {
            let plural =
                |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let images = if images == 1 { String::new() } else { plural(images, "image") + ", " };
            lines.push_painted(Paint::Green, format!("OK: {images}{} verified", plural(layers, "layer")));
        }
    }
    output::say(&lines)?;
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::new(format!("{name} has a problem"))),
        several => Err(Failure::new(format!("{name} has {several} problems"))),
    }
}

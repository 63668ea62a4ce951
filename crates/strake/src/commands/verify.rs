//! `strake verify`: is an image what it says it is?

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use strake_image::engine::Engine;
use strake_image::manifest::Opened;
use strake_image::store::Store;
use strake_image::{reference, verify};

use crate::cli::Verify;
use crate::failure::Failure;
use crate::place::Source;
use crate::registry::Registries;
use crate::{finished, place, source};

pub(crate) fn run(arguments: &Verify) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.opening.registry)?;
    let now = SystemTime::now();
    let store_root = &arguments.opening.build.store_root;
    let digested = AtomicU64::new(0);
    let engine = Engine {
        cache: None,
        jobs: arguments.opening.build.jobs.unwrap_or_else(super::all_processors),
        verify: true,
        started: now,
        digested: &digested,
    };
    let (name, count, problems) = match place::source(&arguments.source)? {
        Source::Plan(image) => {
            source::no_platform(&arguments.opening.arch.one)?;
            let spec = source::spec(
                &image,
                &source::plan_for(arguments.opening.arch.arch.as_deref()),
                store_root,
                &registries,
            )?;
            let store = Store::new(spec.store_dir.clone(), store_root);
            let draft = super::draft(&spec, &store, now, &registries)?;
            let count = draft.layers.len();
            let mut problems = Vec::new();
            engine.describe_each(draft.layers, |layer| {
                problems.extend(layer.err().map(|error| Failure::from(error).to_string()));
                Ok::<(), Failure>(())
            })?;
            ("the image".to_owned(), format!("{count} layers"), problems)
        }
        Source::Image(place) => {
            let opened = finished::opened(&place, arguments.opening.arch.wanted().as_ref(), &registries)?;
            let (count, problems) = verify_all(opened, &engine);
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

/// How much there is, and what is wrong with it.
fn verify_all(opened: Opened, engine: &Engine<'_>) -> (String, Vec<String>) {
    let index = match opened {
        Opened::Image(image) => {
            let count = image.layers.len();
            let problems = verify::verify(*image, engine);
            return (format!("{count} layers"), problems.iter().map(ToString::to_string).collect());
        }
        Opened::Index(index) => index,
    };
    let images = index.images.len();
    let mut layers = 0;
    let mut problems = Vec::new();
    for (platform, image) in index.images {
        layers += image.layers.len();
        let platform = reference::list(&[&platform.to_string()]);
        let found = verify::verify(image, engine);
        problems.extend(found.iter().map(|problem| format!("{platform}: {problem}")));
    }
    let beside = verify::verify_attachments(index.attachments, engine);
    problems.extend(beside.iter().map(ToString::to_string));
    (format!("{images} images, {layers} layers"), problems)
}

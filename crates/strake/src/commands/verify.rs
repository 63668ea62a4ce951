//! `strake verify`: is an image what it says it is?

use std::fmt::Write as _;
use std::io::Write;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use strake_image::engine::Engine;
use strake_image::store::Store;
use strake_image::verify;

use crate::cli::Verify;
use crate::failure::Failure;
use crate::place::Source;
use crate::registry::Registries;
use crate::{finished, place, references, source};

pub(crate) fn run(arguments: &Verify) -> Result<(), Failure> {
    let registries = Registries::new(&arguments.connecting)?;
    let now = SystemTime::now();
    let store_root = &arguments.making.store_root;
    let digested = AtomicU64::new(0);
    let engine = |store| Engine {
        store,
        cache: None,
        jobs: arguments.making.jobs.unwrap_or_else(super::all_processors),
        verify: true,
        started: now,
        digested: &digested,
    };
    let (name, count, problems) = match place::source(&arguments.source)? {
        Source::Plan(image) => {
            let spec = source::spec(
                &image,
                &source::plan_for(arguments.arch.arch.as_deref()),
                store_root,
                &registries,
            )?;
            let store = Store::new(spec.store_dir.clone(), store_root);
            let draft = super::draft(&spec, &store, now, &registries)?;
            let count = draft.layers.len();
            let mut problems = Vec::new();
            engine(&store).describe_each(draft.layers, |layer| {
                problems.extend(layer.err().map(|error| Failure::from(error).to_string()));
                Ok::<(), Failure>(())
            })?;
            ("the image".to_owned(), count, problems)
        }
        Source::Image(place) => {
            let image = finished::open(&place, arguments.arch.arch.as_deref(), &registries)?;
            let count = image.layers.len();
            let problems = verify::verify(image, &engine(&references::usual_store(store_root)));
            (place.to_string(), count, problems.iter().map(ToString::to_string).collect())
        }
    };
    let mut text = String::new();
    for problem in &problems {
        let _ = writeln!(text, "{problem}");
    }
    if problems.is_empty() {
        let _ = writeln!(text, "{name} is what it says it is: {count} layers");
    }
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::stdout)?;
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::new(format!("{name} has a problem"))),
        several => Err(Failure::new(format!("{name} has {several} problems"))),
    }
}

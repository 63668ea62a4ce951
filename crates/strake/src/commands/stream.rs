//! `strake stream`: a conf becomes a docker-archive.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use strake_image::archive::ArchiveWriter;
use strake_image::cache::Cache;
use strake_image::draft::Draft;
use strake_image::engine::Engine;
use strake_image::error::Error;
use strake_image::image::Image;
use strake_image::sha256::streams_per_processor;
use strake_image::sink::Descriptor;
use strake_image::spec::{Spec, Surroundings};
use strake_image::store::Store;

use crate::cli::{Plan, Stream};
use crate::failure::Failure;
use crate::output::Output;
use crate::report::{Progress, Reporter};
use crate::{input, planning, references};

pub(crate) fn run(arguments: &Stream) -> Result<(), Failure> {
    let now = SystemTime::now();
    let begun = Instant::now();
    let mut spec = spec(arguments)?;
    if let Some(repo_tag) = &arguments.repo_tag {
        spec.repo_tag.clone_from(repo_tag);
    }
    let store = Store::new(spec.store_dir.clone(), &arguments.store_root);
    let user_name = |uid| uzers::get_user_by_uid(uid)?.name().to_str().map(str::to_owned);
    let group_name = |gid| uzers::get_group_by_gid(gid)?.name().to_str().map(str::to_owned);
    let surroundings = Surroundings { store: &store, now, user_name: &user_name, group_name: &group_name };
    let Draft { layers: drafts, settings } = spec.draft(&surroundings)?;

    let output = Output::open(arguments.output.as_deref())?;
    let progress = Arc::new(Progress::default());
    let mut reporter = Reporter::new(arguments.style(), &drafts, &store, &progress);
    let cache = usable_cache(arguments, &mut reporter);
    let engine = Engine {
        store: &store,
        cache: cache.as_ref(),
        jobs: arguments.jobs.unwrap_or_else(all_processors),
        verify: arguments.verify,
        started: now,
        digested: &progress.digested,
    };

    let mut sink = Descriptor::new(output.descriptor()?, &progress.written);
    let mut archive = ArchiveWriter::new(&mut sink, settings.mtime);
    let mut layers = Vec::with_capacity(drafts.len());
    engine.describe(drafts, |layer| {
        reporter.layer(&layer);
        let written = archive.layer(&layer, &store, arguments.verify);
        if let (Err(Error::Changed { .. } | Error::Digest { .. }), Some(cache)) = (&written, &cache) {
            cache.remove(layer.key());
        }
        layers.push(layer);
        written.map_err(Failure::from)
    })?;
    let image = Image { layers, settings };
    let written = archive.finish(&image)?;
    sink.finish().map_err(Error::from)?;
    output.commit()?;
    reporter.done(&image, written, progress.digested.load(Ordering::Relaxed), begun.elapsed());
    Ok(())
}

/// The image that is meant: a conf, or what is planned of store paths.
fn spec(arguments: &Stream) -> Result<Spec, Failure> {
    let store = references::usual_store(&arguments.store_root);
    let conf = match &arguments.image[..] {
        [argument] => conf_file(&store, argument)?,
        _ => None,
    };
    let (name, text) = if let Some(file) = conf {
        let name = input::name(&file);
        if arguments.plan != Plan::default() {
            return Err(Failure::new(format!("{name} is a conf, which has been planned"))
                .hint("give what the image is to be to strake plan, or store paths in place of the conf"));
        }
        (name, input::read(&file)?)
    } else {
        let conf = planning::conf(&arguments.plan, &arguments.store_root, &arguments.image)?;
        ("the plan".to_owned(), serde_json::to_vec(&conf).expect("a conf can be written"))
    };
    Spec::parse(&text).map_err(|error| Failure::spec(&name, &error))
}

/// The conf's place, if the argument is one: stdin, a file outside the store, or a store path that is a JSON file.
fn conf_file(store: &Store, argument: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = if input::is_stdin(argument) { None } else { references::store_path(store, argument)? };
    let Some(path) = path else { return Ok(Some(argument.to_owned())) };
    let real = store.locate(Path::new(path.as_str()));
    let json = Path::new(path.name()).extension().is_some_and(|extension| extension == "json");
    Ok((json && real.is_file()).then_some(real))
}

/// The cache, if it is wanted and can be used. That it cannot is no reason not to make the image.
fn usable_cache(arguments: &Stream, reporter: &mut Reporter) -> Option<Cache> {
    if arguments.no_cache {
        return None;
    }
    super::open_cache().map_err(|failure| reporter.warning(&failure.to_string())).ok()
}

/// As many as keep all processors busy, or as use up the memory that is meant for it.
fn all_processors() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::new(64).unwrap();
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let streams = NonZeroUsize::new(streams_per_processor()).unwrap_or(NonZeroUsize::MIN);
    processors.saturating_mul(streams).min(MOST.max(processors))
}

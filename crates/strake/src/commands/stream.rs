//! `strake stream`: a conf becomes a docker-archive.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
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

use crate::cli::Stream;
use crate::failure::Failure;
use crate::output::Output;
use crate::report::{Progress, Reporter};

/// A conf larger than this is none, in bytes.
const MAX_CONF: u64 = 256 * 1024 * 1024;

pub(crate) fn run(arguments: &Stream) -> Result<(), Failure> {
    let now = SystemTime::now();
    let begun = Instant::now();
    let mut spec = read_spec(&arguments.conf)?;
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

fn read_spec(path: &Path) -> Result<Spec, Failure> {
    let mut text = Vec::new();
    let name = if path == Path::new("-") { "the conf on stdin".into() } else { path.display().to_string() };
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_CONF).read_to_end(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_CONF).read_to_end(&mut text))
    };
    read.map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
    Spec::parse(&text).map_err(|error| Failure::spec(&name, &error))
}

/// The cache, if it is wanted and can be used. That it cannot is no reason not to make the image.
fn usable_cache(arguments: &Stream, reporter: &mut Reporter) -> Option<Cache> {
    if arguments.no_cache {
        return None;
    }
    super::open_cache().map_err(|failure| reporter.warning(&failure.to_string())).ok()
}

/// As many as keep all processors busy.
fn all_processors() -> NonZeroUsize {
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    processors.saturating_mul(NonZeroUsize::new(streams_per_processor()).unwrap_or(NonZeroUsize::MIN))
}

//! `strake describe`: a conf with the digests and sizes of its layers.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use strake_image::cache::Key;
use strake_image::draft::{Description, Draft, LayerDraft, Origin};
use strake_image::engine::Engine;
use strake_image::new_file::NewFile;
use strake_image::spec::Spec;
use strake_image::store::Store;

use crate::cli::Describe;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::{Progress, Reporter};
use crate::{detached, input, source};

pub(crate) fn run(arguments: &Describe) -> Result<(), Failure> {
    let now = SystemTime::now();
    let text = input::read(&arguments.conf)?;
    let name = input::name(&arguments.conf);
    let spec = Spec::parse(&text).map_err(|error| Failure::spec(&name, &error))?;
    let mut conf: Map<String, Value> = serde_json::from_slice(&text).expect("a conf is a JSON object");
    if let Some(repo_tag) = &arguments.repo_tag {
        conf.insert("repo_tag".to_owned(), json!(repo_tag));
    }
    if spec.described.is_empty() {
        conf.insert("described".to_owned(), json!(described(arguments, &spec, now)?));
    }
    let mut text = serde_json::to_string(&conf).expect("it has only texts for keys");
    text.push('\n');
    if arguments.detached {
        text = detached::detached(&text);
    }
    let Some(path) = &arguments.output else {
        return io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::stdout);
    };
    let failed = |error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let file = NewFile::create(path).map_err(failed)?;
    file.file().write_all(text.as_bytes()).map_err(failed)?;
    file.commit().map_err(failed)
}

/// Finds out the layers' digests, but for those that are known.
fn described(arguments: &Describe, spec: &Spec, now: SystemTime) -> Result<Vec<Description>, Failure> {
    let store = Store::new(spec.store_dir.clone(), &arguments.making.store_root);
    let mut known = HashMap::new();
    for file in &arguments.known {
        let earlier =
            Spec::parse(&input::read(file)?).map_err(|error| Failure::spec(&input::name(file), &error))?;
        for layer in own_layers(&earlier, &store, now)? {
            known.extend(layer.described.map(|described| (layer.recipe.key(), described)));
        }
    }
    let mut drafts = own_layers(spec, &store, now)?;
    for draft in &mut drafts {
        draft.described = known.get::<Key>(&draft.recipe.key()).copied();
    }
    let progress = Arc::new(Progress::default());
    let mut reporter = Reporter::new(arguments.style(), &drafts, &store, &progress);
    let cache = super::usable_cache(arguments.making.no_cache, |warning| reporter.warning(warning));
    let engine = Engine {
        store: &store,
        cache: cache.as_ref(),
        jobs: arguments.making.jobs.unwrap_or_else(super::all_processors),
        verify: false,
        started: now,
        digested: &progress.digested,
    };
    let mut described = Vec::with_capacity(drafts.len());
    engine.describe(drafts, |layer| {
        reporter.layer(&layer);
        described.push(Description { diff_id: layer.diff_id, size: layer.blob.size });
        Ok::<(), Failure>(())
    })?;
    Ok(described)
}

/// The layers that are not the base image's, which is not even looked at.
fn own_layers(spec: &Spec, store: &Store, now: SystemTime) -> Result<Vec<LayerDraft>, Failure> {
    let alone = Spec { from_image: None, ..spec.clone() };
    let Draft { layers, .. } = source::draft(&alone, store, now, &Registries::usual()?, &mut Vec::new())?;
    debug_assert!(layers.iter().all(|layer| layer.origin != Origin::Base));
    Ok(layers)
}

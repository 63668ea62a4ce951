//! `strake describe`: a conf with the digests and sizes of its layers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use strake_image::cache::Key;
use strake_image::draft::{Description, LayerDraft};
use strake_image::engine::Engine;
use strake_image::layer::Layer;
use strake_image::parsed::ParsedImage;
use strake_image::spec::{self, DescribedBase, Spec};
use strake_image::store::Store;

use crate::cli::Describe;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::{Progress, Reporter};
use crate::{finished, input, source};

pub(crate) fn run(arguments: &Describe) -> Result<(), Failure> {
    let now = SystemTime::now();
    let text = input::read(&arguments.conf)?;
    let name = input::name(&arguments.conf);
    let spec = Spec::parse(&text).map_err(|error| Failure::spec(&name, &error))?;
    let mut conf: Map<String, Value> = serde_json::from_slice(&text).expect("a conf is a JSON object");
    if let Some(repo_tag) = &arguments.repo_tag {
        conf.insert("repo_tag".to_owned(), json!(repo_tag));
    }
    let describing =
        Describing { arguments, store: Store::new(spec.store_dir.clone(), &arguments.build.store_root), now };
    if spec.described.is_empty() {
        conf.insert("described".to_owned(), json!(describing.own(&spec)?));
    }
    if let (Some(base), None, true) = (&spec.from_image, &spec.described_base, arguments.detached) {
        conf.insert("described_base".to_owned(), json!(describing.base(base, &spec.architecture)?));
    }
    let mut text = serde_json::to_string(&conf).expect("it has only texts for keys");
    text.push('\n');
    if arguments.detached {
        text = spec::detached(&text);
    }
    super::put(arguments.output.as_deref(), text.as_bytes())
}

/// How layers are described.
struct Describing<'a> {
    arguments: &'a Describe,
    store: Store,
    now: SystemTime,
}

impl Describing<'_> {
    /// The image's own layers, of which some may be known.
    fn own(&self, spec: &Spec) -> Result<Vec<Description>, Failure> {
        let mut known = HashMap::new();
        for file in &self.arguments.known {
            let earlier = Spec::parse(&input::read(file)?)
                .map_err(|error| Failure::spec(&input::name(file), &error))?;
            for layer in self.drafts(&earlier)? {
                known.extend(layer.described.map(|described| (layer.recipe.key(), described)));
            }
        }
        let mut drafts = self.drafts(spec)?;
        for draft in &mut drafts {
            draft.described = known.get::<Key>(&draft.recipe.key()).copied();
        }
        let layers = self.layers(drafts)?;
        Ok(layers.iter().map(|layer| Description { diff_id: layer.diff_id, size: layer.blob.size }).collect())
    }

    fn base(&self, text: &str, architecture: &str) -> Result<DescribedBase, Failure> {
        let ParsedImage { layers, config, .. } =
            finished::base(text, architecture, &self.store, &Registries::usual()?)?;
        Ok(DescribedBase::of(&config, &self.layers(layers)?))
    }

    /// The layers that are not the base image's, which is not even looked at.
    fn drafts(&self, spec: &Spec) -> Result<Vec<LayerDraft>, Failure> {
        let alone = Spec { from_image: None, skip_base_paths: false, ..spec.clone() };
        let registries = Registries::usual()?;
        Ok(source::draft(&alone, &self.store, self.now, &registries, &mut Vec::new())?.layers)
    }

    fn layers(&self, drafts: Vec<LayerDraft>) -> Result<Vec<Layer>, Failure> {
        let Self { arguments, now, .. } = self;
        let progress = Arc::new(Progress::default());
        let mut reporter = Reporter::new(arguments.style(), &[&drafts], &progress);
        let cache = super::usable_cache(arguments.build.no_cache, |warning| reporter.warning(warning));
        let engine = Engine {
            cache: cache.as_ref(),
            jobs: arguments.build.jobs.unwrap_or_else(super::all_processors),
            verify: false,
            started: *now,
            digested: &progress.digested,
        };
        let mut layers = Vec::with_capacity(drafts.len());
        engine.describe(drafts, |layer| {
            reporter.layer(&layer);
            layers.push(layer);
            Ok::<(), Failure>(())
        })?;
        Ok(layers)
    }
}

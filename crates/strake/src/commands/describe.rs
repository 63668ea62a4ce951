//! `strake describe`: a conf with the digests and sizes of its layers.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use strake_image::cache::Key;
use strake_image::parsed::ParsedImage;
use strake_image::spec::{self, DescribedBase, Spec};
use strake_image::{Context, Description, Event, Layer, LayerDraft, Store};

use crate::cli::Describe;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::report::Reporter;
use crate::source::Meant;
use crate::{finished, input, place, source};

pub(crate) fn run(arguments: &Describe) -> Result<(), Failure> {
    let (plan, store_root) = (&arguments.plan, &arguments.build.store_root);
    let source = place::source(&arguments.image)?;
    let conf = match source::meant(source, plan, store_root, &Registries::usual()?)? {
        Meant::Conf(conf) => conf,
        Meant::Image(place) => {
            let failure = Failure::new(format!("{place} is a finished image, whose layers have digests"));
            return Err(failure.hint("strake describe takes a conf, or store paths"));
        }
    };
    let spec = conf.spec()?;
    let mut conf: Map<String, Value> = serde_json::from_slice(&conf.text).expect("a conf is a JSON object");
    if let Some(repo_tag) = &arguments.repo_tag {
        conf.insert("repo_tag".to_owned(), json!(repo_tag));
    }
    let mut warnings = Vec::new();
    let context = super::context(&arguments.build, false, &mut warnings);
    let store = Store::new(spec.store_dir.clone(), context.store.root());
    let describing = Describing { arguments, context: Context { store, ..context }, warnings };
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
    context: Context,
    warnings: Vec<String>,
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
        Ok(layers
            .iter()
            .map(|layer| Description { diff_id: layer.diff_id, size: layer.stored.size })
            .collect())
    }

    fn base(&self, text: &str, architecture: &str) -> Result<DescribedBase, Failure> {
        let ParsedImage { layers, config, .. } =
            finished::base(text, architecture, &self.context.store, &Registries::usual()?)?;
        Ok(DescribedBase::of(&config, &self.layers(layers)?))
    }

    /// The layers that are not the base image's, which is not even looked at.
    fn drafts(&self, spec: &Spec) -> Result<Vec<LayerDraft>, Failure> {
        let alone = Spec { from_image: None, skip_base_paths: false, ..spec.clone() };
        let registries = Registries::usual()?;
        Ok(source::draft(&alone, &self.context, &registries, &mut Vec::new())?.layers)
    }

    fn layers(&self, drafts: Vec<LayerDraft>) -> Result<Vec<Layer>, Failure> {
        let mut reporter = Reporter::new(self.arguments.style(), &self.context.progress);
        reporter.layers(&[&drafts], false);
        reporter.warnings(&self.warnings);
        let mut layers = Vec::with_capacity(drafts.len());
        self.context.describe(drafts, |layer| {
            reporter.event(Event::Layer(&layer));
            layers.push(layer);
            Ok::<(), Failure>(())
        })?;
        Ok(layers)
    }
}

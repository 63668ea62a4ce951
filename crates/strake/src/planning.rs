//! Has the library plan: reads the graph, opens the base image, writes the lock file.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use strake_image::parsed::ParsedImage;
use strake_image::plan::{self, BaseImage};
use strake_image::spec::{Conf, Customisations};
use strake_image::{EtcChanges, Store};

use crate::cli::{Plan, PlanCommand};
use crate::failure::Failure;
use crate::place::{self, FilePlace, Place};
use crate::registry::Registries;
use crate::{finished, input, named, options, references};

/// Plans an image of these roots, in the store below `store_root`. Warnings go into `warnings`.
pub(crate) fn conf(
    plan: &Plan,
    store_root: &Path,
    roots: &[PathBuf],
    registries: &Registries,
    warnings: &mut Vec<String>,
) -> Result<Conf, Failure> {
    named::only_store_paths(roots, &references::usual_store(store_root))?;
    let graph =
        plan.graph.as_deref().map(|file| references::graph(file, plan.key.key.as_deref())).transpose()?;
    let store = match &graph {
        None => references::usual_store(store_root),
        Some(graph) => Store::new(graph.store_dir().clone(), store_root),
    };
    let options = options::plan(plan, roots)?;
    let failed = |error| Failure::plan(&options::pipeline_name(&plan.layering), error);
    let closure = match graph {
        Some(graph) => graph,
        None => references::closure(&store, &plan::wanted(&options, &store).map_err(failed)?)?,
    };
    let from_image = plan.from.as_deref().map(|text| from_image(text, registries)).transpose()?;
    let open = |text: &str| finished::base(text, &options.architecture, &store, registries);
    let base = from_image.as_deref().map(open).transpose()?;
    let base_image =
        from_image.as_deref().zip(base.as_ref()).map(|(place, image)| BaseImage { place, image });
    let planned = plan::plan(&options, &store, &closure, base_image).map_err(failed)?;
    warnings.extend(etc_links(&planned.conf, base.as_ref(), &store));
    planned.lock.iter().try_for_each(|lock| options::update_lock(&plan.layering, lock))?;
    Ok(planned.conf)
}

/// The warnings about links in the image, as far as the layers that hold them are here.
fn etc_links(conf: &Conf, base: Option<&ParsedImage>, store: &Store) -> Option<String> {
    let of_base = base.iter().flat_map(|base| &base.layers);
    let of_base = of_base.map(|layer| layer.recipe.etc_changes().unwrap_or_default());
    let own = match &conf.customisation {
        Some(Customisations::One(files)) => files.etc_changes(store).ok(),
        _ => None,
    };
    finished::etc_links(&EtcChanges::links(of_base.chain(own)))
}

/// Completes the conf in a file.
pub(crate) fn complete(arguments: &PlanCommand, file: &Path) -> Result<Map<String, Value>, Failure> {
    let conf = options::begun_conf(file)?;
    let mut options = options::complete(arguments)?;
    let plan = &arguments.plan;
    if let Some(graph) = &plan.graph {
        let graph = references::graph(graph, plan.key.key.as_deref())?;
        let text = |key: &str| conf.get(key).and_then(Value::as_str);
        if let Some(base) = text("from_image") {
            let store = Store::new(graph.store_dir().clone(), &arguments.store_root);
            let architecture = text("architecture").unwrap_or_default();
            let base = finished::base(base, architecture, &store, &Registries::usual()?)?;
            options.base_layers = base.layers.len();
        }
        options.graph = Some(graph);
        options.layering = options::layering(&plan.layering)?;
    }
    let name = input::name(file);
    let whole = plan::complete(conf, &options)
        .map_err(|error| Failure::complete(&name, &options::pipeline_name(&plan.layering), &error))?;
    whole.lock.iter().try_for_each(|lock| options::update_lock(&plan.layering, lock))?;
    Ok(whole.conf)
}

/// The base image, as a conf names it.
fn from_image(text: &str, registries: &Registries) -> Result<String, Failure> {
    let place = match place::base(text)? {
        Place::File(place) => {
            Place::File(FilePlace { path: options::absolute(&place.path)?.into(), ..place })
        }
        Place::Registry(reference) => Place::Registry(registries.for_base(&reference).pinned(&reference)?),
        engine @ Place::Engine(_) => engine,
    };
    Ok(place.in_conf())
}

//! From a conf that has everything but its layers of store paths to a whole one: what the Nix library leaves to strake.
//!
//! Other confs may stand below it, whose layers become its lowest: that is how layers that are planned by themselves come
//! into an image. A store path is in one layer only, the lowest that has it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use strake_image::spec::{PathEntry, Spec};
use strake_image::store::Store;
use strake_plan::Closure;
use strake_plan::graph::NodeSet;
use strake_plan::layering::budget;

use crate::cli::PlanCommand;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::{finished, input, layering, planning, references};

/// The layers that are an image's own, as its conf says them.
#[derive(Default)]
struct ConfLayers {
    store_paths: Vec<Vec<String>>,
    customisations: Vec<Value>,
    /// What the history says of each, first those of store paths.
    history: (Vec<Value>, Vec<Value>),
}

/// The whole conf.
pub(crate) fn complete(arguments: &PlanCommand, file: &Path) -> Result<Value, Failure> {
    let mut conf = object(file)?;
    let mut layers = ConfLayers::default();
    let mut taken = HashSet::new();
    for file in &arguments.without {
        taken.extend(ConfLayers::of(file)?.store_paths.into_iter().flatten());
    }
    let mut below = ConfLayers::default();
    for file in &arguments.below {
        below.append(ConfLayers::of(file)?);
    }
    for (paths, history) in below.store_paths.into_iter().zip(below.history.0) {
        let fresh: Vec<String> = paths.into_iter().filter(|path| taken.insert(path.clone())).collect();
        if !fresh.is_empty() {
            layers.store_paths.push(fresh);
            layers.history.0.push(history);
        }
    }
    for (customisation, history) in below.customisations.into_iter().zip(below.history.1) {
        if !layers.customisations.contains(&customisation) {
            layers.customisations.push(customisation);
            layers.history.1.push(history);
        }
    }

    let plan = &arguments.plan;
    let metadata = conf.remove("metadata").unwrap_or_else(|| json!({}));
    let own = list(conf.remove("customisation"));
    layers.history.1.extend(own.iter().map(|_| metadata.clone()));
    layers.customisations.extend(own);
    let packed = conf.contains_key("customisation_layer");
    if packed {
        layers.history.1.push(metadata.clone());
    }
    let above = layers.customisations.len() + usize::from(packed);
    if let Some(graph) = &plan.graph {
        let closure = references::graph(graph, plan.key.key.as_deref())?;
        let closure = without(&closure, arguments.below.iter().chain(&arguments.without), &HashSet::new());
        let unneeded = arguments.copied.iter().filter(|path| !is_needed(&closure, path)).cloned().collect();
        let closure = without(&closure, &[], &unneeded);
        let left = without(&closure, &[], &taken);
        for paths in planned(arguments, &conf, &left, layers.store_paths.len() + above)? {
            layers.store_paths.push(paths);
            layers.history.0.push(metadata.clone());
        }
        let closure = layering::without_excluded(&plan.layering, &closure);
        layers.customisations.iter_mut().for_each(|customisation| root(customisation, &closure));
        conf.insert("closure".to_owned(), json!(PathEntry::list(&closure)));
    }

    conf.insert("store_layers".to_owned(), json!(layers.store_paths));
    if !packed {
        let one_or_several = match layers.customisations.len() {
            0 => json!({}),
            1 => layers.customisations.remove(0),
            _ => Value::Array(layers.customisations),
        };
        conf.insert("customisation".to_owned(), one_or_several);
    } else if let Some(below) = layers.customisations.first() {
        return Err(Failure::new(format!(
            "{} has a packed customisation layer, and cannot stand above {below}",
            file.display()
        ))
        .hint(
            "layers with files at the image's root can only be below an image that is described, not packed",
        ));
    }
    let history = [layers.history.0, layers.history.1].concat();
    if history.iter().any(|entry| *entry != json!({})) {
        conf.insert("history".to_owned(), history.into());
    }
    for (key, time) in [("created", &plan.created), ("mtime", &plan.mtime)] {
        conf.extend(time.as_ref().map(|time| (key.to_owned(), json!(time))));
    }
    named(&mut conf, plan.tag.as_deref());
    let conf = Value::Object(conf);
    Spec::parse(conf.to_string().as_bytes()).map_err(|error| Failure::spec(&input::name(file), &error))?;
    Ok(conf)
}

/// Whether something refers to a path; that may be the path itself.
fn is_needed(closure: &Closure, path: &str) -> bool {
    let Some(node) = closure.node(path) else { return false };
    let mut targets = closure.graph().nodes().flat_map(|user| closure.graph().targets(user));
    closure.path(node).refers_to_itself || targets.any(|&target| target == node)
}

/// A Nix database without roots gets all paths that no other needs, so that nothing in it is collected.
fn root(customisation: &mut Value, closure: &Closure) {
    let Some(Value::Array(roots)) = customisation.pointer_mut("/nix_database/roots") else { return };
    if roots.is_empty() {
        let mut needed = NodeSet::new(closure.len());
        for &target in closure.graph().nodes().flat_map(|user| closure.graph().targets(user)) {
            needed.insert(target);
        }
        let nodes = closure.graph().nodes().filter(|&node| !needed.contains(node));
        roots.extend(nodes.map(|node| json!(closure.path(node).path.to_string())));
    }
}

/// The layers of what is left of the closure.
fn planned(
    arguments: &PlanCommand,
    conf: &Map<String, Value>,
    left: &Closure,
    others: usize,
) -> Result<Vec<Vec<String>>, Failure> {
    let flags = &arguments.plan.layering;
    let text = |key: &str| conf.get(key).and_then(Value::as_str);
    let base = match text("from_image") {
        None => 0,
        Some(base) => {
            let store = Store::new(left.store_dir().clone(), &arguments.store_root);
            let architecture = text("architecture").unwrap_or_default();
            finished::base(base, architecture, &store, &Registries::usual()?)?.layers.len()
        }
    };
    // A pipeline decides alone.
    let budget = match &flags.pipeline {
        None => budget(layering::max_layers(flags), base, others).map_err(|error| Failure::budget(&error))?,
        Some(_) => layering::max_layers(flags),
    };
    let layers = layering::layers(flags, left, budget)?;
    planning::check_count(base + others + layers.len())?;
    let text = |layer: &Vec<strake_plan::StorePath>| layer.iter().map(ToString::to_string).collect();
    Ok(layers.iter().map(text).collect())
}

/// Gives the image its tag, or a hash of all the rest.
fn named(conf: &mut Map<String, Value>, tag: Option<&str>) {
    let Some(Value::String(name)) = conf.get("repo_tag") else { return };
    let last = name.rsplit('/').next().unwrap_or_default();
    if tag.is_none() && last.contains(':') {
        return;
    }
    let tag = tag.map_or_else(|| planning::hash(conf), str::to_owned);
    let named = format!("{name}:{tag}");
    conf.insert("repo_tag".to_owned(), named.into());
}

impl ConfLayers {
    fn of(file: &Path) -> Result<Self, Failure> {
        let conf = object(file)?;
        let spec = Spec::parse(Value::Object(conf.clone()).to_string().as_bytes());
        let spec = spec.map_err(|error| Failure::spec(&input::name(file), &error))?;
        let text = |layer: &Vec<strake_plan::StorePath>| layer.iter().map(ToString::to_string).collect();
        let store_paths: Vec<Vec<String>> = spec.store_layers.iter().map(text).collect();
        let mut history: Vec<Value> = spec.history.into_iter().map(Value::Object).collect();
        history.resize(store_paths.len() + spec.customisations.len(), json!({}));
        let above = history.split_off(store_paths.len());
        let customisations = list(conf.get("customisation").cloned());
        Ok(Self { store_paths, customisations, history: (history, above) })
    }

    fn append(&mut self, other: Self) {
        self.store_paths.extend(other.store_paths);
        self.customisations.extend(other.customisations);
        self.history.0.extend(other.history.0);
        self.history.1.extend(other.history.1);
    }
}

/// One or several customisations as a list, without those that say nothing.
fn list(value: Option<Value>) -> Vec<Value> {
    let all = match value {
        None => Vec::new(),
        Some(Value::Array(several)) => several,
        Some(one) => vec![one],
    };
    all.into_iter().filter(|one| *one != json!({})).collect()
}

/// The closure without some paths: files that stand in it, which are no part of an image, and store paths.
fn without<'f>(
    closure: &Closure,
    files: impl IntoIterator<Item = &'f PathBuf>,
    paths: &HashSet<String>,
) -> Closure {
    let mut excluded = NodeSet::new(closure.len());
    let files = files.into_iter().filter_map(|file| file.to_str());
    for node in files.chain(paths.iter().map(String::as_str)).filter_map(|path| closure.node(path)) {
        excluded.insert(node);
    }
    closure.without(&excluded)
}

fn object(file: &Path) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(&input::read(file)?)
        .map_err(|error| Failure::new(format!("{} is not a conf: {error}", input::name(file))))
}

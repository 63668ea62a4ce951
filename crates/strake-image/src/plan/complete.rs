//! From a conf that has everything but its layers of store paths to a whole one: what the Nix library leaves to strake.
//!
//! Other confs may stand below it, whose layers become its lowest: that is how layers that are planned by themselves come
//! into an image. A store path is in one layer only, the lowest that has it.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use strake_plan::Closure;
use strake_plan::graph::NodeSet;
use strake_plan::layering::lock::Lock;
use strake_plan::layering::{
    BudgetError, DEFAULT_MAX_LAYERS, LayeringError, LayeringOptions, Strategy, budget, check_count, layers,
};

use super::others::{ConfLayers, customisations};
use super::tag::tag;
use crate::spec::{PathEntry, Spec, SpecError};

/// How a conf is completed.
#[derive(Clone, Debug)]
pub struct CompleteOptions {
    /// The references graph of the image's store paths. `None`: it has none but those of `below`.
    pub graph: Option<Closure>,
    /// Confs whose layers stand below those that are decided here, the lowest first.
    pub below: Vec<ConfLayers>,
    /// Confs whose store paths are left out.
    pub without: Vec<ConfLayers>,
    /// Store paths that stand in the graph and are no part of the image, such as the confs' own files.
    pub foreign: Vec<String>,
    /// Store paths that are left out unless something refers to them, as what is in them is copied.
    pub copied: Vec<String>,
    /// The number of layers of the base image.
    pub base_layers: usize,
    /// The maximum number of the image's layers. 100 by default.
    pub max_layers: usize,
    /// How the layers of store paths are decided.
    pub layering: LayeringOptions,
    /// The image's tag in place of the conf's. Where neither has one it is a hash of all the rest.
    pub tag: Option<String>,
    /// The time of creation in place of the conf's.
    pub created: Option<String>,
    /// The modification time of everything in the image in place of the conf's.
    pub mtime: Option<String>,
}

/// A whole conf, and how its layers are kept for the next plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedConf {
    /// The conf, with all keys that it has had and in their order.
    pub conf: Map<String, Value>,
    /// The layers that were decided. `None` where there was no graph.
    pub lock: Option<Lock>,
}

/// Why a conf cannot be completed.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// There are too many layers.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The strategy gives no layers.
    #[error(transparent)]
    Layering(#[from] LayeringError),
    /// Files stand below a layer that somebody has packed.
    #[error("has a packed customisation layer, and cannot stand above {0}")]
    Packed(Value),
    /// The result is not a conf.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl Default for CompleteOptions {
    fn default() -> Self {
        Self {
            graph: None,
            below: Vec::new(),
            without: Vec::new(),
            foreign: Vec::new(),
            copied: Vec::new(),
            base_layers: 0,
            max_layers: DEFAULT_MAX_LAYERS,
            layering: LayeringOptions::default(),
            tag: None,
            created: None,
            mtime: None,
        }
    }
}

/// Completes a conf, whose `repo_tag` may lack the tag, and whose key `metadata` says what the history says of its layers.
pub fn complete(
    mut conf: Map<String, Value>,
    options: &CompleteOptions,
) -> Result<CompletedConf, CompleteError> {
    let without = options.without.iter().flat_map(|conf| conf.store_paths.iter().flatten());
    let mut taken: HashSet<String> = without.cloned().collect();
    let mut all = lowest(&options.below, &mut taken);

    let metadata = conf.remove("metadata").unwrap_or_else(|| json!({}));
    let own = customisations(conf.remove("customisation"));
    all.customisation_history.extend(own.iter().map(|_| metadata.clone()));
    all.customisations.extend(own);
    let packed = conf.contains_key("customisation_layer");
    if packed {
        all.customisation_history.push(metadata.clone());
    }
    let above = all.customisations.len() + usize::from(packed);
    let mut lock = None;
    if let Some(graph) = &options.graph {
        let closure = without_paths(graph, options.foreign.iter());
        let unneeded = options.copied.iter().filter(|path| !is_needed(&closure, path));
        let closure = without_paths(&closure, unneeded);
        let left = without_paths(&closure, taken.iter());
        let own = own_layers(options, &left, all.store_paths.len() + above)?;
        all.store_history.extend(own.layers.iter().map(|_| metadata.clone()));
        all.store_paths.extend(own.layers.iter().cloned());
        lock = Some(own);
        let included = options.layering.included(&closure);
        all.customisations.iter_mut().for_each(|customisation| root(customisation, &included));
        conf.insert("closure".to_owned(), json!(PathEntry::list(&included)));
    }

    conf.insert("store_layers".to_owned(), json!(all.store_paths));
    if !packed {
        let one_or_several = match all.customisations.len() {
            0 => json!({}),
            1 => all.customisations.remove(0),
            _ => Value::Array(all.customisations),
        };
        conf.insert("customisation".to_owned(), one_or_several);
    } else if !all.customisations.is_empty() {
        return Err(CompleteError::Packed(all.customisations.remove(0)));
    }
    let history = [all.store_history, all.customisation_history].concat();
    if history.iter().any(|entry| *entry != json!({})) {
        conf.insert("history".to_owned(), history.into());
    }
    for (key, time) in [("created", &options.created), ("mtime", &options.mtime)] {
        conf.extend(time.as_ref().map(|time| (key.to_owned(), json!(time))));
    }
    named(&mut conf, options.tag.as_deref());
    Spec::parse(Value::Object(conf.clone()).to_string().as_bytes())?;
    Ok(CompletedConf { conf, lock })
}

/// The layers that stand below, each store path and each layer of files once. Adds the store paths to those that are
/// taken.
fn lowest(below: &[ConfLayers], taken: &mut HashSet<String>) -> ConfLayers {
    let mut all = ConfLayers::default();
    for conf in below {
        for (paths, history) in conf.store_paths.iter().zip(&conf.store_history) {
            let fresh: Vec<String> =
                paths.iter().filter(|path| taken.insert((*path).clone())).cloned().collect();
            if !fresh.is_empty() {
                all.store_paths.push(fresh);
                all.store_history.push(history.clone());
            }
        }
        for (customisation, history) in conf.customisations.iter().zip(&conf.customisation_history) {
            if !all.customisations.contains(customisation) {
                all.customisations.push(customisation.clone());
                all.customisation_history.push(history.clone());
            }
        }
    }
    all
}

/// The layers of the rest of the closure, in an image that has this number of others besides those of its base.
fn own_layers(options: &CompleteOptions, left: &Closure, others: usize) -> Result<Lock, CompleteError> {
    let base = options.base_layers;
    let max_layers = match options.layering.strategy {
        // A pipeline decides alone.
        Strategy::Pipeline(_) => options.max_layers,
        _ => budget(options.max_layers, base, others)?,
    };
    let layers = layers(left, max_layers, &options.layering)?;
    check_count(base + others + layers.len())?;
    Ok(Lock::of(max_layers, &layers))
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

/// Gives the image its tag, or a hash of all the rest.
fn named(conf: &mut Map<String, Value>, given: Option<&str>) {
    let Some(Value::String(name)) = conf.get("repo_tag") else { return };
    let last = name.rsplit('/').next().unwrap_or_default();
    if given.is_none() && last.contains(':') {
        return;
    }
    let tag = given.map_or_else(|| tag(conf), str::to_owned);
    let named = format!("{name}:{tag}");
    conf.insert("repo_tag".to_owned(), named.into());
}

fn without_paths<'p>(closure: &Closure, paths: impl Iterator<Item = &'p String>) -> Closure {
    let mut excluded = NodeSet::new(closure.len());
    for node in paths.filter_map(|path| closure.node(path)) {
        excluded.insert(node);
    }
    closure.without(&excluded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strake_plan::StoreDir;
    use strake_plan::closure::Row;

    fn path(name: &str) -> String {
        format!("/nix/store/{name}-{name}")
    }

    /// `app` needs `lib`; `copied` needs `lib`; `conf` is the file of a conf.
    fn graph() -> Closure {
        let row = |name: &str, references: &[&str]| Row {
            path: path(name),
            references: references.iter().map(|name| path(name)).collect(),
            nar_size: 1,
            nar_hash: None,
        };
        let rows = [row("app", &["lib"]), row("lib", &[]), row("copied", &["lib"]), row("conf", &[])];
        Closure::new(StoreDir::parse("/nix/store").unwrap(), rows.into()).unwrap()
    }

    fn begun() -> Map<String, Value> {
        let conf = json!({
            "architecture": "amd64", "config": {}, "os": "linux", "store_dir": "/nix/store", "from_image": null,
            "repo_tag": "x:1", "created": "now", "mtime": "now", "uid": 0, "gid": 0, "uname": "", "gname": "",
            "metadata": { "author": "me" }, "unknown": 7,
        });
        conf.as_object().unwrap().clone()
    }

    fn options() -> CompleteOptions {
        let layering = LayeringOptions { strategy: Strategy::Each, excluded: Vec::new() };
        let foreign = vec![path("conf")];
        CompleteOptions { graph: Some(graph()), foreign, layering, ..CompleteOptions::default() }
    }

    /// A conf with these layers of store paths, whose customisations have an entry each, and this author.
    fn layers_of(layers: &[&[&str]], entries: &[&str], author: &str) -> ConfLayers {
        let entry = |name: &&str| json!({ "entries": [{ "path": name, "text": "" }] });
        ConfLayers {
            store_paths: layers.iter().map(|names| names.iter().map(|name| path(name)).collect()).collect(),
            customisations: entries.iter().map(entry).collect(),
            store_history: layers.iter().map(|_| json!({ "author": author })).collect(),
            customisation_history: entries.iter().map(|_| json!({ "author": author })).collect(),
        }
    }

    /// `expected` has the names in each layer, and the authors of all layers.
    fn check(change: impl FnOnce(&mut CompleteOptions), expected: (&[&[&str]], &[&str])) {
        let mut options = options();
        change(&mut options);
        let conf = Value::Object(complete(begun(), &options).unwrap().conf);
        let layers = expected.0.iter().map(|names| names.iter().map(|name| path(name)).collect());
        assert_eq!(conf["store_layers"], json!(layers.collect::<Vec<Vec<String>>>()));
        let authors = expected.1.iter().map(|author| json!({ "author": author })).collect::<Vec<_>>();
        assert_eq!(conf.get("history").unwrap_or(&json!([])), &json!(authors));
        assert!(conf["unknown"] == 7 && conf.get("metadata").is_none());
    }

    #[test]
    fn which_layers() {
        let all: &[&[&str]] = &[&["lib"], &["app"], &["copied"]];
        check(|_| (), (all, &["me", "me", "me"]));
        check(|it| it.graph = None, (&[], &[]));
        check(|it| it.copied = vec![path("copied"), path("lib")], (&[&["lib"], &["app"]], &["me", "me"]));
        check(|it| it.without = vec![layers_of(&[&["lib"]], &[], "")], (&all[1..], &["me", "me"]));
        let below = |it: &mut CompleteOptions| {
            let lower = layers_of(&[&["lib"]], &["/a", "/b"], "lower");
            it.below = vec![lower, layers_of(&[&["lib"], &["lib", "app"]], &["/b"], "upper")];
        };
        check(below, (all, &["lower", "upper", "me", "lower", "lower"]));
    }

    #[test]
    fn what_else_the_conf_says() {
        let mut conf = begun();
        conf.insert("repo_tag".to_owned(), json!("host:80/x"));
        conf.insert("customisation".to_owned(), json!({ "nix_database": { "roots": [] } }));
        let options = CompleteOptions { mtime: Some("2001-01-01".to_owned()), ..options() };
        let conf = complete(conf, &options).unwrap().conf;
        assert_eq!((&conf["mtime"], &conf["created"]), (&json!("2001-01-01"), &json!("now")));
        assert_eq!(conf["customisation"]["nix_database"]["roots"], json!([path("app"), path("copied")]));
        assert_eq!(conf["repo_tag"].as_str().unwrap().len(), "host:80/x:".len() + 32);
        let options = CompleteOptions { tag: Some("2".to_owned()), ..options };
        let whole = complete(begun(), &options).unwrap();
        assert_eq!((whole.conf["repo_tag"].as_str(), whole.lock.unwrap().layers.len()), (Some("x:1:2"), 3));
    }

    #[test]
    fn refused() {
        let check = |key: &str, value: Value, change: fn(&mut CompleteOptions), expected: &str| {
            let (mut conf, mut options) = (begun(), options());
            conf.insert(key.to_owned(), value);
            change(&mut options);
            let error = complete(conf, &options).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check("uid", json!("x"), |_| (), "key \"uid\" must be");
        check("x", Value::Null, |it| it.base_layers = 100, "of 100 layers none is left");
        check("x", Value::Null, |it| it.max_layers = 126, "126 layers are too many");
        let below = |it: &mut CompleteOptions| it.below = vec![layers_of(&[], &["/a"], "")];
        check("customisation_layer", json!("/nix/store/a-b"), below, "has a packed customisation layer");
    }
}

//! From options and a references graph to a conf.

use std::collections::{BTreeMap, HashSet};

use strake_plan::graph::NodeSet;
use strake_plan::layering::lock::Lock;
use strake_plan::layering::{BudgetError, LayeringError, budget, check_count, layers};
use strake_plan::{Closure, StorePath};

use super::options::PlanOptions;
use super::programs::{ProgramError, Programs};
use super::request::{Request, RequestError};
use super::tag::tag;
use crate::error::Error;
use crate::parsed::ParsedImage;
use crate::spec::{Conf, Customisations, Id, Os, PathEntry};
use crate::store::Store;

/// An image's conf, and how its layers are kept for the next plan.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// The conf.
    pub conf: Conf,
    /// The layers that were decided. `None` where the image has no store paths.
    pub lock: Option<Lock>,
}

/// The image that an image stands on.
#[derive(Clone, Copy, Debug)]
pub struct BaseImage<'i> {
    /// Where it is, as a conf names it.
    pub place: &'i str,
    /// The image.
    pub image: &'i ParsedImage,
}

/// Why there is no conf.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The options cannot be understood.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The image needs a store path that the references graph does not have.
    #[error("{0} is wanted in the image, but not in the references graph")]
    NotInGraph(StorePath),
    /// There is neither a name nor a root.
    #[error("the image has no name")]
    NoName,
    /// What a container is to run is not there.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// There are too many layers.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The strategy gives no layers.
    #[error(transparent)]
    Layering(#[from] LayeringError),
    /// The base image's layers cannot be read.
    #[error(transparent)]
    Base(#[from] Error),
}

/// The store paths that an image must have: its graph must have them, and all that they need.
pub fn wanted(options: &PlanOptions, store: &Store) -> Result<Vec<StorePath>, PlanError> {
    Ok(Request::of(options, store)?.wanted.into_iter().collect())
}

/// Plans an image of store paths in a graph that may have more than the image needs: without roots all of it is in the
/// image, else what is [`wanted`] with all that it needs.
pub fn plan(
    options: &PlanOptions,
    store: &Store,
    graph: &Closure,
    base: Option<BaseImage<'_>>,
) -> Result<ImagePlan, PlanError> {
    let mut request = Request::of(options, store)?;
    let closure = part_of(graph, &request)?;
    if let Some(database) = request.customisation.nix_database.as_mut().filter(|_| options.nix_database) {
        let mut kept: Vec<String> = database.roots.drain(..).collect();
        kept.extend(request.kept.iter().map(ToString::to_string));
        kept.sort_unstable();
        kept.dedup();
        database.roots = kept;
    }
    let name = name(options, &request.roots)?;
    let (roots, customisation) = (&request.roots, &request.customisation);
    let programs = Programs { store, roots, customisation, base: base.map(|base| base.image) };
    programs.complete(&mut request.config, options)?;
    let above = usize::from(!request.customisation.is_empty());
    let (layers, lock) = if options.no_store_paths {
        (Vec::new(), None)
    } else {
        let (layers, lock) = store_layers(options, &closure, base.map(|base| base.image), above)?;
        (layers, Some(lock))
    };
    let included = options.layering.included(&closure);
    let (uid, gid) = options.owner;
    let owner_name = |id| if id == 0 { "root".to_owned() } else { String::new() };
    let mut conf = Conf {
        architecture: options.architecture.clone(),
        config: request.config,
        os: Os::Linux,
        store_dir: store.dir().to_string(),
        from_image: base.map(|base| base.place.to_owned()),
        inherit: options.inherit,
        skip_base_paths: options.skip_base_paths,
        closure: (!layers.is_empty()).then(|| PathEntry::list(&included)),
        store_layers: layers,
        customisation_layer: None,
        customisation: Some(Customisations::One(request.customisation)),
        described_base: None,
        described: None,
        history: None,
        repo_tag: name,
        created: options.created.clone(),
        mtime: options.mtime.clone(),
        uid: Id::Number(uid),
        gid: Id::Number(gid),
        uname: owner_name(uid),
        gname: owner_name(gid),
        other: BTreeMap::new(),
    };
    let tag = options.tag.clone().unwrap_or_else(|| tag(&conf));
    conf.repo_tag = format!("{}:{tag}", conf.repo_tag);
    Ok(ImagePlan { conf, lock })
}

/// What the image needs of a graph.
fn part_of(graph: &Closure, request: &Request) -> Result<Closure, PlanError> {
    let node =
        |path: &StorePath| graph.node(path.as_str()).ok_or_else(|| PlanError::NotInGraph(path.clone()));
    let wanted = request.wanted.iter().map(node).collect::<Result<Vec<_>, _>>()?;
    Ok(if request.roots.is_empty() { graph.clone() } else { graph.of(wanted) })
}

/// The layers of store paths, as many as the base image and the customisation leave room for.
fn store_layers(
    options: &PlanOptions,
    closure: &Closure,
    base: Option<&ParsedImage>,
    above: usize,
) -> Result<(Vec<Vec<String>>, Lock), PlanError> {
    let held = match base {
        Some(base) if options.skip_base_paths => {
            let included = options.layering.included(closure);
            base.held(included.paths().iter().map(|info| &info.path))?
        }
        _ => HashSet::new(),
    };
    let base = base.map_or(0, |base| base.layers.len());
    let left = budget(options.max_layers, base, above)?;
    let mut known = NodeSet::new(closure.len());
    for node in held.iter().filter_map(|path| closure.node(path.as_str())) {
        known.insert(node);
    }
    let ours = layers(&closure.without(&known), left, &options.layering)?;
    // A pipeline decides alone; but what is too much for Docker is too much.
    check_count(base + ours.len() + above)?;
    let lock = Lock::of(left, &ours);
    let mut layers = lock.layers.clone();
    // The image will not have this layer, unless the base is another by then.
    if !held.is_empty() {
        let held = closure.paths().iter().filter(|info| held.contains(&info.path));
        layers.insert(0, held.map(|info| info.path.to_string()).collect());
    }
    Ok((layers, lock))
}

/// The image's name without a tag.
fn name(options: &PlanOptions, roots: &[StorePath]) -> Result<String, PlanError> {
    match (&options.name, roots.first()) {
        (Some(name), _) => Ok(name.to_lowercase()),
        (None, Some(root)) => Ok(image_name(root.name())),
        (None, None) => Err(PlanError::NoName),
    }
}

/// The name that an image gets of a store path's: what cannot stand between words in one becomes a hyphen.
fn image_name(name: &str) -> String {
    let name = name.to_lowercase();
    let mut image = String::with_capacity(name.len());
    let mut separator = String::new();
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() {
            separator.push(character);
            continue;
        }
        let allowed = matches!(&*separator, "" | "." | "_" | "__") || separator.chars().all(|it| it == '-');
        if !image.is_empty() {
            image.push_str(if allowed { &separator } else { "-" });
        }
        image.push(character);
        separator.clear();
    }
    if image.is_empty() { "image".to_owned() } else { image }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use strake_plan::closure::Row;
    use strake_plan::layering::{LayeringOptions, Strategy};

    use super::*;
    use crate::customisation::{Customisation, Entry, NixDatabase};

    /// `app` needs `lib`, which needs `libc`; `tool` needs `libc`.
    fn graph() -> Closure {
        let row = |name: &str, references: &[&str]| Row {
            path: path(name),
            references: references.iter().map(|name| path(name)).collect(),
            nar_size: 1,
            nar_hash: None,
        };
        let rows = [row("app", &["lib"]), row("lib", &["libc"]), row("libc", &[]), row("tool", &["libc"])];
        Closure::new(strake_plan::StoreDir::parse("/nix/store").unwrap(), rows.into()).unwrap()
    }

    fn path(name: &str) -> String {
        format!("/nix/store/{name}-{name}")
    }

    fn planned(change: impl FnOnce(&mut PlanOptions)) -> Result<ImagePlan, PlanError> {
        let layering = LayeringOptions { strategy: Strategy::One, excluded: Vec::new() };
        let mut options = PlanOptions { layering, tag: Some("1".to_owned()), ..PlanOptions::default() };
        change(&mut options);
        plan(&options, &Store::new(graph().store_dir().clone(), "/nonexistent"), &graph(), None)
    }

    /// `expected` has the image's name and the names of its store paths.
    fn check(change: impl FnOnce(&mut PlanOptions), expected: (&str, &[&str])) {
        let ImagePlan { conf, lock } = planned(change).unwrap();
        let paths: Vec<String> = conf.store_layers.concat();
        let expected_paths: Vec<String> = expected.1.iter().map(|name| path(name)).collect();
        assert_eq!((conf.repo_tag.as_str(), &paths), (expected.0, &expected_paths));
        let closure = conf.closure.unwrap_or_default();
        assert_eq!(
            closure.iter().map(|entry| &entry.path).collect::<Vec<_>>(),
            paths.iter().collect::<Vec<_>>()
        );
        assert_eq!(lock.map_or_else(Vec::new, |lock| lock.layers.concat()), paths);
    }

    #[test]
    fn what_is_in_the_image() {
        let roots = |names: &[&str]| names.iter().map(|name| path(name).into()).collect::<Vec<_>>();
        check(|it| it.name = Some("All".into()), ("all:1", &["app", "lib", "libc", "tool"]));
        check(|it| it.roots = roots(&["lib"]), ("lib:1", &["lib", "libc"]));
        check(|it| it.roots = vec![format!("{}/bin/x", path("tool")).into()], ("tool:1", &["libc", "tool"]));
        let named = |it: &mut PlanOptions| {
            it.roots = roots(&["libc"]);
            it.config.cmd = vec![path("tool")];
        };
        check(named, ("libc:1", &["libc", "tool"]));
        let linked = |it: &mut PlanOptions| {
            it.roots = roots(&["libc"]);
            let entry = Entry { path: "/lib".into(), symlink: Some(path("lib")), ..Entry::default() };
            it.customisation = Customisation { entries: vec![entry], ..Customisation::default() };
        };
        check(linked, ("libc:1", &["lib", "libc"]));
        let excluded = |it: &mut PlanOptions| {
            it.roots = roots(&["app"]);
            it.layering.excluded = vec![path("libc")];
        };
        check(excluded, ("app:1", &["app", "lib"]));
        let none = |it: &mut PlanOptions| {
            it.roots = roots(&["app"]);
            it.no_store_paths = true;
        };
        check(none, ("app:1", &[]));
    }

    #[test]
    fn what_else_the_conf_says() {
        let ImagePlan { conf, .. } = planned(|it| {
            it.roots = vec![path("app").into()];
            it.contents = vec![path("tool").into()];
            it.nix_database = true;
            it.customisation.nix_database = Some(NixDatabase { roots: vec![path("libc")] });
            it.owner = (0, 7);
            it.tag = None;
        })
        .unwrap();
        let conf = serde_json::to_value(&conf).unwrap();
        for (key, value) in [
            ("architecture", json!("amd64")),
            ("created", json!("1970-01-01T00:00:01+00:00")),
            ("mtime", json!("1970-01-01T00:00:01+00:00")),
            ("from_image", Value::Null),
            ("uid", json!(0)),
            ("gid", json!(7)),
            ("uname", json!("root")),
            ("gname", json!("")),
        ] {
            assert_eq!(conf[key], value, "{key}");
        }
        let customisation = &conf["customisation"];
        assert_eq!(customisation["contents"], json!([path("tool")]));
        assert_eq!(customisation["nix_database"]["roots"], json!([path("app"), path("libc"), path("tool")]));
        let tag = conf["repo_tag"].as_str().unwrap().strip_prefix("app:").unwrap();
        assert!(tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{tag}");
    }

    /// `expected` is how the error's text begins.
    fn refused(change: impl FnOnce(&mut PlanOptions), expected: &str) {
        let error = planned(change).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn no_plan() {
        refused(|_| (), "the image has no name");
        refused(|it| it.roots = vec!["/nonexistent".into()], "/nonexistent is not a store path");
        refused(|it| it.contents = vec!["/etc".into()], "the contents /etc are not in the store");
        refused(
            |it| it.roots = vec![path("new").into()],
            "/nix/store/new-new is wanted in the image, but not in",
        );
        refused(|it| it.config.labels = vec!["x".into()], "the label");
        let root = |max_layers| {
            move |it: &mut PlanOptions| {
                (it.name, it.root, it.max_layers) = (Some("x".into()), Some("/etc".into()), max_layers);
            }
        };
        refused(root(1), "of 1 layers none is left for store paths");
        refused(root(126), "126 layers are too many");
    }
}

//! From what the user says of an image to a conf.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};
use strake_image::customisation::{Customisation, NixDatabase};
use strake_image::digest::Digest;
use strake_image::parsed::ParsedImage;
use strake_image::spec::{self, Conf, Customisations, Id, Os, PathEntry};
use strake_image::store::Store;
use strake_plan::layering::{MAX_LAYERS, budget};
use strake_plan::{Closure, StoreDir, StorePath};

use crate::cli::{Inherit, Plan};
use crate::failure::Failure;
use crate::place::{self, FilePlace, Place};
use crate::registry::Registries;
use crate::{finished, image_config, input, layering, references};

/// 1970-01-01T00:00:01Z, as dockerTools has it: the time of all files in a Nix store.
const EPOCH: &str = "1970-01-01T00:00:01+00:00";

/// Hexadecimal digits of the plan's hash that make a tag.
const TAG_LENGTH: usize = 32;

/// Plans an image of these roots, in the store below `store_root`.
pub(crate) fn conf(
    plan: &Plan,
    store_root: &Path,
    roots: &[PathBuf],
    registries: &Registries,
) -> Result<Conf, Failure> {
    let graph = match &plan.graph {
        None => None,
        Some(file) => Some(references::graph(file, plan.key.key.as_deref())?),
    };
    let store = match &graph {
        None => references::usual_store(store_root),
        Some(graph) => Store::new(graph.store_dir().clone(), store_root),
    };
    let config = image_config::config(&plan.config)?;
    let mut customisation = customisation(plan, &store)?;
    let roots = references::roots(&store, roots)?;
    let mut kept: BTreeSet<String> = roots.iter().map(ToString::to_string).collect();
    for contents in &customisation.contents {
        kept.extend(references::store_path(&store, Path::new(contents))?.map(|path| path.to_string()));
    }
    let mut wanted = kept.clone();
    for text in texts(&config).into_iter().chain(customised_texts(&customisation)) {
        wanted.extend(named(text, store.dir()));
    }
    let closure = match graph {
        Some(graph) if roots.is_empty() => graph,
        Some(graph) => part_of(&graph, &wanted)?,
        None => {
            let wanted = wanted.iter().map(|text| store.dir().store_path(text));
            let wanted =
                wanted.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::new(error.to_string()))?;
            references::closure(&store, &wanted)?
        }
    };
    if let Some(text) = wanted.iter().find(|text| closure.node(text).is_none()) {
        return Err(not_in_graph(text));
    }
    if let Some(database) = customisation.nix_database.as_mut().filter(|_| plan.nix_database) {
        kept.extend(database.roots.drain(..));
        database.roots = kept.into_iter().collect();
    }
    let architecture = plan.arch.clone().unwrap_or_else(finished::architecture);
    let from_image = plan.from.as_deref().map(|text| from_image(text, registries)).transpose()?;
    let base = from_image.as_deref().map(|text| finished::base(text, &architecture, &store, registries));
    let base = base.transpose()?;
    let layers = if plan.no_store_paths {
        Vec::new()
    } else {
        layers(plan, &closure, base.as_ref(), !customisation.is_empty())?
    };
    let closure = layering::without_excluded(&plan.layering, &closure);
    let (uid, gid) = owner(plan.owner.as_deref())?;
    let owner_name = |id| if id == 0 { "root".to_owned() } else { String::new() };
    let mut conf = Conf {
        architecture,
        config,
        os: Os::Linux,
        store_dir: store.dir().to_string(),
        from_image,
        inherit: plan.inherit.map(|inherit| match inherit {
            Inherit::Env => spec::Inherit::Env,
            Inherit::All => spec::Inherit::All,
        }),
        skip_base_paths: plan.skip_base_paths,
        closure: (!layers.is_empty()).then(|| PathEntry::list(&closure)),
        store_layers: layers.iter().map(|layer| layer.iter().map(ToString::to_string).collect()).collect(),
        customisation_layer: None,
        customisation: Some(Customisations::One(customisation)),
        described_base: None,
        described: None,
        history: None,
        repo_tag: repository(plan, &roots)?,
        created: plan.created.clone().unwrap_or_else(|| EPOCH.to_owned()),
        mtime: plan.mtime.clone().unwrap_or_else(|| EPOCH.to_owned()),
        uid: Id::Number(uid),
        gid: Id::Number(gid),
        uname: owner_name(uid),
        gname: owner_name(gid),
        other: BTreeMap::new(),
    };
    let tag = plan.tag.clone().unwrap_or_else(|| hash(&conf));
    conf.repo_tag = format!("{}:{tag}", conf.repo_tag);
    Ok(conf)
}

/// A tag that says what is planned.
pub(crate) fn hash(conf: &impl Serialize) -> String {
    let text = serde_json::to_vec(conf).expect("a conf can be written");
    Digest::of(&text).hex().chars().take(TAG_LENGTH).collect()
}

/// What a graph has of the wanted paths.
fn part_of(graph: &Closure, wanted: &BTreeSet<String>) -> Result<Closure, Failure> {
    let nodes = wanted.iter().map(|text| graph.node(text).ok_or_else(|| not_in_graph(text)));
    Ok(graph.of(nodes.collect::<Result<Vec<_>, _>>()?))
}

fn not_in_graph(path: &str) -> Failure {
    Failure::new(format!("{path} is wanted in the image, but not in the references graph"))
        .hint("the graph must have all store paths that the image's config and customisation name")
}

/// The description in a file, with what the flags add.
fn customisation(plan: &Plan, store: &Store) -> Result<Customisation, Failure> {
    let mut customisation = match &plan.customisation {
        None => Customisation::default(),
        Some(path) => serde_json::from_slice(&input::read(path)?).map_err(|error| {
            Failure::new(format!("{} is no customisation: {error}", input::name(path)))
                .hint("docs/conf.md says what it may hold")
        })?,
    };
    for contents in &plan.contents {
        let (_, name) = references::in_store(store, contents)?.ok_or_else(|| {
            Failure::new(format!("the contents {} are not in the store", contents.display()))
                .hint("links in an image can only lead to store paths; --root DIR copies any directory")
        })?;
        customisation.contents.push(name);
    }
    if let Some(root) = &plan.root {
        customisation.root = Some(absolute(root)?);
    }
    if plan.nix_database && customisation.nix_database.is_none() {
        customisation.nix_database = Some(NixDatabase::default());
    }
    Ok(customisation)
}

/// The layers of store paths, as many as the base image and the customisation leave room for.
fn layers(
    plan: &Plan,
    closure: &Closure,
    base: Option<&ParsedImage>,
    customised: bool,
) -> Result<Vec<Vec<StorePath>>, Failure> {
    let held = match base {
        Some(base) if plan.skip_base_paths => {
            let wanted = layering::without_excluded(&plan.layering, closure);
            base.held(wanted.paths().iter().map(|info| &info.path))?
        }
        _ => HashSet::new(),
    };
    let base = base.map_or(0, |base| base.layers.len());
    let above = usize::from(customised);
    let left =
        budget(layering::max_layers(&plan.layering), base, above).map_err(|error| Failure::budget(&error))?;
    let ours = layering::without(closure, held.iter().map(StorePath::as_str));
    let mut layers = layering::layers(&plan.layering, &ours, left)?;
    check_count(base + layers.len() + above)?;
    // The image will not have this layer, unless the base is another by then.
    if !held.is_empty() {
        let held = closure.paths().iter().filter(|info| held.contains(&info.path));
        layers.insert(0, held.map(|info| info.path.clone()).collect());
    }
    Ok(layers)
}

/// A pipeline decides alone; but what is too much for Docker is too much.
pub(crate) fn check_count(layers: usize) -> Result<(), Failure> {
    if layers <= MAX_LAYERS {
        return Ok(());
    }
    Err(Failure::new(format!("the image would have {layers} layers, and Docker takes {MAX_LAYERS}"))
        .hint("end the pipeline with [\"limit_layers\", N]"))
}

/// The image's name without a tag.
fn repository(plan: &Plan, roots: &[StorePath]) -> Result<String, Failure> {
    let name = match (&plan.name, roots.first()) {
        (Some(name), _) => name.to_lowercase(),
        (None, Some(root)) => {
            root.name()
                .to_lowercase()
                .chars()
                .map(|character| {
                    if "abcdefghijklmnopqrstuvwxyz0123456789._-".contains(character) {
                        character
                    } else {
                        '-'
                    }
                })
                .collect()
        }
        (None, None) => {
            return Err(Failure::new("the image has no name").hint("give it one with --name"));
        }
    };
    Ok(name)
}

/// All texts in a config, also those that are keys.
fn texts(config: &Map<String, Value>) -> Vec<&str> {
    let mut texts: Vec<&str> = config.keys().map(String::as_str).collect();
    let mut open: Vec<&Value> = config.values().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(list) => open.extend(list),
            Value::Object(object) => {
                texts.extend(object.keys().map(String::as_str));
                open.extend(object.values());
            }
            _ => {}
        }
    }
    texts
}

/// The texts and link targets of a customisation's entries.
fn customised_texts(customisation: &Customisation) -> impl Iterator<Item = &str> {
    customisation.entries.iter().flat_map(|entry| [&entry.text, &entry.symlink]).flatten().map(String::as_str)
}

/// The store paths that a text names.
fn named(text: &str, store_dir: &StoreDir) -> Vec<String> {
    let start = format!("{store_dir}/");
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    text.match_indices(&start)
        .filter_map(|(at, _)| {
            let rest = &text[at + start.len()..];
            let end = rest.bytes().position(|byte| !allowed(byte)).unwrap_or(rest.len());
            store_dir.store_path(&text[at..at + start.len() + end]).ok()
        })
        .map(|path| path.to_string())
        .collect()
}

fn owner(text: Option<&str>) -> Result<(u32, u32), Failure> {
    let Some(text) = text else { return Ok((0, 0)) };
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    match (uid.parse(), gid.parse()) {
        (Ok(uid), Ok(gid)) => Ok((uid, gid)),
        _ => Err(Failure::new(format!("--owner {text:?} is not UID or UID:GID, in numbers"))),
    }
}

/// The base image, as a conf names it.
fn from_image(text: &str, registries: &Registries) -> Result<String, Failure> {
    let place = match place::base(text)? {
        Place::File(place) => Place::File(FilePlace { path: absolute(&place.path)?.into(), ..place }),
        Place::Registry(reference) => Place::Registry(registries.for_base(&reference).pinned(&reference)?),
    };
    Ok(place.in_conf())
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Failure::new(format!("cannot find {}: {error}", path.display())))?;
    absolute.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(format!("the name {} is not UTF-8, so it cannot stand in a plan", absolute.display()))
    })
}

//! From what the user says of layers to layers.

use std::collections::BTreeMap;
use std::path::Path;

use strake_plan::graph::{Node, NodeSet};
use strake_plan::layering::lock::Lock;
use strake_plan::layering::{self, CostOptions, Group, pipeline};
use strake_plan::{Closure, StorePath};

use crate::cli::{Layering, Strategy};
use crate::failure::Failure;
use crate::input;
use crate::output;

/// So many layers there are where nobody says another number, as in dockerTools.
const MAX_LAYERS: usize = 100;

/// So many layers an image may have in all, the user says or we do.
pub(crate) fn max_layers(flags: &Layering) -> usize {
    flags.max_layers.map_or(MAX_LAYERS, Into::into)
}

/// The layers of a closure's store paths, so many at most, as the user wants them.
pub(crate) fn layers(
    flags: &Layering,
    closure: &Closure,
    max_layers: usize,
) -> Result<Vec<Vec<StorePath>>, Failure> {
    let strategy = flags.strategy.unwrap_or(Strategy::Cost);
    if strategy != Strategy::Cost
        && (flags.lock.is_some()
            || flags.rates.is_some()
            || !flags.isolate.is_empty()
            || !flags.volatile.is_empty())
    {
        return Err(Failure::new("--lock, --isolate, --volatile and --rates are for the strategy cost"));
    }
    let reduced = without_excluded(flags, closure);
    if let Some(file) = &flags.pipeline {
        let named = |error| Failure::pipeline(&input::name(file), &error);
        let pipeline = pipeline::parse(&input::read(file)?).map_err(named)?;
        return Ok(paths(&reduced, &pipeline.run(&reduced).map_err(named)?));
    }
    let groups = match strategy {
        // What is left out here takes part in the deciding.
        Strategy::Auto => {
            return Ok(paths(closure, &layering::auto(closure, max_layers, &excluded(flags, closure))));
        }
        Strategy::Popularity => layering::popularity(&reduced, max_layers),
        Strategy::Each => layering::each(&reduced, max_layers),
        Strategy::One => layering::one(&reduced),
        Strategy::Cost => return by_cost(flags, &reduced, max_layers),
    };
    Ok(paths(&reduced, &groups))
}

fn by_cost(flags: &Layering, closure: &Closure, max_layers: usize) -> Result<Vec<Vec<StorePath>>, Failure> {
    let node = |path: &str| -> Result<Node, Failure> {
        closure.node(path).ok_or_else(|| Failure::new(format!("{path} is not in the closure")))
    };
    let options = CostOptions {
        previous: read_lock(flags)?.map(|lock| lock.layers),
        rates: flags.rates.as_deref().map(rates).transpose()?.unwrap_or_default(),
        isolated: flags
            .isolate
            .iter()
            .map(|paths| paths.split(',').map(node).collect())
            .collect::<Result<_, _>>()?,
        volatile: flags.volatile.iter().map(|path| node(path)).collect::<Result<_, _>>()?,
    };
    let groups =
        layering::cost(closure, max_layers, &options).map_err(|error| Failure::new(error.to_string()))?;
    let layers = paths(closure, &groups);
    write_lock(flags, max_layers, layers.iter().cloned())?;
    Ok(layers)
}

/// Layers for several images, so many in each, that share as much as they can.
pub(crate) fn fleet(
    flags: &Layering,
    images: &[(String, Closure)],
    max_layers: usize,
) -> Result<Vec<Vec<Vec<StorePath>>>, Failure> {
    let catalog = read_lock(flags)?.map(|lock| lock.layers).unwrap_or_default();
    let plans = layering::fleet(images, max_layers, &catalog);
    let plans: Vec<Vec<Vec<StorePath>>> =
        images.iter().zip(plans).map(|((_, closure), groups)| paths(closure, &groups)).collect();
    let mut seen = std::collections::HashSet::new();
    let distinct = plans.iter().flatten().filter(|layer| seen.insert(*layer)).cloned();
    write_lock(flags, max_layers, distinct)?;
    Ok(plans)
}

/// The lock file, if there is one. It must be there unless it is about to be written.
fn read_lock(flags: &Layering) -> Result<Option<Lock>, Failure> {
    match &flags.lock {
        Some(path) if !flags.update_lock || path.exists() => Lock::parse(&input::read(path)?)
            .map(Some)
            .map_err(|error| Failure::lock(&input::name(path), &error)),
        _ => Ok(None),
    }
}

fn write_lock(
    flags: &Layering,
    max_layers: usize,
    layers: impl Iterator<Item = Vec<StorePath>>,
) -> Result<(), Failure> {
    let (Some(path), true) = (&flags.lock, flags.update_lock) else { return Ok(()) };
    let text = |layer: Vec<StorePath>| layer.iter().map(ToString::to_string).collect();
    let lock = Lock { max_layers, layers: layers.map(text).collect() };
    output::write(path, lock.text().as_bytes())
}

fn rates(path: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    serde_json::from_slice(&input::read(path)?).map_err(|error| {
        Failure::new(format!("{} is no table of rates: {error}", input::name(path)))
            .hint("it must be a JSON object from package names to whole numbers")
    })
}

fn paths(closure: &Closure, groups: &[Group]) -> Vec<Vec<StorePath>> {
    let path = |&node| closure.path(node).path.clone();
    groups.iter().map(|group| group.iter().map(path).collect()).collect()
}

fn excluded(flags: &Layering, closure: &Closure) -> NodeSet {
    nodes(closure, flags.exclude.iter().map(String::as_str))
}

fn nodes<'p>(closure: &Closure, paths: impl Iterator<Item = &'p str>) -> NodeSet {
    let mut nodes = NodeSet::new(closure.len());
    for node in paths.filter_map(|path| closure.node(path)) {
        nodes.insert(node);
    }
    nodes
}

/// The closure but for these paths.
pub(crate) fn without<'p>(closure: &Closure, paths: impl Iterator<Item = &'p str>) -> Closure {
    closure.without(&nodes(closure, paths))
}

/// The closure but for what the user leaves out.
pub(crate) fn without_excluded(flags: &Layering, closure: &Closure) -> Closure {
    closure.without(&excluded(flags, closure))
}

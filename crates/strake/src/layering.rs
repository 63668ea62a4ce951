//! From what the user says of layers to layers.

use strake_plan::graph::NodeSet;
use strake_plan::layering::{self, Group};
use strake_plan::{Closure, StorePath};

use crate::cli::{Layering, Strategy};
use crate::failure::Failure;

/// So many layers there are where nobody says another number, as in dockerTools.
const MAX_LAYERS: usize = 100;

/// The layers of a closure's store paths, where the image has `base` layers below them and `above` on top.
pub(crate) fn layers(
    flags: &Layering,
    closure: &Closure,
    base: usize,
    above: usize,
) -> Result<Vec<Vec<StorePath>>, Failure> {
    let max_layers = flags.max_layers.map_or(MAX_LAYERS, Into::into);
    let excluded = excluded(flags, closure);
    let reduced = closure.without(&excluded);
    let room = max_layers - base - above;
    let groups = match flags.strategy.unwrap_or(Strategy::Cost) {
        Strategy::One => layering::one(&reduced),
        _ => layering::each(&reduced, room),
    };
    Ok(paths(&reduced, &groups))
}

fn paths(closure: &Closure, groups: &[Group]) -> Vec<Vec<StorePath>> {
    let path = |&node| closure.path(node).path.clone();
    groups.iter().map(|group| group.iter().map(path).collect()).collect()
}

fn excluded(flags: &Layering, closure: &Closure) -> NodeSet {
    let mut excluded = NodeSet::new(closure.len());
    for node in flags.exclude.iter().filter_map(|path| closure.node(path)) {
        excluded.insert(node);
    }
    excluded
}

/// The closure but for what the user leaves out.
pub(crate) fn without_excluded(flags: &Layering, closure: &Closure) -> Closure {
    closure.without(&excluded(flags, closure))
}

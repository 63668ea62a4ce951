//! A strategy with all that it takes, as a value; and layers as lists of store paths.

use super::pipeline::{Pipeline, PipelineError};
use super::{CostError, CostOptions, Group, auto, cost, each, fleet, one, popularity};
use crate::closure::Closure;
use crate::graph::NodeSet;
use crate::store_path::StorePath;

/// How layers are decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayeringOptions {
    /// The strategy.
    pub strategy: Strategy,
    /// Store paths that are in no layer, by their names. One that is not in the closure is no error.
    pub excluded: Vec<String>,
}

/// A strategy, with what only it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// [`cost`].
    Cost(CostOptions),
    /// [`auto`].
    Auto,
    /// [`popularity`].
    Popularity,
    /// [`each`].
    Each,
    /// [`one`].
    One,
    /// A pipeline. It alone decides how many layers there are.
    Pipeline(Pipeline),
}

impl Default for Strategy {
    fn default() -> Self {
        Self::Cost(CostOptions::default())
    }
}

/// Why there are no layers.
#[derive(Debug, thiserror::Error)]
pub enum LayeringError {
    /// The strategy `cost` cannot satisfy the options.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The pipeline does not fit the closure.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

impl LayeringOptions {
    /// The closure but for what is excluded.
    pub fn included(&self, closure: &Closure) -> Closure {
        closure.without(&self.excluded_from(closure))
    }

    fn excluded_from(&self, closure: &Closure) -> NodeSet {
        let mut excluded = NodeSet::new(closure.len());
        for node in self.excluded.iter().filter_map(|path| closure.node(path)) {
            excluded.insert(node);
        }
        excluded
    }
}

/// The layers of a closure's store paths, the lowest first, at most `max_layers` of them.
///
/// `max_layers` counts as 1 if it is 0; the strategy `one` and pipelines do not look at it.
pub fn layers(
    closure: &Closure,
    max_layers: usize,
    options: &LayeringOptions,
) -> Result<Vec<Vec<StorePath>>, LayeringError> {
    let included = options.included(closure);
    let groups = match &options.strategy {
        // Fields that are left out here affect the plan.
        Strategy::Auto => {
            let groups = auto(closure, max_layers, &options.excluded_from(closure));
            return Ok(paths(closure, &groups));
        }
        Strategy::Cost(options) => cost(&included, max_layers, options)?,
        Strategy::Popularity => popularity(&included, max_layers),
        Strategy::Each => each(&included, max_layers),
        Strategy::One => one(&included),
        Strategy::Pipeline(pipeline) => pipeline.run(&included)?,
    };
    Ok(paths(&included, &groups))
}

/// The layers of several images, at most `max_layers` in each, that share as much as they can: see [`fleet`].
pub fn fleet_layers(
    images: &[(String, Closure)],
    max_layers: usize,
    catalog: &[Vec<String>],
) -> Vec<Vec<Vec<StorePath>>> {
    let plans = fleet(images, max_layers, catalog);
    images.iter().zip(plans).map(|((_, closure), groups)| paths(closure, &groups)).collect()
}

fn paths(closure: &Closure, groups: &[Group]) -> Vec<Vec<StorePath>> {
    let path = |&node| closure.path(node).path.clone();
    groups.iter().map(|group| group.iter().map(path).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closure::Row;
    use crate::layering::pipeline;
    use crate::store_path::StoreDir;

    /// `app` needs `lib`, which needs `libc`.
    fn closure() -> Closure {
        let row = |name: &str, nar_size, references: &[&str]| Row {
            path: format!("/nix/store/{name}-{name}"),
            references: references.iter().map(|name| format!("/nix/store/{name}-{name}")).collect(),
            nar_size,
            nar_hash: None,
        };
        let rows = vec![row("app", 1, &["lib"]), row("lib", 10, &["libc"]), row("libc", 100, &[])];
        Closure::new(StoreDir::parse("/nix/store").unwrap(), rows).unwrap()
    }

    fn full(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("/nix/store/{name}-{name}")).collect()
    }

    /// `expected` has the names in each layer, or is the error's text.
    fn check(strategy: Strategy, excluded: &[&str], max_layers: usize, expected: Result<&[&[&str]], &str>) {
        let options = LayeringOptions { strategy, excluded: full(excluded) };
        let found = layers(&closure(), max_layers, &options).map_err(|error| error.to_string());
        let names = found.as_ref().map(|layers| {
            layers.iter().map(|layer| layer.iter().map(StorePath::name).collect()).collect::<Vec<Vec<_>>>()
        });
        let expected = expected.map(|layers| layers.iter().map(|layer| layer.to_vec()).collect::<Vec<_>>());
        assert_eq!(names.map_err(String::as_str), expected, "{options:?}, {max_layers}");
    }

    #[test]
    fn what_the_options_say() {
        let cost = |isolated: &[&[&str]], volatile: &[&str]| {
            let isolated = isolated.iter().map(|names| full(names)).collect();
            Strategy::Cost(CostOptions { isolated, volatile: full(volatile), ..CostOptions::default() })
        };
        let rules = |text: &str| Strategy::Pipeline(pipeline::parse(text.as_bytes()).unwrap());
        check(Strategy::default(), &[], 3, Ok(&[&["libc"], &["lib"], &["app"]]));
        check(Strategy::default(), &["libc", "unknown"], 3, Ok(&[&["lib"], &["app"]]));
        check(cost(&[&["libc", "app"]], &[]), &[], 2, Ok(&[&["lib"], &["app", "libc"]]));
        check(cost(&[&["unknown"]], &[]), &[], 2, Err("/nix/store/unknown-unknown is not in the closure"));
        check(cost(&[], &["libc"]), &["libc"], 2, Err("/nix/store/libc-libc is not in the closure"));
        check(
            cost(&[&["app"]], &[]),
            &[],
            1,
            Err("1 isolated layers leave no room for the rest in 1 layers"),
        );
        check(Strategy::Auto, &["lib"], 2, Ok(&[&["libc"], &["app"]]));
        check(Strategy::Popularity, &[], 2, Ok(&[&["libc"], &["lib", "app"]]));
        check(Strategy::Each, &["app"], 9, Ok(&[&["libc"], &["lib"]]));
        check(Strategy::One, &["libc"], 9, Ok(&[&["app", "lib"]]));
        check(rules("[[\"split_every\", 2]]"), &[], 1, Ok(&[&["app", "lib"], &["libc"]]));
        check(
            rules("[[\"over\", \"x\", [\"flatten\"]]]"),
            &[],
            1,
            Err(
                "step 1 (over \"x\"): needs parts (\"split_paths\", \"subcomponent_in\" and \"subcomponent_out\" make them), \
                 but gets a graph of 3 paths",
            ),
        );
    }

    #[test]
    fn a_fleet_shares() {
        let part = closure().of(closure().node("/nix/store/lib-lib"));
        let plans = fleet_layers(&[("all".to_owned(), closure()), ("part".to_owned(), part)], 2, &[]);
        assert_eq!(plans[0][0], plans[1][0]);
    }
}

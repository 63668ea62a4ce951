//! The cost of planning: `cargo bench -p strake-plan`. bench/README.md says how to read it.
//!
//! The closures are like those of images: a tenth as many layers as paths, eight references a path, libraries that much depends on.
//! 150 paths are a service, 1,000 a desktop program, 5,000 more than `cost` compares pair by pair.

use divan::Bencher;
use strake_plan::closure::Closure;
use strake_plan::graph::NodeSet;
use strake_plan::layering::{CostOptions, auto, cost, popularity};
use strake_testkit::closure::large;

const PATHS: [usize; 3] = [150, 1000, 5000];

/// The layers that nixpkgs plans by default.
const MAX_LAYERS: usize = 100;

fn main() {
    divan::main();
}

fn closure(paths: usize) -> Closure {
    large(paths, paths * 8)
}

#[divan::bench(args = PATHS)]
fn by_cost(bencher: Bencher<'_, '_>, paths: usize) {
    let closure = closure(paths);
    bencher.bench(|| cost(&closure, MAX_LAYERS, &CostOptions::default()).expect("nothing is isolated"));
}

/// With the layers of a plan before, as a lock file has them.
#[divan::bench(args = PATHS)]
fn by_cost_after_a_plan(bencher: Bencher<'_, '_>, paths: usize) {
    let closure = closure(paths);
    let planned = cost(&closure, MAX_LAYERS, &CostOptions::default()).expect("nothing is isolated");
    let name = |&node: &u32| closure.path(node).path.to_string();
    let previous = planned.iter().map(|group| group.iter().map(name).collect()).collect();
    let options = CostOptions { previous: Some(previous), ..CostOptions::default() };
    bencher.bench(|| cost(&closure, MAX_LAYERS, &options).expect("nothing is isolated"));
}

#[divan::bench(args = PATHS)]
fn by_popularity(bencher: Bencher<'_, '_>, paths: usize) {
    let closure = closure(paths);
    bencher.bench(|| popularity(&closure, MAX_LAYERS));
}

#[divan::bench(args = PATHS)]
fn as_auto_layer(bencher: Bencher<'_, '_>, paths: usize) {
    let closure = closure(paths);
    bencher.bench(|| auto(&closure, MAX_LAYERS, &NodeSet::new(paths)));
}

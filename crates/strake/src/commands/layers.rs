//! `strake layers`: decides which store paths share a layer.

use std::collections::HashSet;
use std::path::PathBuf;

use indicatif::HumanBytes;
use serde_json::{Map, Value};
use strake_image::Store;
use strake_image::plan::{store_path, store_paths};
use strake_plan::layering::fleet_layers;
use strake_plan::layering::lock::Lock;
use strake_plan::{Closure, StorePath};

use crate::cli::{Format, Layers};
use crate::failure::Failure;
use crate::paint::Paint;
use crate::terminal::Lines;
use crate::{input, options, output, picture, references};

/// The number of packages that a row of the table names.
const NAMED: usize = 3;

pub(crate) fn run(arguments: &Layers) -> Result<(), Failure> {
    let store = references::usual_store(&arguments.store_root);
    let flags = &arguments.layering;
    let max_layers = options::max_layers(flags);
    let text = if arguments.fleet {
        let mut images = Vec::new();
        for graph in &arguments.graphs {
            images.push((input::name(graph), closure(arguments, &store, std::slice::from_ref(graph))?));
        }
        let catalog = options::lock(flags)?.map(|lock| lock.layers).unwrap_or_default();
        let plans = fleet_layers(&images, max_layers, &catalog);
        let mut seen = HashSet::new();
        let distinct = plans.iter().flatten().filter(|layer| seen.insert(*layer));
        options::update_lock(flags, &Lock::of(max_layers, distinct))?;
        let plans = images.iter().map(|(name, _)| name.clone()).zip(plans.iter().map(|plan| lists(plan)));
        json(&plans.collect::<Map<String, Value>>().into())
    } else {
        let closure = closure(arguments, &store, &arguments.graphs)?;
        let options = options::layering(flags)?;
        let layers = strake_plan::layering::layers(&closure, max_layers, &options)
            .map_err(|error| Failure::layering(&options::pipeline_name(flags), &error))?;
        options::update_lock(flags, &Lock::of(max_layers, &layers))?;
        match arguments.format {
            Format::Json => json(&lists(&layers)),
            Format::Lines => layers.iter().flatten().flat_map(|path| [path.as_str(), "\n"]).collect(),
            Format::Table => return output::say(&table(&closure, &layers)),
            Format::Svg => picture::svg(&closure, &layers),
        }
    };
    output::say_data(text.as_bytes())
}

/// Layers as a list of lists of names.
fn lists(layers: &[Vec<StorePath>]) -> Value {
    let names =
        |layer: &Vec<StorePath>| layer.iter().map(|path| Value::from(path.as_str())).collect::<Value>();
    layers.iter().map(names).collect()
}

fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The closure of one graph, or of store paths.
fn closure(arguments: &Layers, store: &Store, graphs: &[PathBuf]) -> Result<Closure, Failure> {
    match graphs {
        [graph] if store_path(store, graph)?.is_none() => {
            references::graph(graph, arguments.key.key.as_deref())
        }
        roots => references::closure(store, &store_paths(store, roots)?),
    }
}

/// A line for each layer: its place, its size, how many store paths it has and what the largest are called.
fn table(closure: &Closure, layers: &[Vec<StorePath>]) -> Lines {
    let mut table = Lines::default();
    table.push_painted(Paint::Bold, format!("{:>5}  {:>11}  {:>5}  largest", "layer", "size", "paths"));
    let size = |path: &StorePath| closure.node(path.as_str()).map_or(0, |node| closure.path(node).nar_size);
    let mut total = 0_u64;
    for (layer, number) in layers.iter().zip(1..) {
        let bytes = layer.iter().map(size).fold(0, u64::saturating_add);
        total = total.saturating_add(bytes);
        let mut largest: Vec<&StorePath> = layer.iter().collect();
        largest.sort_by_key(|path| std::cmp::Reverse(size(path)));
        let mut names: Vec<&str> = largest.iter().take(NAMED).map(|path| path.name()).collect();
        if largest.len() > NAMED {
            names.push("…");
        }
        let bytes = HumanBytes(bytes).to_string();
        table.push_row(&format!("{number:>5}  {bytes:>11}  {:>5}  ", layer.len()), &names.join(", "));
    }
    let total = HumanBytes(total).to_string();
    let paths: usize = layers.iter().map(Vec::len).sum();
    table.push(format!("{:>5}  {total:>11}  {paths:>5}", "all"));
    table
}

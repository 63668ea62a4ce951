//! How a pipeline runs.

use super::data::Data;
use super::error::{PipelineError, Problem};
use super::graph::{Splitter, Subgraph};
use super::op::{Op, Pipeline};
use crate::closure::Closure;
use crate::layering::Group;

/// A run makes no more graphs: a few operations can double them at each step, though most would be empty.
const MAX_GRAPHS: usize = 1 << 22;

pub(super) fn run(pipeline: &Pipeline, closure: &Closure) -> Result<Vec<Group>, PipelineError> {
    let mut run = Run { splitter: Splitter::new(closure), graphs: 0 };
    let whole = Data::Graph(run.splitter.whole());
    let mut groups = Vec::new();
    run.steps(&pipeline.0, whole)?.flatten(&mut |graph| groups.push(graph.into_group()));
    groups.retain(|group| !group.is_empty());
    Ok(groups)
}

struct Run<'a> {
    splitter: Splitter<'a>,
    /// How many graphs there have been.
    graphs: usize,
}

impl Run<'_> {
    fn steps(&mut self, steps: &[Op], data: Data) -> Result<Data, PipelineError> {
        steps
            .iter()
            .enumerate()
            .try_fold(data, |data, (index, op)| self.apply(op, data).map_err(|error| error.in_step(index)))
    }

    fn apply(&mut self, op: &Op, data: Data) -> Result<Data, PipelineError> {
        self.result(op, data).map_err(|error| error.in_op(op.label()))
    }

    fn result(&mut self, op: &Op, data: Data) -> Result<Data, PipelineError> {
        Ok(match op {
            Op::Pipe(steps) => self.steps(steps, data)?,
            Op::Map(op) => Data::List(
                data.list()?.into_iter().map(|data| self.apply(op, data)).collect::<Result<_, _>>()?,
            ),
            Op::Over { key, op } => Data::Parts(self.over(key, op, data.parts()?)?),
            Op::Flatten => flatten(data)?,
            Op::Reverse => Data::List(data.list()?.into_iter().rev().collect()),
            Op::Reorder(keys) => reorder(keys, data),
            Op::LimitLayers(count) => self.limit_layers(count.get(), data.list()?)?,
            Op::SplitEvery(count) => {
                let graph = data.graph()?;
                self.list(graph.chunks(count.get()))?
            }
            Op::PopularityContest => {
                let graph = data.graph()?;
                let graphs: Vec<Subgraph> = self.splitter.popularity_contest(&graph).collect();
                self.list(graphs.into_iter())?
            }
            Op::RemovePaths(paths) => Data::Graph(self.splitter.without(&data.graph()?, paths)),
            Op::SubcomponentIn(paths) => {
                let parts = self.splitter.subcomponent_in(&data.graph()?, paths);
                self.parts(["main", "rest"].into_iter().zip(parts))?
            }
            Op::SubcomponentOut(paths) => {
                let parts = self.splitter.subcomponent_out(&data.graph()?, paths);
                self.parts(["main", "rest"].into_iter().zip(parts))?
            }
            Op::SplitPaths { paths, children_of } => {
                let graph = data.graph()?;
                let empty = graph.len() == 0;
                let parts = self.splitter.split_paths(graph, paths, children_of);
                let parts = ["main", "common", "rest"].into_iter().zip(parts);
                // An empty graph is all rest.
                self.parts(parts.filter(|(key, part)| part.len() > 0 || (empty && *key == "rest")))?
            }
        })
    }

    fn over(
        &mut self,
        key: &str,
        op: &Op,
        parts: Vec<(&'static str, Data)>,
    ) -> Result<Vec<(&'static str, Data)>, PipelineError> {
        if !parts.iter().any(|(name, _)| *name == key) {
            let available = parts.iter().map(|(name, _)| (*name).to_owned()).collect();
            return Err(Problem::Part { key: key.to_owned(), available }.into());
        }
        let apply = |(name, data)| Ok((name, if name == key { self.apply(op, data)? } else { data }));
        parts.into_iter().map(apply).collect()
    }

    fn limit_layers(&mut self, count: usize, mut list: Vec<Data>) -> Result<Data, PipelineError> {
        let mut merged = Subgraph::default();
        for data in list.split_off(list.len().min(count - 1)) {
            merge(&mut merged, data)?;
        }
        self.count(1)?;
        list.push(Data::Graph(merged));
        Ok(Data::List(list))
    }

    fn list(&mut self, graphs: impl ExactSizeIterator<Item = Subgraph>) -> Result<Data, PipelineError> {
        self.count(graphs.len())?;
        Ok(Data::List(graphs.map(Data::Graph).collect()))
    }

    fn parts(
        &mut self,
        parts: impl Iterator<Item = (&'static str, Subgraph)>,
    ) -> Result<Data, PipelineError> {
        let parts: Vec<_> = parts.map(|(key, part)| (key, Data::Graph(part))).collect();
        self.count(parts.len())?;
        Ok(Data::Parts(parts))
    }

    fn count(&mut self, graphs: usize) -> Result<(), PipelineError> {
        self.graphs += graphs;
        if self.graphs > MAX_GRAPHS { Err(Problem::Graphs(MAX_GRAPHS).into()) } else { Ok(()) }
    }
}

fn flatten(data: Data) -> Result<Data, PipelineError> {
    if let Data::Graph(_) = data {
        return Err(data.unfit("a list or parts"));
    }
    let mut graphs = Vec::new();
    data.flatten(&mut |graph| graphs.push(Data::Graph(graph)));
    Ok(Data::List(graphs))
}

/// Puts the graphs of a list into one, and those of lists in it.
fn merge(merged: &mut Subgraph, data: Data) -> Result<(), PipelineError> {
    match data {
        Data::Graph(graph) => merged.append(&graph),
        Data::List(list) => list.into_iter().try_for_each(|data| merge(merged, data))?,
        Data::Parts(_) => return Err(data.unfit("a list of graphs (\"flatten\" makes one of parts)")),
    }
    Ok(())
}

fn reorder(keys: &[String], data: Data) -> Data {
    let Data::Parts(mut parts) = data else { return data };
    let place = |name: &str| keys.iter().position(|key| key == name).unwrap_or(keys.len());
    parts.sort_by_key(|(name, _)| place(name));
    Data::Parts(parts)
}

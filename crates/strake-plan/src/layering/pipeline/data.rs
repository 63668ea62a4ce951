//! The data that flows through a pipeline.

use super::error::{PipelineError, Problem};
use super::graph::Subgraph;

/// The output of an operation.
pub(super) enum Data {
    Graph(Subgraph),
    List(Vec<Data>),
    Parts(Vec<(&'static str, Data)>),
}

impl Data {
    pub(super) fn graph(self) -> Result<Subgraph, PipelineError> {
        match self {
            Data::Graph(graph) => Ok(graph),
            other => {
                Err(other.unfit("a graph (\"map\" and \"over\" apply it to those in a list and in parts)"))
            }
        }
    }

    pub(super) fn list(self) -> Result<Vec<Data>, PipelineError> {
        match self {
            Data::List(list) => Ok(list),
            other => Err(other
                .unfit("a list (\"popularity_contest\" and \"split_every\" make one, \"flatten\" makes one of parts)")),
        }
    }

    pub(super) fn parts(self) -> Result<Vec<(&'static str, Data)>, PipelineError> {
        match self {
            Data::Parts(parts) => Ok(parts),
            other => Err(other
                .unfit("parts (\"split_paths\", \"subcomponent_in\" and \"subcomponent_out\" make them)")),
        }
    }

    /// Hands over all graphs in it, in order.
    pub(super) fn flatten(self, take: &mut impl FnMut(Subgraph)) {
        match self {
            Data::Graph(graph) => take(graph),
            Data::List(list) => list.into_iter().for_each(|data| data.flatten(take)),
            Data::Parts(parts) => parts.into_iter().for_each(|(_, data)| data.flatten(take)),
        }
    }

    /// The error of an operation that needs something else.
    pub(super) fn unfit(&self, expected: &'static str) -> PipelineError {
        let found = match self {
            Data::Graph(graph) => format!("a graph of {} paths", graph.len()),
            Data::List(list) => format!("a list of {}", list.len()),
            Data::Parts(parts) => {
                format!("the parts {}", parts.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", "))
            }
        };
        Problem::Data { expected, found }.into()
    }
}

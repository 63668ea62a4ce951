//! Graphs of some of a closure's paths, and how they are taken apart.

use super::op::Names;
use crate::closure::Closure;
use crate::graph::{Graph, Node, NodeSet};
use crate::layering::{Group, popularity};

/// Some of a closure's paths, in order. A reference counts if both its ends are in the same piece, and if what it leads
/// to has not been split off.
#[derive(Default)]
pub(super) struct Subgraph(Vec<Vertex>);

#[derive(Clone, Copy)]
struct Vertex {
    node: Node,
    /// Never falls from one vertex to the next.
    piece: u32,
    split_off: bool,
}

impl Subgraph {
    fn of(nodes: impl IntoIterator<Item = Node>) -> Self {
        Self(nodes.into_iter().map(|node| Vertex { node, piece: 0, split_off: false }).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_group(self) -> Group {
        self.0.into_iter().map(|vertex| vertex.node).collect()
    }

    /// Puts another graph behind it. References between the two are forgotten.
    pub(super) fn append(&mut self, other: &Self) {
        let free = self.0.last().map_or(0, |last| last.piece + 1);
        for (piece, vertices) in (free..).zip(other.0.chunk_by(|a, b| a.piece == b.piece)) {
            self.0.extend(vertices.iter().map(|&vertex| Vertex { piece, ..vertex }));
        }
    }

    /// Graphs of `count` paths each; the last may have fewer.
    pub(super) fn chunks(&self, count: usize) -> impl ExactSizeIterator<Item = Self> {
        self.0.chunks(count).map(|vertices| Self(vertices.to_vec()))
    }

    /// The vertices at some of its places.
    fn part(&self, kept: impl Fn(Node) -> bool) -> Self {
        let kept = (0..).zip(&self.0).filter(|(place, _)| kept(*place));
        Self(kept.map(|(_, &vertex)| vertex).collect())
    }
}

/// Takes graphs apart.
pub(super) struct Splitter<'a> {
    closure: &'a Closure,
    /// For each node its place in the graph at hand.
    places: Vec<Option<Node>>,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(closure: &'a Closure) -> Self {
        Self { closure, places: vec![None; closure.len()] }
    }

    /// The whole closure, the smallest path first.
    pub(super) fn whole(&self) -> Subgraph {
        let mut nodes: Vec<Node> = self.closure.graph().nodes().collect();
        nodes.sort_by_key(|&node| self.closure.path(node).nar_size);
        Subgraph::of(nodes)
    }

    pub(super) fn without(&self, graph: &Subgraph, paths: &Names) -> Subgraph {
        let listed = self.listed(graph, paths);
        graph.part(|place| !listed.contains(place))
    }

    /// A graph for each path, the most popular first.
    pub(super) fn popularity_contest(&mut self, graph: &Subgraph) -> impl ExactSizeIterator<Item = Subgraph> {
        let placed = self.placed(graph);
        let order = placed.topological().expect("no part of a closure has a cycle");
        let paths: Vec<_> = graph.0.iter().map(|vertex| &self.closure.path(vertex.node).path).collect();
        let order = popularity::contest(&placed, &order, &paths);
        order.into_iter().map(|place| Subgraph::of([graph.0[place as usize].node]))
    }

    /// The paths with all that they need, and the rest.
    pub(super) fn subcomponent_out(&mut self, graph: &Subgraph, paths: &Names) -> [Subgraph; 2] {
        let main = self.placed(graph).reachable(self.listed(graph, paths).iter());
        [graph.part(|place| main.contains(place)), graph.part(|place| !main.contains(place))]
    }

    /// The paths with all that needs them, and the rest.
    pub(super) fn subcomponent_in(&mut self, graph: &Subgraph, paths: &Names) -> [Subgraph; 2] {
        let main = self.placed(graph).reversed().reachable(self.listed(graph, paths).iter());
        [graph.part(|place| main.contains(place)), graph.part(|place| !main.contains(place))]
    }

    /// The nodes that only the paths need, themselves included; those that the rest needs too; the rest.
    pub(super) fn split_paths(
        &mut self,
        mut graph: Subgraph,
        paths: &Names,
        children_of: &Names,
    ) -> [Subgraph; 3] {
        let placed = self.placed(&graph);
        let mut split = self.listed(&graph, paths);
        for parent in self.listed(&graph, children_of).iter() {
            for &child in placed.targets(parent) {
                split.insert(child);
            }
        }
        let roots = placed.roots();
        if let [root] = roots[..]
            && split.contains(root)
        {
            return [graph, Subgraph::default(), Subgraph::default()];
        }
        let needed = placed.reachable(split.iter());
        // The nodes reachable from the roots without a path that is split off.
        let mut rest = NodeSet::new(placed.len());
        let mut open = roots;
        while let Some(place) = open.pop() {
            if !split.contains(place) && rest.insert(place) {
                open.extend_from_slice(placed.targets(place));
            }
        }
        for place in split.iter() {
            graph.0[place as usize].split_off = true;
        }
        [
            graph.part(|place| needed.contains(place) && !rest.contains(place)),
            graph.part(|place| needed.contains(place) && rest.contains(place)),
            graph.part(|place| !needed.contains(place)),
        ]
    }

    /// The places of those of the paths that are in the graph.
    fn listed(&self, graph: &Subgraph, paths: &Names) -> NodeSet {
        let mut listed = NodeSet::new(graph.len());
        for (place, vertex) in (0..).zip(&graph.0) {
            if paths.contains(self.closure.path(vertex.node).path.as_str()) {
                listed.insert(place);
            }
        }
        listed
    }

    /// The graph by the places of its vertices. This takes time for the graph, not for the closure.
    fn placed(&mut self, graph: &Subgraph) -> Graph {
        for (place, vertex) in (0..).zip(&graph.0) {
            self.places[vertex.node as usize] = Some(place);
        }
        let edges = |vertex: &Vertex| {
            let targets = self.closure.graph().targets(vertex.node).iter();
            let places = targets.filter_map(|&target| self.places[target as usize]);
            let counts = |target: Vertex| target.piece == vertex.piece && !target.split_off;
            places.filter(|&place| counts(graph.0[place as usize])).collect()
        };
        let edges: Vec<Vec<Node>> = graph.0.iter().map(edges).collect();
        for vertex in &graph.0 {
            self.places[vertex.node as usize] = None;
        }
        Graph::new(&edges)
    }
}

//! Closures: store paths with everything that they refer to.

mod json;
mod nar_hash;
mod registration;

use std::collections::HashMap;

pub use nar_hash::NarHash;

use crate::graph::{Graph, Node, NodeSet};
use crate::store_path::{StoreDir, StorePath, StorePathError};

/// An immutable graph of store paths. Node `n` is the `n`th path, in the order of their names, so nothing that is
/// computed from a closure can depend on the order in which its paths were listed.
#[derive(Clone, Debug)]
pub struct Closure {
    store_dir: StoreDir,
    paths: Vec<PathInfo>,
    graph: Graph,
    /// Users before what they need.
    order: Vec<Node>,
}

/// The data of one store path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// Its name.
    pub path: StorePath,
    /// The size of its NAR, in bytes.
    pub nar_size: u64,
    /// The hash of its NAR, where it is known.
    pub nar_hash: Option<NarHash>,
    /// Whether its own name stands in its content.
    pub refers_to_itself: bool,
}

/// One store path as some source lists it. Nothing is checked yet.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its name.
    pub path: String,
    /// The names of the paths that it refers to; its own may be among them.
    pub references: Vec<String>,
    /// The size of its NAR, in bytes.
    pub nar_size: u64,
    /// The hash of its NAR, in any of Nix's spellings.
    pub nar_hash: Option<String>,
}

/// Why something is not a closure.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// Not JSON, or JSON of another shape.
    #[error("is not a references graph")]
    Json(#[source] serde_json::Error),
    /// Not a text that lists store paths.
    #[error("is not a references graph: it is neither JSON nor a registration")]
    Form,
    /// A JSON object with several graphs, or none.
    #[error("has {found} references graphs{}", listed(keys))]
    Keys {
        /// How many.
        found: usize,
        /// Under which keys.
        keys: Vec<String>,
    },
    /// A JSON object without the wanted key.
    #[error("has no references graph {0:?}")]
    NoKey(String),
    /// A registration breaks off or holds something else than it must.
    #[error("is no registration: line {line} must be {expected}")]
    Registration {
        /// The line, from 1.
        line: usize,
        /// The expected value.
        expected: &'static str,
    },
    /// A name that is no store path's.
    #[error(transparent)]
    Path(#[from] StorePathError),
    /// A path that is listed twice.
    #[error("lists {0} twice")]
    Twice(StorePath),
    /// A path that the source knows, but whose content is not there.
    #[error("says that {0} is not valid")]
    Invalid(String),
    /// A reference to a path that is not listed.
    #[error("is not complete: {path} refers to {reference}, which is not listed")]
    Missing {
        /// The path that refers.
        path: StorePath,
        /// To what.
        reference: String,
    },
    /// A NAR hash that is none.
    #[error("gives {path} the NAR hash {hash:?}, which is no SHA-256")]
    NarHash {
        /// Whose.
        path: StorePath,
        /// The hash.
        hash: String,
    },
    /// Paths that refer to each other in a circle, which cannot be in a Nix store.
    #[error("has a cycle: {}", chain(.0))]
    Cycle(Vec<StorePath>),
}

fn listed(keys: &[String]) -> String {
    if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) }
}

/// The first few, and the first again.
fn chain(cycle: &[StorePath]) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<&str> = cycle.iter().take(SHOWN).map(StorePath::as_str).collect();
    if cycle.len() > SHOWN {
        names.push("…");
    }
    names.extend(cycle.first().map(StorePath::as_str));
    names.join(" -> ")
}

impl Closure {
    /// Puts the rows into order, and checks that they are a closure.
    pub fn new(store_dir: StoreDir, rows: Vec<Row>) -> Result<Self, ClosureError> {
        let mut named = rows
            .into_iter()
            .map(|row| Ok((store_dir.store_path(&row.path)?, row)))
            .collect::<Result<Vec<_>, ClosureError>>()?;
        named.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(twice) = named.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(ClosureError::Twice(twice[0].0.clone()));
        }
        let nodes: HashMap<&str, Node> = named.iter().map(|(path, _)| path.as_str()).zip(0..).collect();
        let mut edges = Vec::with_capacity(named.len());
        for (path, row) in &named {
            let missing = |reference: &String| ClosureError::Missing {
                path: path.clone(),
                reference: reference.clone(),
            };
            let node =
                |reference: &String| nodes.get(reference.as_str()).copied().ok_or_else(|| missing(reference));
            edges.push(row.references.iter().map(node).collect::<Result<Vec<_>, _>>()?);
        }
        let graph = Graph::new(&edges);
        drop(nodes);
        let paths = named
            .into_iter()
            .zip(&edges)
            .zip(0..)
            .map(|(((path, row), edges), node)| {
                let nar_hash = match row.nar_hash {
                    None => None,
                    Some(hash) => match NarHash::parse(&hash) {
                        None => return Err(ClosureError::NarHash { path, hash }),
                        known => known,
                    },
                };
                Ok(PathInfo {
                    refers_to_itself: edges.contains(&node),
                    path,
                    nar_size: row.nar_size,
                    nar_hash,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let path = |node: Node| paths[node as usize].path.clone();
        let order = graph
            .topological()
            .map_err(|cycle| ClosureError::Cycle(cycle.into_iter().map(path).collect()))?;
        Ok(Self { store_dir, paths, graph, order })
    }

    /// Reads a references graph in any of the forms in which Nix writes one (docs/layers.md): the JSON of
    /// `exportReferencesGraph` or of `nix path-info --json -r`, or a registration.
    ///
    /// `key` says which of several graphs in a JSON object is meant.
    pub fn parse(text: &[u8], key: Option<&str>) -> Result<Self, ClosureError> {
        match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[' | b'{') => json::parse(text, key),
            Some(b'/') => registration::parse(text),
            None => Self::new(default_store_dir(), Vec::new()),
            _ => Err(ClosureError::Form),
        }
    }

    /// The store that the paths are in.
    pub fn store_dir(&self) -> &StoreDir {
        &self.store_dir
    }

    /// The paths, by node.
    pub fn paths(&self) -> &[PathInfo] {
        &self.paths
    }

    /// One path.
    pub fn path(&self, node: Node) -> &PathInfo {
        &self.paths[node as usize]
    }

    /// The references between paths, without those to themselves.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// All nodes, users before what they need.
    pub fn order(&self) -> &[Node] {
        &self.order
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is no path.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The node of a path.
    pub fn node(&self, path: &str) -> Option<Node> {
        self.paths.binary_search_by(|info| info.path.as_str().cmp(path)).ok().map(|node| node as Node)
    }

    /// The size of these nodes' NARs together, in bytes.
    pub fn nar_size(&self, nodes: impl IntoIterator<Item = Node>) -> u128 {
        nodes.into_iter().map(|node| u128::from(self.path(node).nar_size)).sum()
    }

    /// The closure without some of its paths, and without the references to them.
    #[must_use]
    pub fn without(&self, excluded: &NodeSet) -> Self {
        self.subset(|node| !excluded.contains(node))
    }

    /// The closure of these paths, themselves included.
    #[must_use]
    pub fn of(&self, roots: impl IntoIterator<Item = Node>) -> Self {
        let reached = self.graph.reachable(roots);
        self.subset(|node| reached.contains(node))
    }

    fn subset(&self, keep: impl Fn(Node) -> bool) -> Self {
        let kept: Vec<Node> = self.graph.nodes().filter(|&node| keep(node)).collect();
        let mut renamed = vec![None; self.len()];
        for (&node, new) in kept.iter().zip(0..) {
            renamed[node as usize] = Some(new);
        }
        let targets = |&node: &Node| {
            self.graph.targets(node).iter().filter_map(|&target| renamed[target as usize]).collect()
        };
        Self {
            store_dir: self.store_dir.clone(),
            graph: Graph::new(&kept.iter().map(targets).collect::<Vec<Vec<Node>>>()),
            paths: kept.iter().map(|&node| self.path(node).clone()).collect(),
            order: self.order.iter().filter_map(|&node| renamed[node as usize]).collect(),
        }
    }
}

/// The store of a list that is empty and so cannot tell.
fn default_store_dir() -> StoreDir {
    StoreDir::parse("/nix/store").expect("a store directory")
}

/// The store of the paths in `rows`: the directory of the first.
fn store_dir_of(rows: &[Row]) -> Result<StoreDir, ClosureError> {
    let Some(row) = rows.first() else { return Ok(default_store_dir()) };
    let directory = row.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    Ok(StoreDir::parse(directory).map_err(|_| StorePathError::BaseName(row.path.clone()))?)
}

//! The operations of a pipeline.

use std::num::NonZeroUsize;

/// Operations that have been checked, but for what comes into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline(pub(super) Vec<Op>);

/// An operation with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Flatten,
    LimitLayers(NonZeroUsize),
    Map(Box<Op>),
    Over { key: String, op: Box<Op> },
    Pipe(Vec<Op>),
    PopularityContest,
    RemovePaths(Names),
    Reorder(Vec<String>),
    Reverse,
    SplitEvery(NonZeroUsize),
    SplitPaths { paths: Names, children_of: Names },
    SubcomponentIn(Names),
    SubcomponentOut(Names),
}

/// Each operation with what it needs behind its name.
pub(super) const OPERATIONS: [(&str, &str); 13] = [
    ("flatten", "nothing behind its name"),
    ("limit_layers", "a whole number from 1 to 18446744073709551615"),
    ("map", "an operation"),
    ("over", "the name of a part and an operation"),
    ("pipe", "a list of operations"),
    ("popularity_contest", "nothing behind its name"),
    ("remove_paths", "a path or a list of paths"),
    ("reorder", "a list of names of parts"),
    ("reverse", "nothing behind its name"),
    ("split_every", "a whole number from 1 to 18446744073709551615"),
    ("split_paths", "a list of paths and {\"children_of\": …}"),
    ("subcomponent_in", "a list of paths"),
    ("subcomponent_out", "a list of paths"),
];

impl Op {
    /// The name in messages.
    pub(super) fn label(&self) -> String {
        let name = match self {
            Op::Flatten => "flatten",
            Op::LimitLayers(_) => "limit_layers",
            Op::Map(_) => "map",
            Op::Over { key, .. } => return label("over", Some(key)),
            Op::Pipe(_) => "pipe",
            Op::PopularityContest => "popularity_contest",
            Op::RemovePaths(_) => "remove_paths",
            Op::Reorder(_) => "reorder",
            Op::Reverse => "reverse",
            Op::SplitEvery(_) => "split_every",
            Op::SplitPaths { .. } => "split_paths",
            Op::SubcomponentIn(_) => "subcomponent_in",
            Op::SubcomponentOut(_) => "subcomponent_out",
        };
        label(name, None)
    }
}

/// The name of an operation in messages.
pub(super) fn label(name: &str, key: Option<&str>) -> String {
    key.map_or_else(|| name.to_owned(), |key| format!("{name} {:?}", shortened(key)))
}

/// Enough of a text to know it by.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A set of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
    }
}

impl From<Vec<String>> for Names {
    fn from(mut names: Vec<String>) -> Self {
        names.sort_unstable();
        Self(names)
    }
}

//! Errors of a pipeline, with their positions.

use std::fmt;

use super::op::{OPERATIONS, shortened};

/// Why a pipeline gives no layers.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Not JSON.
    #[error("is not a layering pipeline")]
    Json(#[source] serde_json::Error),
    /// Something in it is wrong.
    #[error("{place}: {problem}")]
    Operation {
        /// Where.
        place: Place,
        /// The error.
        problem: Problem,
    },
}

/// The error of an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// JSON of another shape.
    #[error("must be {expected}, not {found}")]
    Shape {
        /// The expected value.
        expected: &'static str,
        /// The actual value.
        found: String,
    },
    /// No operation has this name.
    #[error("there is no operation {:?}; there are {}", shortened(.0), operations())]
    Unknown(String),
    /// Too few, too many or other arguments.
    #[error("needs {expected}, not {found}")]
    Arguments {
        /// The required input.
        expected: &'static str,
        /// The actual value.
        found: String,
    },
    /// Operations in operations in operations.
    #[error("has operations in each other more than {0} deep")]
    Depth(usize),
    /// It cannot be done with what comes out of the operation before it.
    #[error("needs {expected}, but gets {found}")]
    Data {
        /// The required input.
        expected: &'static str,
        /// The actual input.
        found: String,
    },
    /// Among the parts there is none of this name.
    #[error("there is no part {:?}; there are {}", shortened(key), available.join(", "))]
    Part {
        /// The name.
        key: String,
        /// Those that there are.
        available: Vec<String>,
    },
    /// So many graphs that memory would not suffice.
    #[error("makes more than {0} graphs, empty ones included")]
    Graphs(usize),
}

fn operations() -> String {
    OPERATIONS.map(|(name, _)| name).join(", ")
}

/// Where in a pipeline: from the outermost step to the innermost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(Vec<Level>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    /// In a list of operations, from 1.
    Step(usize),
    Op(String),
}

impl From<Problem> for PipelineError {
    fn from(problem: Problem) -> Self {
        Self::Operation { place: Place::default(), problem }
    }
}

impl PipelineError {
    /// The same, in an operation of that label.
    pub(super) fn in_op(self, label: String) -> Self {
        self.inside(Level::Op(label))
    }

    /// The same, in a list of operations, where it is the one of that index.
    pub(super) fn in_step(self, index: usize) -> Self {
        self.inside(Level::Step(index + 1))
    }

    fn inside(mut self, level: Level) -> Self {
        if let Self::Operation { place, .. } = &mut self {
            place.0.push(level);
        }
        self
    }
}

impl fmt::Display for Place {
    /// `step 2 (over "main", pipe), step 1 (flatten)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 12;
        if self.0.is_empty() {
            return f.write_str("the pipeline");
        }
        let mut open = false;
        // Levels were noted from the inside out.
        for (index, level) in self.0.iter().rev().enumerate() {
            match (level, open) {
                _ if index == SHOWN => {
                    f.write_str(", …")?;
                    break;
                }
                (Level::Step(number), false) => write!(f, "step {number}")?,
                (Level::Step(number), true) => write!(f, "), step {number}")?,
                (Level::Op(label), false) => write!(f, " ({label}")?,
                (Level::Op(label), true) => write!(f, ", {label}")?,
            }
            open = matches!(level, Level::Op(_));
        }
        f.write_str(if open { ")" } else { "" })
    }
}

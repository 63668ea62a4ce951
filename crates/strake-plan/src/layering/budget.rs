//! How many layers of store paths an image may have.

/// Docker takes no more layers in one image (moby, `layer/layer_store.go`, `maxLayerDepth`).
pub const MAX_LAYERS: usize = 125;

/// The layers that an image has at most where nothing says another number, as in dockerTools.
pub const DEFAULT_MAX_LAYERS: usize = 100;

/// Why there is no layer left for store paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// More than any runtime takes.
    #[error("{0} layers are too many: Docker takes {MAX_LAYERS}")]
    TooMany(usize),
    /// A pipeline, which decides alone, has made more than any runtime takes.
    #[error("the image would have {0} layers, and Docker takes {MAX_LAYERS}")]
    Count(usize),
    /// All are spent.
    #[error(
        "of {max_layers} layers none is left for store paths: the base image has {base}, and the customisation {above}"
    )]
    Spent {
        /// The maximum of the image.
        max_layers: usize,
        /// Layers of the base image.
        base: usize,
        /// Customisation layers.
        above: usize,
    },
}

/// The layers that are left for store paths in an image of `max_layers`, with these numbers in its base image and above.
pub fn budget(max_layers: usize, base: usize, above: usize) -> Result<usize, BudgetError> {
    if max_layers > MAX_LAYERS {
        return Err(BudgetError::TooMany(max_layers));
    }
    match max_layers.checked_sub(base.saturating_add(above)) {
        None | Some(0) => Err(BudgetError::Spent { max_layers, base, above }),
        Some(left) => Ok(left),
    }
}

/// Makes sure that an image with this number of layers can be loaded.
pub fn check_count(layers: usize) -> Result<(), BudgetError> {
    if layers <= MAX_LAYERS { Ok(()) } else { Err(BudgetError::Count(layers)) }
}

#[cfg(test)]
mod tests {
    use super::{BudgetError, budget, check_count};

    #[test]
    fn what_is_left() {
        assert_eq!(budget(100, 0, 1), Ok(99));
        assert_eq!(budget(125, 30, 1), Ok(94));
        assert_eq!(budget(126, 0, 0), Err(BudgetError::TooMany(126)));
        for (max_layers, base, above) in [(1, 0, 1), (10, 10, 0), (10, 9, 1), (10, usize::MAX, 1)] {
            assert_eq!(budget(max_layers, base, above), Err(BudgetError::Spent { max_layers, base, above }));
        }
        assert_eq!((check_count(125), check_count(126)), (Ok(()), Err(BudgetError::Count(126))));
    }
}

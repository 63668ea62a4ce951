//! Bundles: small paths that are put together before pairs are compared, where there are too many.

use super::EXACT;
use super::items::{Item, join};
use super::weights::Weights;

/// The maximum number of resulting items, and of kept ones: fewer than are compared exactly, as each closure is larger.
const BUNDLED: usize = EXACT / 2;

/// Reduces the number of items to [`BUNDLED`] if there are more than [`EXACT`].
///
/// The largest free paths stay alone, as many as half of [`BUNDLED`], and the largest kept layers stay. The others are put together
/// if they are alike in whether they are the image's own, have closures of about the same weight (to a factor of two),
/// and fall into the same bin by a hash of their names. Which bundle a path is in thus depends on little but itself,
/// and a path more or less leaves other bundles alone. There are as many bins, a power of two, as there is room for.
pub(super) fn bundle(weights: &Weights, items: Vec<Item>) -> Vec<Item> {
    if items.len() <= EXACT {
        return items;
    }
    let (mut whole, mut small): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| item.kept);
    whole.sort_by_cached_key(|item| (std::cmp::Reverse(weights.bytes(&item.members)), item.members[0]));
    let broken = whole.split_off(BUNDLED.min(whole.len()));
    small.extend(
        broken
            .into_iter()
            .flat_map(|item| item.members)
            .map(|index| Item { members: vec![index], kept: false }),
    );
    small.sort_by_key(|item| (std::cmp::Reverse(weights.size(item.members[0])), item.members[0]));
    let mut rest = small.split_off((BUNDLED / 2).min(small.len()));
    whole.append(&mut small);
    rest.sort_by_key(|item| item.members[0]);
    let sets: Vec<_> = rest.iter().map(|item| item.members.clone()).collect();
    let classes: Vec<u32> = weights.weights_of_unions(&sets).into_iter().map(u64::ilog2).collect();
    let key = |item: &Item, class: u32, bins: u64| {
        (weights.own(&item.members) > 0, class, weights.name_hash(item.members[0]) % bins)
    };
    let count = |bins: u64| {
        let keys: std::collections::HashSet<_> =
            rest.iter().zip(&classes).map(|(item, &class)| key(item, class, bins)).collect();
        keys.len()
    };
    let mut bins = 1;
    while bins < 1 << 16 && count(bins * 2) <= BUNDLED / 2 {
        bins *= 2;
    }
    let keyed = classes.iter().zip(rest).map(|(&class, item)| (key(&item, class, bins), item)).collect();
    whole.extend(join(keyed));
    whole.sort_by_key(|item| item.members[0]);
    whole
}

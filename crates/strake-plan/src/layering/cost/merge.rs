//! Merges items, the cheapest pair first.

use super::HORIZON;
use super::items::Item;
use super::weights::{Index, Weights};

/// In a fleet, tenths of a future upload that one upload for one more image counts.
const SHARE_TENTHS: u128 = 3;

/// In which images of a fleet each path is: a bit for each image, by index.
pub(super) type Membership<'m> = &'m [Vec<u64>];

/// Merges items until `count` are left.
pub(super) fn merge(
    weights: &Weights,
    items: Vec<Item>,
    count: usize,
    images: Option<Membership<'_>>,
) -> Vec<Vec<Index>> {
    let mut clusters = Clusters::new(weights, items, images);
    let mut left = clusters.members.len();
    while left > count.max(1) {
        clusters.merge_cheapest();
        left -= 1;
    }
    clusters
        .members
        .into_iter()
        .zip(clusters.alive)
        .filter(|(_, alive)| *alive)
        .map(|(members, _)| members)
        .collect()
}

/// The items while they are merged. Merging `a` and `b` leaves `a`, the lower, and ends `b`.
struct Clusters<'w> {
    weights: &'w Weights,
    alive: Vec<bool>,
    members: Vec<Vec<Index>>,
    /// The unions of closures, one behind the other.
    unions: Vec<u64>,
    /// Rounded sizes.
    sizes: Vec<u128>,
    /// The weight of each union.
    lambdas: Vec<u64>,
    /// The cost of breaking up a layer of an earlier plan: its bytes times the weight of all.
    breaks: Vec<u128>,
    /// The images that hold all of a cluster, for a fleet.
    images: Option<Vec<Vec<u64>>>,
    /// For each pair, row by row, what the unions of both weigh together.
    pairs: Vec<u32>,
    /// For each cluster the cheapest partner behind it, and what merging them costs.
    best: Vec<Option<(u128, usize)>>,
}

impl<'w> Clusters<'w> {
    fn new(weights: &'w Weights, items: Vec<Item>, images: Option<Membership<'_>>) -> Self {
        let breaks = items
            .iter()
            .map(|item| if item.kept { weights.bytes(&item.members) * u128::from(weights.total) } else { 0 })
            .collect();
        let members: Vec<Vec<Index>> = items.into_iter().map(|item| item.members).collect();
        let unions = weights.unions(&members);
        let of_all = |set: &Vec<Index>, images: Membership<'_>| {
            let mut rows = set.iter().map(|&index| &images[index as usize]);
            let first = rows.next().cloned().unwrap_or_default();
            rows.fold(first, |all, row| all.iter().zip(row).map(|(a, b)| a & b).collect())
        };
        let count = members.len();
        let mut clusters = Self {
            weights,
            alive: vec![true; count],
            sizes: members.iter().map(|set| weights.rounded_size(set)).collect(),
            lambdas: unions.chunks_exact(weights.width().max(1)).map(|union| weights.of(union)).collect(),
            images: images.map(|images| members.iter().map(|set| of_all(set, images)).collect()),
            members,
            unions,
            breaks,
            pairs: vec![0; count * count.saturating_sub(1) / 2],
            best: vec![None; count],
        };
        for a in 0..count {
            for b in a + 1..count {
                clusters.weigh(a, b);
            }
            clusters.best[a] = clusters.cheapest_partner(a);
        }
        clusters
    }

    fn union(&self, cluster: usize) -> &[u64] {
        let width = self.weights.width();
        &self.unions[cluster * width..(cluster + 1) * width]
    }

    /// The place of a pair, of which `a` is the lower.
    fn pair(&self, a: usize, b: usize) -> usize {
        let count = self.alive.len();
        a * (2 * count - a - 1) / 2 + (b - a - 1)
    }

    fn weigh(&mut self, a: usize, b: usize) {
        let (a, b) = (a.min(b), a.max(b));
        let place = self.pair(a, b);
        // Hundreds of thousands of paths at MAX_RATE still fit.
        let both = self.weights.of_both(self.union(a), self.union(b));
        self.pairs[place] = u32::try_from(both).unwrap_or(u32::MAX);
    }

    /// The cost of merging a pair, of which `a` is the lower, in tenths.
    fn cost(&self, a: usize, b: usize) -> u128 {
        let both = u64::from(self.pairs[self.pair(a, b)]);
        let more =
            |cluster: usize| self.sizes[cluster] * u128::from(both.saturating_sub(self.lambdas[cluster]));
        let mut cost = 10 * (HORIZON * (more(a) + more(b)) + self.breaks[a] + self.breaks[b]);
        if let Some(images) = &self.images {
            let count =
                |set: &mut dyn Iterator<Item = u64>| set.map(|word| u128::from(word.count_ones())).sum();
            let of = |cluster: usize| -> u128 { count(&mut images[cluster].iter().copied()) };
            let shared: u128 = count(&mut images[a].iter().zip(&images[b]).map(|(a, b)| a & b));
            let lost = self.sizes[a] * (of(a) - shared) + self.sizes[b] * (of(b) - shared);
            cost += SHARE_TENTHS * u128::from(self.weights.total) * lost;
        }
        cost
    }

    fn cheapest_partner(&self, a: usize) -> Option<(u128, usize)> {
        (a + 1..self.alive.len()).filter(|&b| self.alive[b]).map(|b| (self.cost(a, b), b)).min()
    }

    fn merge_cheapest(&mut self) {
        let cheapest = |(a, best): (usize, &Option<(u128, usize)>)| best.map(|(cost, b)| (cost, a, b));
        let Some((_, a, b)) = self.best.iter().enumerate().filter_map(cheapest).min() else { return };
        let moved = std::mem::take(&mut self.members[b]);
        self.members[a].extend(moved);
        self.members[a].sort_unstable();
        let width = self.weights.width();
        let (head, tail) = self.unions.split_at_mut(b * width);
        for (word, other) in head[a * width..].iter_mut().zip(&tail[..width]) {
            *word |= other;
        }
        if let Some(images) = &mut self.images {
            let (head, tail) = images.split_at_mut(b);
            for (word, other) in head[a].iter_mut().zip(&tail[0]) {
                *word &= other;
            }
        }
        self.sizes[a] += self.sizes[b];
        self.lambdas[a] = self.weights.of(self.union(a));
        self.breaks[a] = 0;
        self.alive[b] = false;
        self.best[b] = None;
        let alive: Vec<usize> = (0..self.alive.len()).filter(|&cluster| self.alive[cluster]).collect();
        for &cluster in alive.iter().filter(|&&cluster| cluster != a) {
            self.weigh(cluster, a);
        }
        for cluster in alive {
            let stale = self.best[cluster].is_some_and(|(_, partner)| partner == a || partner == b);
            if cluster == a || stale {
                self.best[cluster] = self.cheapest_partner(cluster);
            } else if cluster < a {
                let new = (self.cost(cluster, a), a);
                if self.best[cluster].is_some_and(|best| new < best) {
                    self.best[cluster] = Some(new);
                }
            }
        }
    }
}

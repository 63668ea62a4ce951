//! The strategies for layers: worked examples, what must hold for any closure, and closures of unusual shape.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use num_bigint::BigUint;
use proptest::prelude::*;
use strake_plan::closure::{Closure, Row};
use strake_plan::graph::{Node, NodeSet};
use strake_plan::layering::{Group, auto, each, one, popularity, popularity_counts, popularity_order};
use strake_testkit::closure::{chain, closure, distinct, ladder, large, rehashed, rows};

type Layering = fn(&Closure, usize) -> Vec<Group>;

const STRATEGIES: [(&str, Layering); 4] = [
    ("auto", |closure, max_layers| auto(closure, max_layers, &NodeSet::new(closure.len()))),
    ("each", each),
    ("one", |closure, _| one(closure)),
    ("popularity", popularity),
];

fn strategy(name: &str) -> Layering {
    STRATEGIES.iter().find(|(other, _)| *other == name).unwrap().1
}

/// `closure` lists names with sizes and references, `expected` names the layers.
fn check(name: &str, max_layers: usize, paths: &str, expected: &str) {
    let path = |name: &str| format!("/nix/store/0-{name}");
    let row = |text: &str| {
        let mut words = text.split_whitespace();
        let (name, size) = (words.next().unwrap(), words.next().unwrap());
        Row {
            path: path(name),
            references: words.map(path).collect(),
            nar_size: size.parse().unwrap(),
            nar_hash: None,
        }
    };
    let closure = closure(paths.split(';').map(row).collect());
    let names = |group: &Group| {
        group.iter().map(|&node| closure.path(node).path.name().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let groups: Vec<String> = strategy(name)(&closure, max_layers).iter().map(names).collect();
    assert_eq!(groups.join(" | "), expected, "{name} with {max_layers} layers");
}

#[test]
fn worked_examples() {
    let three = "app 1 lib; lib 1 libc; libc 1";
    check("one", 3, three, "app lib libc");
    check("each", 3, three, "libc | lib | app");
    check("each", 2, three, "libc | app lib");
    let seven = "A 1 B G; B 1 C; C 1 D E; D 1 F; E 1 F; F 1; G 1";
    check("popularity", 3, seven, "F | D | E C B G A");
    check("popularity", 0, seven, "F D E C B G A");
    // `+` comes before the `-` behind a name, digits and letters after it.
    check("popularity", 9, "a 1; a+b 1; a-b 1; a1 1", "a+b | a | a-b | a1");
    let jdk = "app 2 jdk llvm; jdk 300 icu; icu 20 libc; llvm 200 libc; libc 30";
    check("auto", 4, jdk, "libc | llvm | icu jdk | app");
    check("auto", 3, jdk, "icu jdk libc | app llvm");
    check("auto", 5, jdk, "libc | icu | llvm | jdk | app");
    check("auto", 0, jdk, "app icu jdk libc llvm");
    // Among paths without bytes, too, what is needed comes first.
    check("auto", 9, "a 0 b; b 0 c; c 0", "c | b | a");
}

/// The definition in nixpkgs: dictionaries, merged once for each reference.
fn contest(
    closure: &Closure,
    members: &[Node],
    known: &mut HashMap<Node, BTreeMap<Node, u128>>,
) -> BTreeMap<Node, u128> {
    let mut popularity = BTreeMap::new();
    for &member in members {
        *popularity.entry(member).or_default() += 1;
        if !known.contains_key(&member) {
            let below = contest(closure, closure.graph().targets(member), known);
            known.insert(member, below);
        }
        for (&path, count) in &known[&member] {
            *popularity.entry(path).or_default() += count + 1;
        }
    }
    popularity
}

/// The definition in nixpkgs: a set of primaries for each path.
fn label_sets(closure: &Closure, max_layers: usize) -> Vec<BTreeSet<Node>> {
    let graph = closure.graph();
    let others =
        |set: NodeSet, node: Node| -> BTreeSet<Node> { set.iter().filter(|&other| other != node).collect() };
    let mut by_size: Vec<Node> = graph.nodes().collect();
    by_size.sort_by_key(|&node| closure.path(node).nar_size);
    let mut labels = vec![BTreeSet::new(); closure.len()];
    while let Some(primary) = by_size.pop() {
        let needed = others(graph.reachable([primary]), primary);
        let users = others(graph.reversed().reachable([primary]), primary);
        let mut next = labels.clone();
        next[primary as usize] = BTreeSet::from([primary]);
        for &path in &needed {
            let label = &mut next[path as usize];
            label.retain(|other| !users.contains(other));
            if label.is_disjoint(&needed) {
                label.insert(primary);
            }
        }
        if next.iter().collect::<BTreeSet<_>>().len() > max_layers {
            break;
        }
        labels = next;
    }
    labels
}

fn check_partition(closure: &Closure, groups: &[Group]) {
    let mut all = groups.concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(closure.graph().nodes()), "{groups:?}");
    assert!(groups.iter().all(|group| !group.is_empty()), "{groups:?}");
}

/// Layers by the names of their paths, without hashes.
fn names(closure: &Closure, groups: &[Group]) -> Vec<Vec<String>> {
    let name = |&node: &Node| closure.path(node).path.name().to_owned();
    groups.iter().map(|group| group.iter().map(name).collect()).collect()
}

proptest! {
    #[test]
    fn layers_hold_each_path_once_and_stay_in_the_budget(rows in rows(), max_layers in 0..12_usize) {
        let closure = closure(rows);
        for (name, strategy) in STRATEGIES {
            let groups = strategy(&closure, max_layers);
            check_partition(&closure, &groups);
            prop_assert!(groups.len() <= max_layers.max(1), "{} makes {}", name, groups.len());
        }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(rows in rows(), max_layers in 0..12_usize) {
        let (mut sorted, given) = (rows.clone(), closure(rows));
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        let sorted = closure(sorted);
        for (name, strategy) in STRATEGIES {
            prop_assert_eq!(strategy(&sorted, max_layers), strategy(&given, max_layers), "{}", name);
        }
    }

    #[test]
    fn hashes_only_break_ties(rows in rows(), max_layers in 0..12_usize) {
        let rows = distinct(rows);
        let (before, after) = (closure(rows.clone()), closure(rehashed(rows)));
        for (name, strategy) in STRATEGIES {
            let layers = names(&before, &strategy(&before, max_layers));
            prop_assert_eq!(layers, names(&after, &strategy(&after, max_layers)), "{}", name);
        }
    }

    #[test]
    fn popularity_is_as_defined(rows in rows()) {
        let closure = closure(rows);
        let expected = contest(&closure, &closure.graph().roots(), &mut HashMap::new());
        let counts = popularity_counts(&closure);
        prop_assert_eq!(expected.len(), counts.len());
        for (node, count) in expected {
            prop_assert_eq!(&counts[node as usize], &BigUint::from(count));
        }
        let order = popularity_order(&closure);
        prop_assert!(order.is_sorted_by(|&a, &b| counts[a as usize] >= counts[b as usize]));
    }

    #[test]
    fn auto_is_as_defined(rows in rows(), max_layers in 1..16_usize, chosen in any::<u32>()) {
        let closure = closure(rows);
        let mut expected: BTreeMap<BTreeSet<Node>, BTreeSet<Node>> = BTreeMap::new();
        for (node, label) in (0..).zip(label_sets(&closure, max_layers)) {
            expected.entry(label).or_default().insert(node);
        }
        let expected: BTreeSet<BTreeSet<Node>> = expected.into_values().collect();
        let groups = auto(&closure, max_layers, &NodeSet::new(closure.len()));
        let sets = |groups: &[Group]| groups.iter().map(|group| group.iter().copied().collect()).collect::<BTreeSet<_>>();
        prop_assert_eq!(sets(&groups), expected);
        // A layer is no smaller, with all that it needs, than the layers before it.
        let sizes = groups.iter().map(|group| closure.nar_size(closure.graph().reachable(group.iter().copied()).iter()));
        prop_assert!(sizes.is_sorted());
        // Ignored paths are missing, and nothing else changes.
        let mut ignored = NodeSet::new(closure.len());
        for node in closure.graph().nodes().filter(|node| chosen >> (node % 32) & 1 == 1) {
            ignored.insert(node);
        }
        let without: Vec<Group> = groups
            .iter()
            .map(|group| group.iter().copied().filter(|&node| !ignored.contains(node)).collect::<Group>())
            .filter(|group| !group.is_empty())
            .collect();
        prop_assert_eq!(auto(&closure, max_layers, &ignored), without);
    }
}

#[test]
fn nothing() {
    for (name, strategy) in STRATEGIES {
        assert!(strategy(&closure(Vec::new()), 100).is_empty(), "{name}");
    }
}

#[test]
fn deep_wide_and_large() {
    for closure in [chain(5_000), ladder(200), large(60_000, 500_000)] {
        for (name, strategy) in STRATEGIES {
            let groups = strategy(&closure, 100);
            check_partition(&closure, &groups);
            assert!(groups.len() <= 100, "{name}");
        }
    }
}

#[test]
fn counts_beyond_machine_integers() {
    // Level n from the top has 2^n walks to each of its two paths, so all levels above it have 2^(n+1) - 2 together.
    let closure = ladder(200);
    let expected = |level: u32| (BigUint::from(1_u8) << (level + 1)) - 2_u8 + (BigUint::from(1_u8) << level);
    let mut counts = popularity_counts(&closure);
    counts.sort();
    for (level, pair) in (0..).zip(counts.chunks(2)) {
        assert_eq!(pair[0], pair[1], "level {level}");
        assert_eq!(pair[0], expected(level), "level {level}");
    }
    let order = popularity_order(&closure);
    let deepest: Vec<&str> = order[..2].iter().map(|&node| closure.path(node).path.name()).collect();
    assert_eq!(deepest, ["p0", "p1"]);
}

#[test]
fn counts_of_closures_of_some_size() {
    for closure in [large(1_500, 12_000), chain(1_100), ladder(600)] {
        let users = closure.graph().reversed();
        let mut walks = vec![BigUint::ZERO; closure.len()];
        for &node in closure.order() {
            let of_users: BigUint = users.targets(node).iter().map(|&user| &walks[user as usize]).sum();
            walks[node as usize] = of_users.max(BigUint::from(1_u8));
        }
        let counts = popularity_counts(&closure);
        for node in closure.graph().nodes() {
            let all = users.reachable([node]);
            let expected: BigUint = all.iter().map(|user| &walks[user as usize]).sum();
            assert_eq!(counts[node as usize], expected);
        }
        // The order is found with small numbers where these suffice.
        let order = popularity_order(&closure);
        assert!(order.is_sorted_by(|&a, &b| counts[a as usize] >= counts[b as usize]));
    }
}

//! Pipelines of any operations with any arguments are taken or refused, and nothing else happens.

use proptest::prelude::*;
use serde_json::{Value, json};
use strake_plan::layering::pipeline;
use strake_testkit::closure::{closure, rows};

const NAMES: [&str; 13] = [
    "flatten",
    "limit_layers",
    "map",
    "over",
    "pipe",
    "popularity_contest",
    "remove_paths",
    "reorder",
    "reverse",
    "split_every",
    "split_paths",
    "subcomponent_in",
    "subcomponent_out",
];

/// JSON that is often an operation, and sometimes anything else. `{n}` stands for the path of the `n`th row.
fn operation() -> impl Strategy<Value = Value> {
    let paths = prop::collection::vec((0..24).prop_map(|row| format!("{{{row}}}")), 0..4);
    let plain = prop_oneof![
        2 => Just(json!(["popularity_contest"])),
        2 => Just(json!(["flatten"])),
        1 => Just(json!(["reverse"])),
        2 => (1..9).prop_map(|count| json!(["split_every", count])),
        2 => (1..9).prop_map(|count| json!(["limit_layers", count])),
        4 => (7..13_usize, paths.clone()).prop_map(|(name, paths)| json!([NAMES[name], paths])),
        1 => paths.prop_map(|paths| json!(["split_paths", [{"children_of": paths}]])),
        1 => (0..13_usize, any::<i8>()).prop_map(|(name, number)| json!([NAMES[name], number])),
        1 => prop::sample::select(vec![json!(null), json!({}), json!([]), json!("{1}"), json!(1.5), json!([["main"]])]),
    ];
    plain.prop_recursive(4, 24, 5, |inner| {
        let key = prop::sample::select(vec!["main", "common", "rest", "none"]);
        prop_oneof![
            3 => inner.clone().prop_map(|operation| json!(["map", operation])),
            3 => (key, inner.clone()).prop_map(|(key, operation)| json!(["over", key, operation])),
            2 => prop::collection::vec(inner.clone(), 0..5).prop_map(|operations| json!(["pipe", operations])),
            1 => (0..13_usize, inner).prop_map(|(name, argument)| json!([NAMES[name], argument])),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_operations(rows in rows(), operations in prop::collection::vec(operation(), 0..7)) {
        let mut text = Value::from(operations).to_string();
        for (index, row) in rows.iter().enumerate() {
            text = text.replace(&format!("{{{index}}}"), &row.path);
        }
        let closure = closure(rows);
        match pipeline::parse(text.as_bytes()).and_then(|pipeline| pipeline.run(&closure)) {
            Err(error) => prop_assert!(error.to_string().starts_with("step "), "{}: {}", text, error),
            Ok(groups) => {
                // Paths may be removed, but none is there twice.
                let mut all = groups.concat();
                all.sort_unstable();
                prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{}", text);
                prop_assert!(groups.iter().all(|group| !group.is_empty()), "{}", text);
                prop_assert!(text.contains("remove_paths") || all.len() == closure.len(), "{}", text);
            }
        }
    }
}

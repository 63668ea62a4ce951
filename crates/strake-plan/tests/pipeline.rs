//! Layering pipelines: what each operation does, and what is said where one is wrong.

use std::error::Error;

use proptest::prelude::*;
use strake_plan::closure::{Closure, Row};
use strake_plan::graph::Node;
use strake_plan::layering::pipeline::{self, PipelineError};
use strake_plan::layering::{Group, popularity};
use strake_testkit::closure::{chain, closure, ladder, large, rows};

fn path(name: &str) -> String {
    format!("/nix/store/0-{name}")
}

fn closure_of(paths: &[(&str, u64, &str)]) -> Closure {
    let row = |&(name, nar_size, references): &(&str, u64, &str)| Row {
        path: path(name),
        references: references.split_whitespace().map(path).collect(),
        nar_size,
        nar_hash: None,
    };
    closure(paths.iter().map(row).collect())
}

/// Two roots: `x` needs `b` and `c`, which need `d`; `y` needs `c` and `e`. From `y` to `x` they grow.
fn example() -> Closure {
    closure_of(&[("y", 1, "c e"), ("e", 2, ""), ("d", 3, ""), ("c", 4, "d"), ("b", 5, "d"), ("x", 6, "b c")])
}

/// In the pipeline `@x` stands for the path of `x`.
fn run(closure: &Closure, pipeline: &str) -> Result<Vec<Group>, PipelineError> {
    pipeline::parse(pipeline.replace('@', &path("")).as_bytes())?.run(closure)
}

#[track_caller]
fn check(pipeline: &str, expected: &str) {
    check_with(&example(), pipeline, expected);
}

#[track_caller]
fn check_with(closure: &Closure, pipeline: &str, expected: &str) {
    let names = |group: Group| {
        group.into_iter().map(|node| closure.path(node).path.name()).collect::<Vec<_>>().join(" ")
    };
    let groups: Vec<String> = run(closure, pipeline).unwrap().into_iter().map(names).collect();
    assert_eq!(groups.join(" | "), expected, "{pipeline}");
}

#[test]
fn worked_example() {
    let closure = closure_of(&[("app", 1, "lib"), ("tool", 2, "lib"), ("lib", 3, "")]);
    let steps = r#"["split_paths", ["@app"]], ["over", "rest", ["split_every", 10]], ["reorder", ["common"]], ["flatten"]"#;
    check_with(&closure, &format!("[{steps}]"), "lib | app | tool");
    check_with(&closure, &format!(r#"[{steps}, ["limit_layers", 2]]"#), "lib | app tool");
}

#[test]
fn operations() {
    check(r"[]", "y e d c b x");
    check(r#"[["popularity_contest"]]"#, "d | c | b | e | x | y");
    check(r#"[["split_every", 4]]"#, "y e d c | b x");
    check(r#"[["split_every", 18446744073709551615]]"#, "y e d c b x");
    check(r#"[["subcomponent_out", ["@c", "@absent"]]]"#, "d c | y e b x");
    check(r#"[["subcomponent_in", ["@c"]]]"#, "y c x | e d b");
    check(r#"[["subcomponent_out", []]]"#, "y e d c b x");
    // A text is not a list: no path is meant.
    check(r#"[["subcomponent_out", "@c"]]"#, "y e d c b x");
    check(r#"[["split_paths", "@c"]]"#, "y e d c b x");
    check(r#"[["remove_paths", "@c"]]"#, "y e d b x");
    check(r#"[["remove_paths", ["@c", "@absent", "@y"]]]"#, "e d b x");
    check(r#"[["pipe", [["split_every", 2], ["reverse"]]], ["reverse"]]"#, "y e | d c | b x");
}

#[test]
fn split_paths() {
    // The rest, `x` and `y`, needs `d` by way of `c` too.
    check(r#"[["split_paths", ["@b"]]]"#, "b | d | y e c x");
    // Nothing leads to `d` but by way of `b` and `c`.
    check(r#"[["split_paths", ["@b", "@c"]]]"#, "d c b | y e x");
    check(r#"[["split_paths", [{"children_of": "@x"}]]]"#, "d c b | y e x");
    check(r#"[["split_paths", [{"children_of": ["@y", "@absent"]}, "@absent"]]]"#, "e c | d | y b x");
    check(r#"[["split_paths", ["@x"]]]"#, "b x | d c | y e");
    check(r#"[["split_paths", ["@x", "@y"]]]"#, "y e d c b x");
    check(r#"[["split_paths", ["@absent"]], ["over", "rest", ["split_every", 3]]]"#, "y e d | c b x");
    // With one root, and that split off, all is main.
    check(
        r#"[["remove_paths", ["@y", "@e"]], ["split_paths", ["@x", "@c"]], ["over", "main", ["split_every", 2]]]"#,
        "d c | b x",
    );
    check(r#"[["split_paths", ["@b"]], ["reorder", ["rest", "absent", "rest"]]]"#, "y e c x | b | d");
    check(r#"[["split_paths", ["@b"]], ["reorder", "rest"]]"#, "b | d | y e c x");
    check(r#"[["split_every", 3], ["reorder", ["rest"]]]"#, "y e d | c b x");
}

#[test]
fn limits() {
    check(r#"[["popularity_contest"], ["limit_layers", 3]]"#, "d | c | b e x y");
    check(r#"[["popularity_contest"], ["limit_layers", 1]]"#, "d c b e x y");
    check(r#"[["popularity_contest"], ["limit_layers", 6]]"#, "d | c | b | e | x | y");
    check(r#"[["popularity_contest"], ["limit_layers", 7], ["limit_layers", 6]]"#, "d | c | b | e | x | y");
    // With fewer graphs than layers an empty one comes behind them, and takes a place.
    check(r#"[["split_every", 3], ["limit_layers", 9], ["reverse"], ["limit_layers", 2]]"#, "c b x y e d");
    check(r#"[["split_every", 3], ["limit_layers", 2], ["reverse"], ["limit_layers", 2]]"#, "c b x | y e d");
    // A list in the list is one thing.
    check(r#"[["split_every", 3], ["map", ["split_every", 2]], ["limit_layers", 2]]"#, "y e | d | c b x");
    check(
        r#"[["split_every", 3], ["map", ["split_every", 2]], ["flatten"], ["limit_layers", 2]]"#,
        "y e | d c b x",
    );
}

#[test]
fn some_references_are_forgotten() {
    // Those to paths that are split off: `b` needs `d`, and `c` does.
    let split = r#"["split_paths", ["@b", "@d"]]"#;
    check(&format!(r#"[{split}, ["over", "main", ["subcomponent_out", ["@b"]]]]"#), "b | d | y e c x");
    check(&format!(r#"[{split}, ["over", "main", ["popularity_contest"]]]"#), "b | d | y e c x");
    let split = r#"["split_paths", ["@b"]]"#;
    check(&format!(r#"[{split}, ["over", "rest", ["popularity_contest"]]]"#), "b | d | c | e | x | y");
    // Those between graphs that become one.
    check(r#"[["subcomponent_out", ["@b"]]]"#, "d b | y e c x");
    // `b` stays with `x`, but `d` was in another graph.
    let merged = r#"["split_every", 3], ["limit_layers", 1], ["flatten"]"#;
    check(&format!(r#"[{merged}, ["map", ["subcomponent_out", ["@x"]]]]"#), "c b x | y e d");
    let apart = r#"["popularity_contest"], ["limit_layers", 1], ["flatten"]"#;
    check(&format!(r#"[{apart}, ["map", ["subcomponent_out", ["@x"]]]]"#), "x | d c b e y");
    // Still so when it is merged again.
    check(
        &format!(
            r#"[{merged}, ["map", ["split_every", 5]], ["flatten"], ["limit_layers", 1], ["map", ["subcomponent_out", ["@x", "@y"]]]]"#
        ),
        "y e x | d c b",
    );
    check(&format!(r#"[{merged}, ["map", ["split_paths", ["@b"]]]]"#), "b | y e d c x");
}

#[track_caller]
fn check_error(pipeline: &str, expected: &str) {
    let error = run(&example(), pipeline).unwrap_err();
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    assert_eq!(format!("{error}{source}"), expected, "{pipeline}");
}

#[test]
fn wrong_pipelines() {
    check_error("", "is not a layering pipeline: EOF while parsing a value at line 1 column 0");
    check_error("{}", "the pipeline: must be a list of operations, not {}");
    check_error("7", "the pipeline: must be a list of operations, not the number 7");
    check_error(
        r#"["flatten"]"#,
        r#"step 1: must be a list that begins with the name of an operation, not the text "flatten""#,
    );
    check_error(
        "[[]]",
        "step 1: must be a list that begins with the name of an operation, not an empty list",
    );
    check_error("[[3]]", "step 1: must be a list that begins with the name of an operation, not [3]");
    check_error(
        r#"[["reverse"], ["popularity"]]"#,
        "step 2: there is no operation \"popularity\"; there are flatten, limit_layers, map, over, pipe, \
         popularity_contest, remove_paths, reorder, reverse, split_every, split_paths, subcomponent_in, \
         subcomponent_out",
    );
    check_error(r#"[["flatten", null]]"#, "step 1 (flatten): needs nothing behind its name, not null");
    check_error(r#"[["map"]]"#, "step 1 (map): needs an operation, not nothing");
    check_error(
        r#"[["map", "reverse"]]"#,
        r#"step 1 (map): must be a list that begins with the name of an operation, not the text "reverse""#,
    );
    check_error(
        r#"[["over", ["reverse"]]]"#,
        r#"step 1 (over): needs the name of a part and an operation, not ["reverse"]"#,
    );
    check_error(
        r#"[["over", "main", ["pipe", [["reverse"], ["split_every", true]]]]]"#,
        "step 1 (over \"main\", pipe), step 2 (split_every): needs a whole number from 1 to 18446744073709551615, \
         not true",
    );
    for number in
        ["0", "-1", "1.5", "1e3", "18446744073709551616", "123456789012345678901234567890", "1e999999"]
    {
        for operation in ["split_every", "limit_layers"] {
            let error = run(&example(), &format!(r#"[["{operation}", {number}]]"#)).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("step 1 ({operation}): needs a whole number from 1 to")),
                "{error}"
            );
        }
    }
    check_error(
        r#"[["remove_paths", ["@a", 1]]]"#,
        r#"step 1 (remove_paths): needs a path or a list of paths, not ["/nix/store/0-a",1]"#,
    );
    check_error(
        r#"[["split_paths", [{"children": "@a"}]]]"#,
        "step 1 (split_paths): needs a path or {\"children_of\": a path or a list of paths} in its list, not \
         {\"children\":\"/nix/store/0-a\"}",
    );
    check_error(
        r#"[["split_paths", {"children_of": "@a"}]]"#,
        "step 1 (split_paths): needs a list of paths and {\"children_of\": …}, not {\"children_of\":\"/nix/store/0-a\"}",
    );
}

#[test]
fn operations_that_do_not_fit() {
    check_error(
        r#"[["split_paths", ["@x"]], ["over", "rests", ["reverse"]]]"#,
        r#"step 2 (over "rests"): there is no part "rests"; there are main, common, rest"#,
    );
    check_error(
        r#"[["split_paths", ["@absent"]], ["over", "main", ["popularity_contest"]]]"#,
        r#"step 2 (over "main"): there is no part "main"; there are rest"#,
    );
    check_error(
        r#"[["over", "main", ["reverse"]]]"#,
        "step 1 (over \"main\"): needs parts (\"split_paths\", \"subcomponent_in\" and \"subcomponent_out\" make them), \
         but gets a graph of 6 paths",
    );
    check_error(
        r#"[["popularity_contest"], ["split_every", 2]]"#,
        "step 2 (split_every): needs a graph (\"map\" and \"over\" apply it to those in a list and in parts), but gets a \
         list of 6",
    );
    for operation in [r#"["limit_layers", 2]"#, r#"["reverse"]"#, r#"["map", ["reverse"]]"#] {
        let error = run(&example(), &format!(r#"[["subcomponent_out", ["@c"]], {operation}]"#)).unwrap_err();
        assert!(error.to_string().ends_with("but gets the parts main, rest"), "{error}");
        let error = run(&example(), &format!("[{operation}]")).unwrap_err();
        assert!(error.to_string().ends_with("but gets a graph of 6 paths"), "{error}");
    }
    check_error(r#"[["flatten"]]"#, "step 1 (flatten): needs a list or parts, but gets a graph of 6 paths");
    check_error(
        r#"[["split_every", 1], ["map", ["subcomponent_in", []]], ["limit_layers", 3]]"#,
        "step 3 (limit_layers): needs a list of graphs (\"flatten\" makes one of parts), but gets the parts main, rest",
    );
    check_error(
        r#"[["split_every", 3], ["map", ["pipe", [["split_every", 2], ["reverse"], ["popularity_contest"]]]]]"#,
        "step 2 (map, pipe), step 3 (popularity_contest): needs a graph (\"map\" and \"over\" apply it to those in a \
         list and in parts), but gets a list of 2",
    );
}

#[test]
fn depth() {
    let nested =
        |levels: usize| format!(r#"[{}["reverse"]{}]"#, r#"["map", "#.repeat(levels), "]".repeat(levels));
    let error = |levels| pipeline::parse(nested(levels).as_bytes()).unwrap_err();
    pipeline::parse(nested(63).as_bytes()).unwrap();
    assert_eq!(
        error(64).to_string(),
        format!("step 1 ({}, …): has operations in each other more than 64 deep", ["map"; 11].join(", "))
    );
    for levels in [1_000, 100_000] {
        assert!(error(levels).source().unwrap().to_string().starts_with("recursion limit exceeded"));
    }
}

#[test]
fn doubling() {
    let step = r#"["map", ["subcomponent_in", []]], ["flatten"]"#;
    let pipeline = format!(r#"[["split_every", 1], {}]"#, vec![step; 60].join(", "));
    check_error(
        &pipeline,
        "step 38 (map, subcomponent_in): makes more than 4194304 graphs, empty ones included",
    );
}

#[test]
fn deep_and_large() {
    for closure in [chain(5_000), ladder(200), large(60_000, 500_000), closure(Vec::new())] {
        let paths: Vec<String> =
            closure.paths().iter().map(|info| format!("{:?}", info.path.as_str())).collect();
        let some = paths.iter().step_by(3).cloned().collect::<Vec<_>>().join(",");
        let pipeline = format!(
            r#"[["split_paths", [{some}]],
                ["flatten"],
                ["map", ["pipe", [["subcomponent_in", [{some}]], ["over", "main", ["split_every", 1]]]]],
                ["flatten"],
                ["map", ["popularity_contest"]],
                ["flatten"],
                ["limit_layers", 100],
                ["map", ["split_paths", [{{"children_of": [{some}]}}]]]]"#
        );
        let groups = run(&closure, &pipeline).unwrap();
        assert!(groups.len() <= 300);
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), closure.len());
    }
}

/// Any pipeline for these paths in which each operation fits what comes before it.
fn fitting(paths: Vec<String>) -> impl Strategy<Value = String> {
    let some = move || {
        let paths = paths.clone();
        prop::collection::vec(any::<prop::sample::Index>(), 0..4).prop_map(move |chosen| {
            let chosen = chosen
                .iter()
                .filter(|_| !paths.is_empty())
                .map(|index| paths[index.index(paths.len())].clone());
            serde_json::to_string(&chosen.collect::<Vec<_>>()).unwrap()
        })
    };
    let graphs = prop_oneof![
        Just(r#"["popularity_contest"]"#.to_owned()),
        (1..5_usize).prop_map(|count| format!(r#"["split_every", {count}]"#)),
        some().prop_map(|paths| format!(r#"["pipe", [["split_paths", {paths}], ["flatten"]]]"#)),
        some().prop_map(|paths| format!(r#"["pipe", [["split_paths", [{{"children_of": {paths}}}]], ["flatten"]]]"#)),
        some().prop_map(|paths| format!(r#"["pipe", [["subcomponent_in", {paths}], ["reorder", ["rest"]], ["flatten"]]]"#)),
        some().prop_map(|paths| {
            format!(r#"["pipe", [["subcomponent_out", {paths}], ["over", "rest", ["split_every", 2]], ["flatten"]]]"#)
        }),
    ];
    let list = prop_oneof![
        graphs.clone().prop_map(|operation| format!(r#"["map", {operation}], ["flatten"]"#)),
        Just(r#"["reverse"]"#.to_owned()),
        (1..7_usize).prop_map(|count| format!(r#"["limit_layers", {count}]"#)),
    ];
    (graphs, prop::collection::vec(list, 0..6))
        .prop_map(|(first, more)| format!("[{}]", [vec![first], more].concat().join(", ")))
}

fn rows_and_pipeline() -> impl Strategy<Value = (Vec<Row>, String)> {
    rows().prop_flat_map(|rows| {
        let paths = rows.iter().map(|row| row.path.clone()).collect();
        (Just(rows), fitting(paths))
    })
}

proptest! {
    #[test]
    fn layers_hold_each_path_once((rows, pipeline) in rows_and_pipeline()) {
        let closure = closure(rows);
        let mut all: Vec<Node> = run(&closure, &pipeline).unwrap().concat();
        all.sort_unstable();
        prop_assert!(all.into_iter().eq(closure.graph().nodes()));
    }

    #[test]
    fn popularity_is_a_pipeline_too(rows in rows(), max_layers in 1..12_usize) {
        let closure = closure(rows);
        let pipeline = format!(r#"[["popularity_contest"], ["limit_layers", {max_layers}]]"#);
        prop_assert_eq!(run(&closure, &pipeline).unwrap(), popularity(&closure, max_layers));
    }

    #[test]
    fn mutated_pipelines_are_taken_or_refused(
        (rows, pipeline) in rows_and_pipeline(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..5, 1..60_usize), 0..6),
    ) {
        let mut text = pipeline.into_bytes();
        for (index, byte, how, length) in changes {
            let at = index.index(text.len() + 1);
            let end = (at + length).min(text.len());
            match how {
                0 => text.insert(at, byte),
                1 => text.insert(at, b"[]{},:\"0-9e."[usize::from(byte) % 12]),
                2 => drop(text.drain(at..end)),
                3 => text.extend_from_within(at..end),
                _ => text.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            }
        }
        let closure = closure(rows);
        if let Ok(pipeline) = pipeline::parse(&text) {
            let groups = pipeline.run(&closure).unwrap_or_default();
            let mut all = groups.concat();
            all.sort_unstable();
            prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(groups.iter().all(|group| !group.is_empty()));
        }
    }
}

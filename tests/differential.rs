use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use strake_testkit::store::TestStore;
use strake_testkit::tree::{Node, any_tree};

use crate::strake::stream;

/// Sees that strake and the oracle make the same archive of a store with these paths, each in a layer.
fn check(trees: &[Node], times: [&str; 2], owner: (u32, &str)) {
    let store = TestStore::empty();
    let path = |index: usize| format!("/nix/store/{index:032}-tree");
    for (index, tree) in trees.iter().enumerate() {
        tree.make(&store.real(&path(index)));
    }
    let layers: Vec<_> = (0..trees.len()).map(|index| vec![path(index)]).collect();
    let conf = store.write_conf("any", &layers, |conf| {
        conf["created"] = times[0].into();
        conf["mtime"] = times[1].into();
        conf["uid"] = owner.0.into();
        conf["uname"] = owner.1.into();
    });
    assert!(stream(&store, &conf).archive() == store.oracle(&conf), "{trees:?} {times:?} {owner:?}");
}

/// Some of the files can be read by root only.
#[test]
#[ignore = "needs root"]
fn any_trees() {
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let time = prop::sample::select(vec![
        "1970-01-01T00:00:01+00:00",
        "2024-02-29T12:34:56.000789+05:30",
        "1969-12-31T23:59:58.5Z",
        "20380119T031408",
        "9999-12-31",
        "2020-W01-3",
        "0001-01-01T00:00:00+00:00",
    ]);
    let owner = (prop::sample::select(vec![0, 1000, 2_097_151, 2_097_152, u32::MAX]), "\\PC{0,40}");
    let input = (prop::collection::vec(any_tree(), 1..4), [time.clone(), time], owner);
    runner
        .run(&input, |(trees, times, (uid, uname))| {
            check(&trees, times, (uid, &uname));
            Ok(())
        })
        .unwrap();
}

#[test]
fn deeper_than_descriptors_last() {
    let mut node = Node::File(5, 0o444);
    for depth in 0..500 {
        node = Node::Directory(0o755, vec![(b"d".to_vec(), node), (b"e".to_vec(), Node::File(depth, 0o644))]);
    }
    check(&[node], ["1970-01-01T00:00:01Z"; 2], (0, "root"));
}

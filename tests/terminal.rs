use std::fs;

use serde_json::Value;
use strake_testkit::command::{command, output_of, text};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::strake::{program, ran, stream};

#[test]
fn a_line_a_layer() {
    let store = TestStore::golden(1);
    let run = stream(&store, &store.conf("plain")).run();
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 9, "{}", run.stderr);
    assert_eq!(lines[0], "  1/8    1.11 MiB  digested    sizes-1.0");
    assert!(lines[6].ends_with("many-9, hard-7, hard-8, 2 more"), "{}", lines[6]);
    assert!(lines[8].starts_with("golden:latest  sha256:a98d047000481fa756827250f0822437"), "{}", lines[8]);
}

#[test]
fn quiet() {
    let store = TestStore::golden(1);
    assert_eq!(stream(&store, &store.conf("plain")).args(["--quiet"]).run().stderr, "");
}

#[test]
fn events() {
    let store = TestStore::golden(1);
    let run = stream(&store, &store.conf("plain")).args(["--json", "-t", "other:2"]).run();
    let events: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 9);
    assert_eq!(
        (&events[7]["event"], &events[7]["number"], &events[7]["of"]),
        (&"layer".into(), &8.into(), &8.into())
    );
    assert_eq!((&events[8]["event"], &events[8]["repo_tag"]), (&"done".into(), &"other:2".into()));
    assert_eq!(events[8]["size"], run.stdout.len());
    fs::write(store.conf("plain"), "{}").unwrap();
    let run = stream(&store, &store.conf("plain")).args(["--json"]).run();
    let event: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!((run.code, &event["event"]), (Some(1), &"error".into()));
}

#[test]
fn into_a_file_or_a_device() {
    let store = TestStore::golden(1);
    let expected = stream(&store, &store.conf("plain")).archive();
    let target = store.root().join("image.tar");
    let run = stream(&store, &store.conf("plain")).args(["-o", target.to_str().unwrap()]).run();
    assert_eq!((run.code, run.stdout), (Some(0), Vec::new()));
    assert!(fs::read(&target).unwrap() == expected);
    assert!(stream(&store, &store.conf("plain")).args(["-o", "-"]).archive() == expected);
    assert_eq!(stream(&store, &store.conf("plain")).args(["-o", "/dev/null"]).run().code, Some(0));
    // A file that is appended to, which the kernel does not copy into by itself.
    fs::write(&target, "before").unwrap();
    let mut strake = stream(&store, &store.conf("plain"));
    strake.command.stdout(fs::File::options().append(true).open(&target).unwrap());
    assert_eq!(strake.run().code, Some(0));
    assert!(fs::read(&target).unwrap() == [b"before", expected.as_slice()].concat());
}

#[test]
fn not_onto_a_terminal_where_there_is_a_bar() {
    let store = TestStore::golden(1);
    require("script");
    let strake = |redirect: &str| {
        let (program, root, conf) =
            (env!("CARGO_BIN_EXE_strake"), store.root().display(), store.conf("plain"));
        let line = format!("{program} stream --no-cache --store-root {root} {} {redirect}", conf.display());
        let mut script = command("script", ["-qec", &line, "/dev/null"]);
        script.env("TERM", "xterm");
        let output = output_of(&mut script);
        (output.status.code(), text(&output.stdout))
    };
    let (code, said) = strake("");
    assert!(code == Some(1) && said.contains("not for a terminal") && said.contains("hint: "), "{said}");
    let target = store.root().join("image.tar");
    let (code, said) = strake(&format!("> {}", target.display()));
    assert!(code == Some(0) && said.contains("golden:latest"), "{said}");
    assert!(fs::read(target).unwrap() == store.oracle(&store.conf("plain")));
}

#[test]
fn wrong_command_lines() {
    for arguments in
        [&[][..], &["stream"], &["stream", "--jobs", "0", "x"], &["fly"], &["plan", "--schema", "x"]]
    {
        let mut command = program();
        command.args(arguments);
        let run = ran(output_of(&mut command));
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

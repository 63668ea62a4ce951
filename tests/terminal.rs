use std::fs;
use std::time::Duration;

use serde_json::Value;
use strake_testkit::command::{command, output_of, text};
use strake_testkit::peer::require;
use strake_testkit::registry::{Effect, Fault, Personality, Registry};
use strake_testkit::store::TestStore;
use strake_testkit::workspace;

use crate::registry::User;
use crate::strake::{program, ran, stream};

#[test]
fn a_line_a_layer() {
    let store = TestStore::golden(1);
    let run = stream(&store, &store.conf("plain")).run();
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 10, "{}", run.stderr);
    assert_eq!(lines[0], "  1/8    1.11 MiB  hashed    sizes-1.0");
    assert!(lines[6].ends_with("many-9, hard-7, hard-8, 2 more"), "{}", lines[6]);
    assert!(lines[8].starts_with("golden:latest  sha256:a98d047000481fa756827250f0822437"), "{}", lines[8]);
    // Stdout is a pipe, which may lead to Docker.
    assert_eq!(lines[9], "after docker load: docker run --rm golden:latest");
}

#[test]
fn how_to_run_an_image_that_docker_takes() {
    let user = User::new();
    let (graph, hello) =
        ("examples/hello/graph.json", "/nix/store/4xw8n979xpivdc46a9ndcvyhwgif00hz-hello-1.0");
    let [graph, root] = [graph, "examples/hello"].map(|path| workspace().join(path).display().to_string());
    let plan =
        ["plan", "--graph", &graph, "--name", "hello", "--tag", "1", "--cmd", hello, "-o", "conf.json"];
    user.ok(&plan);
    let run = "after docker load: docker run --rm hello:1\n";
    let stream = ["stream", "--store-root", &root, "conf.json"];
    let copy = ["copy", "--store-root", &root, "conf.json", "-"];
    for (arguments, is_said) in [
        (&stream[..], true),
        (&copy[..], true),
        (&[&stream[..], &["--verbose"]].concat(), true),
        (&[&stream[..], &["--quiet"]].concat(), false),
        (&[&stream[..], &["--json"]].concat(), false),
        (&[&stream[..], &["-o", "image.tar"]].concat(), false),
        (&["copy", "--store-root", &root, "conf.json", "oci:layout"], false),
    ] {
        assert_eq!(user.ok(arguments).stderr.ends_with(run), is_said, "{arguments:?}");
    }
    // An image without a command needs one.
    user.ok(&["plan", "--graph", &graph, "--name", "bare", "--tag", "1", "-o", "bare.json"]);
    let said = user.ok(&["stream", "--store-root", &root, "bare.json"]).stderr;
    assert!(said.ends_with("after docker load: docker run --rm bare:1 COMMAND\n"), "{said}");
    // A file is no pipe.
    let mut strake = user.command(&stream);
    strake.stdout(fs::File::create(user.path("new")).unwrap());
    assert!(!ran(output_of(&mut strake)).stderr.contains("docker run"));
}

/// Many layers have few lines, unless all are requested.
#[test]
fn lines_are_bounded() {
    let sizes: Vec<usize> = (0..90).collect();
    let (store, conf) = crate::registry::store(&sizes);
    let registry = Registry::start(Personality::default());
    let user = User::new();
    let (root, conf) = (store.root().to_str().unwrap(), conf.to_str().unwrap());
    let pushed = |name: &str, more: &[&str]| {
        let name = format!("docker://{}/app:{name}", registry.address());
        let said =
            user.ok(&[&["copy", "--store-root", root, "--no-cache", conf, &name], more].concat()).stderr;
        let count = |word: &str| said.lines().filter(|line| line.contains(word)).count();
        (count("/91  "), said.lines().filter(|line| line.trim_start().starts_with("sent ")).count(), said)
    };
    let (layers, _, said) = pushed("1", &[]);
    assert_eq!(layers, 19, "{said}");
    assert!(said.lines().count() <= 45, "{said}");
    assert!(said.starts_with("  5/91 ") && said.contains("  5 hashed  "), "{said}");
    assert!(said.contains(" 91/91 "), "{said}");
    let registry = Registry::start(Personality::default());
    let name = format!("docker://{}/app:1", registry.address());
    let said = user.ok(&["copy", "--verbose", "--store-root", root, conf, &name]).stderr;
    assert!(said.lines().count() > 170, "{said}");
    // Events are not bounded.
    let events = user.ok(&["copy", "--json", "--store-root", root, conf, "oci:layout"]).stderr;
    assert_eq!(events.lines().filter(|event| event.contains("\"event\":\"layer\"")).count(), 91);
}

/// The output on a terminal of this width, with this environment: stdout and stderr in one.
fn shown(user: &User, line: &str, variables: &[(&str, &str)]) -> String {
    require("script");
    let strake = env!("CARGO_BIN_EXE_strake");
    let mut script =
        command("script", ["-qec", &line.replace("strake ", &format!("{strake} ")), "/dev/null"]);
    script.current_dir(user.home()).env("STRAKE_CACHE_DIR", user.path("cache"));
    for variable in ["NO_COLOR", "COLUMNS", "CLICOLOR", "CLICOLOR_FORCE"] {
        script.env_remove(variable);
    }
    script.env("TERM", "xterm").envs(variables.iter().copied());
    text(&output_of(&mut script).stdout).replace("\r\n", "\n")
}

#[test]
fn tables_are_as_wide_as_the_terminal() {
    let user = User::new();
    let graph = workspace().join("tests/golden/graph-debian.json").display().to_string();
    let table = format!("strake layers {graph} --format table --max-layers 30");
    let widest = |said: &str| said.lines().map(|line| line.chars().count()).max().unwrap();
    let whole = text(&user.ok(&["layers", &graph, "--format", "table", "--max-layers", "30"]).stdout);
    assert!(widest(&whole) > 80, "{whole}");
    for (columns, expected) in [("60", 60), ("80", 80)] {
        let said = shown(&user, &table, &[("COLUMNS", columns), ("NO_COLOR", "1")]);
        assert_eq!(widest(&said), expected, "{said}");
        assert!(said.contains('…') && said.lines().count() == whole.lines().count(), "{said}");
    }
    assert_eq!(shown(&user, &table, &[("COLUMNS", "500"), ("NO_COLOR", "1")]), whole);
    // Not on a terminal, its width does not matter.
    let mut strake = user.command(&["layers", &graph, "--format", "table", "--max-layers", "30"]);
    assert_eq!(text(&ran(output_of(strake.env("COLUMNS", "20"))).stdout), whole);
}

#[test]
fn colours_where_they_help() {
    let user = User::new();
    user.image(&[1000]);
    let has_colours =
        |line: &str, variables: &[(&str, &str)]| shown(&user, line, variables).contains("\u{1b}[");
    for line in ["strake inspect oci:image", "strake verify oci:image", "strake verify oci:gone"] {
        assert!(has_colours(line, &[]), "{line}");
        for variable in [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")] {
            assert!(!has_colours(line, &[variable]), "{line} {variable:?}");
        }
        assert!(has_colours(line, &[("NO_COLOR", "")]), "{line}");
    }
    assert!(
        shown(&user, "strake verify oci:image", &[]).starts_with("\u{1b}[32mOK: 1 layer verified\u{1b}[0m")
    );
    let said = shown(&user, "strake verify oci:gone", &[]);
    assert!(said.starts_with("\u{1b}[1;31mstrake: error:\u{1b}[0m "), "{said}");
    // Never without a terminal.
    let ran = user.run(&["verify", "oci:gone"]);
    assert!(
        !ran.stderr.contains('\u{1b}')
            && !text(&user.ok(&["inspect", "oci:image"]).stdout).contains('\u{1b}')
    );
}

/// The totals that a progress bar has shown, in bytes' words, and its phases.
fn progress(said: &str) -> (Vec<String>, Vec<String>) {
    let (mut phases, mut totals) = (Vec::<String>::new(), Vec::<String>::new());
    for line in said.split(['\r', '\n', '\u{1b}']) {
        let line = line.trim_start_matches("[2K").trim_start_matches("[K");
        let Some(phase) = line.split_whitespace().next() else { continue };
        if ["plan", "hash", "write", "push"].contains(&phase) {
            if phases.last().is_none_or(|last| last != phase) {
                phases.push(phase.to_owned());
            }
            if let Some((_, rest)) = line.split_once("] ") {
                let total = rest.split('/').nth(1).unwrap().split("  ").next().unwrap().to_owned();
                if totals.last() != Some(&total) {
                    totals.push(total);
                }
            }
        }
    }
    (phases, totals)
}

/// A registry that takes its time, so that there is something to be seen.
#[test]
fn a_bar_with_phases_and_one_total() {
    let user = User::new();
    let slow = Fault::burst("PUT", "/blobs/uploads/", 1, 3, Effect::Delay(Duration::from_millis(700)));
    let registry = Registry::start(Personality { faults: vec![slow], ..Personality::default() });
    let (store, conf) = crate::registry::store(&[3_000_000, 2_000_000, 1_000_000]);
    let line = format!(
        "strake copy --uploads 1 --store-root {} {} docker://{}/app:1",
        store.root().display(),
        conf.display(),
        registry.address()
    );
    let said = shown(&user, &line, &[("COLUMNS", "100")]);
    let (phases, totals) = progress(&said);
    assert!(phases.contains(&"push".to_owned()), "{said:?}");
    let order = ["plan", "hash", "write", "push"];
    let places: Vec<_> = phases.iter().map(|phase| order.iter().position(|known| known == phase)).collect();
    assert!(places.is_sorted(), "{phases:?}");
    // All of it is to be sent, so that there is only one total.
    assert!(!totals.is_empty() && totals.iter().all(|total| *total == "5.75 MiB"), "{totals:?} {said:?}");
    assert!(said.contains(" sent"), "{said:?}");
    // No line a layer, and at the end only the summary stays.
    assert!(!said.contains("hashed    "), "{said:?}");
    // With --verbose there are lines above the bar; a dumb terminal has lines in its place.
    for (more, term) in [(" --verbose --no-cache", "xterm"), (" --no-cache", "dumb")] {
        let line = format!("{line}{more}").replace("app:1", "other:1");
        let said = shown(&user, &line, &[("COLUMNS", "100"), ("TERM", term)]);
        assert!(said.contains("hashed    "), "{said:?}");
        assert_eq!(said.contains('\u{1b}'), term == "xterm", "{said:?}");
    }
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
    assert!(code == Some(1) && said.contains("not for a terminal") && said.contains("hint:"), "{said}");
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

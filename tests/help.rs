use std::fs;

use strake_testkit::command::{stdout_of, text};
use strake_testkit::workspace;

use crate::strake::program;

/// A command's stdout on a screen of 80 columns.
fn help(arguments: &[&str]) -> String {
    let mut strake = program();
    strake.args(arguments).env("COLUMNS", "80");
    text(&stdout_of(strake))
}

/// All commands of strake, but for the hidden one.
pub(crate) fn commands() -> Vec<String> {
    let help = help(&["--help"]);
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

/// `-h` of each command, to the letter, in tests/golden/help. With `STRAKE_WRITE_GOLDEN` set these files are written.
#[test]
fn short_help() {
    let directory = workspace().join("tests/golden/help");
    let mut names = vec![String::new()];
    names.extend(commands());
    let mut expected: Vec<String> = Vec::new();
    for name in names {
        let arguments: Vec<&str> = [&*name, "-h"].into_iter().filter(|word| !word.is_empty()).collect();
        let found = help(&arguments);
        let file = if name.is_empty() { "strake.txt".to_owned() } else { format!("{name}.txt") };
        if std::env::var_os("STRAKE_WRITE_GOLDEN").is_some() {
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join(&file), &found).unwrap();
        }
        let golden = fs::read_to_string(directory.join(&file)).unwrap_or_default();
        assert!(found == golden, "{file} should be:\n{found}");
        assert!(found.lines().all(|line| line.chars().count() <= 80), "{found}");
        expected.push(file);
    }
    let entries = fs::read_dir(&directory).unwrap();
    let mut there: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    expected.sort();
    there.sort();
    assert_eq!(there, expected);
}

/// `--help` has all options in groups, and ends with two examples.
#[test]
fn long_help() {
    for name in commands() {
        let (short, long) = (help(&[&name, "-h"]), help(&[&name, "--help"]));
        let options = |help: &str| -> Vec<String> {
            let words = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
            words.filter_map(|line| line.split([' ', ',', '=', '[']).next().map(str::to_owned)).collect()
        };
        let of_long = options(&long);
        assert!(options(&short).iter().all(|option| of_long.contains(option)), "{name}");
        let (_, examples) = long.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{long}"));
        let lines: Vec<&str> = examples.lines().collect();
        assert_eq!(lines.len(), 2, "{name}: {examples}");
        assert!(lines.iter().all(|line| line.contains(&format!("strake {name}"))), "{examples}");
        assert!(long.contains("Exit codes: "), "{name}");
    }
    let copy = help(&["copy", "--help"]);
    for heading in ["Options:", "Output:", "Registries:", "Building:", "Image:", "Container:", "Layers:"] {
        assert!(copy.contains(&format!("\n{heading}\n")), "{heading}");
    }
}

/// Options are only where they do something.
#[test]
fn options_where_they_do_something() {
    for (name, absent) in [
        ("inspect", &["--uploads", "--chunk-size", "--dest-creds", "--verify"][..]),
        ("verify", &["--uploads", "--no-cache"]),
        ("merge", &["--uploads", "--src-creds"]),
        ("export", &["--uploads"]),
        ("pin", &["--uploads", "--store-root", "--jobs"]),
        ("stream", &["--creds", "--platform"]),
    ] {
        let long = help(&[name, "--help"]);
        for option in absent {
            assert!(!long.contains(option), "{name} {option}");
        }
    }
}

use std::fs;

use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::workspace;

/// The commands in a page's `sh` blocks.
fn commands(page: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// What a command needs that a test has not: another machine, an hour, root's own Docker.
fn is_elsewhere(command: &str) -> bool {
    ["cargo", "tests/run", "bench/", "docker", "podman", "nix", "for "]
        .iter()
        .any(|word| command.contains(word))
}

#[test]
fn commands_shown_work() {
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_strake"), place.path().join("strake")).unwrap();
    std::os::unix::fs::symlink(workspace().join("examples"), place.path().join("examples")).unwrap();
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for page in ["README.md", "docs/stream.md", "docs/cache.md"] {
        for line in commands(page) {
            // A command for cargo is the same with the strake at hand.
            let line = line.replace("cargo run --release -- ", "strake ");
            if is_elsewhere(&line) {
                continue;
            }
            let mut shell = command("bash", ["-euo", "pipefail", "-c", &line]);
            shell
                .current_dir(place.path())
                .env("PATH", &path)
                .env("STRAKE_CACHE_DIR", place.path().join("cache"));
            stdout_of(shell);
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} commands were found");
    assert!(place.path().join("hello.tar").is_file());
}

#[test]
fn every_option_is_documented() {
    let page = fs::read_to_string(workspace().join("docs/stream.md")).unwrap();
    let help = text(&stdout_of(command(env!("CARGO_BIN_EXE_strake"), ["stream", "--help"])));
    let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
    for option in options.map(|word| word.trim_end_matches([',', '.'])) {
        assert!(page.contains(option), "{option} is not in docs/stream.md");
    }
}

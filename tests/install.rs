use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::peer::require;
use strake_testkit::workspace;

use crate::help::commands;
use crate::strake::{program, ran};

fn completions(shell: &str, place: &Path) -> String {
    let mut strake = program();
    strake.args(["completions", shell]);
    let file = place.join(shell);
    fs::write(&file, stdout_of(strake)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn bash_completes() {
    let place = tempfile::tempdir().unwrap();
    let file = completions("bash", place.path());
    for (words, current, expected) in [
        ("strake str", "str", "stream"),
        ("strake stream --out", "--out", "--output"),
        ("strake cache pr", "pr", "prune"),
        ("strake completions fi", "fi", "fish"),
    ] {
        let count = words.split(' ').count() - 1;
        let script = format!(
            "source {file}; COMP_WORDS=({words}); COMP_CWORD={count}; _strake strake '{current}' ''; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let found = text(&stdout_of(command("bash", ["-euc", &script])));
        assert_eq!(found.trim(), expected, "{words}");
    }
}

#[test]
#[ignore = "needs zsh, fish"]
fn other_shells_complete() {
    let place = tempfile::tempdir().unwrap();
    let file = completions("fish", place.path());
    let script = format!("source {file}; complete -C 'strake str'; complete -C 'strake stream --out'");
    let mut fish = command(require("fish"), ["--no-config", "-c", &script]);
    fish.env("HOME", place.path());
    let found = text(&stdout_of(fish));
    for expected in ["stream\t", "--output\t"] {
        assert!(found.lines().any(|line| line.starts_with(expected)), "{expected}: {found}");
    }
    stdout_of(command(require("zsh"), ["-n", &completions("zsh", place.path())]));
    // Nobody is here to try them.
    for shell in ["elvish", "powershell"] {
        assert!(fs::read_to_string(completions(shell, place.path())).unwrap().contains("--output"));
    }
}

#[test]
fn man_pages() {
    let place = tempfile::tempdir().unwrap();
    let pages = || {
        stdout_of(command(env!("CARGO_BIN_EXE_strake"), ["man".as_ref(), place.path().as_os_str()]));
        let mut names: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
            .into_iter()
            .map(|name| (fs::read_to_string(place.path().join(&name)).unwrap(), name))
            .collect::<Vec<_>>()
    };
    let made = pages();
    assert_eq!(made, pages());
    for verb in &commands() {
        let (page, _) = made.iter().find(|(_, name)| *name == format!("strake-{verb}.1")).expect(verb);
        let help = text(&stdout_of(command(env!("CARGO_BIN_EXE_strake"), [verb, "--help"])));
        let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        for option in options.map(|word| word.split([',', '.', ';', ':', '[']).next().unwrap()) {
            assert!(page.contains(&option.replace('-', "\\-")), "{option} is not in {verb}'s page");
        }
    }
    assert!(made.iter().any(|(_, name)| name == "strake.1"));
    assert!(!made.iter().any(|(_, name)| name == "strake-man.1"));
    let mut strake = program();
    strake.args(["man", "/nonexistent"]);
    ran(output_of(&mut strake)).failed(&["cannot write man pages into /nonexistent"]);
}

#[test]
#[ignore = "needs groff"]
fn man_pages_are_well_formed() {
    let place = tempfile::tempdir().unwrap();
    stdout_of(command(env!("CARGO_BIN_EXE_strake"), ["man".as_ref(), place.path().as_os_str()]));
    for entry in fs::read_dir(place.path()).unwrap() {
        let page = entry.unwrap().path();
        let mut groff = command(require("groff"), ["-man", "-ww", "-Tutf8", "-Kutf8"]);
        let output = output_of(groff.arg(&page));
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    }
}

/// Programs that tests/run cannot install are listed in one message, before anything is installed or built.
#[test]
fn what_the_tests_lack_is_said_at_once() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    for needed in ["bash", "dirname", "sort", "env"] {
        symlink(require(needed), path.join(needed)).unwrap();
    }
    // Not root, with an old Go.
    for (name, says) in [("id", "1000"), ("go", "go1.22.4")] {
        fs::write(path.join(name), format!("#!{}\necho {says}\n", path.join("bash").display())).unwrap();
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut script = command::<&str>(require("bash"), []);
    script.arg(workspace().join("tests/run")).env_clear().env("PATH", path);
    let output = output_of(&mut script);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{said}");
    for expected in [
        "cargo: install Rust from https://rustup.rs",
        "Go 1.24 or newer (this is go1.22.4): unpack https://go.dev/dl into /usr/local/go",
        "without apt-get install them by hand",
        "root: run this as root, or install sudo",
    ] {
        assert_eq!(said.matches(expected).count(), 1, "{said}");
    }
}

#[test]
#[ignore = "needs actionlint"]
fn workflows() {
    let mut files = vec!["-color=false".to_owned()];
    for entry in fs::read_dir(workspace().join(".github/workflows")).unwrap() {
        files.push(entry.unwrap().path().to_str().unwrap().to_owned());
    }
    assert!(files.len() > 2);
    stdout_of(command(require("actionlint"), files));
}

//! The steps of a new user: every command of the README and of the five-minute pages, from nothing.
//!
//! Pages are Markdown. A code block after a line such as `` `flake.nix`: `` is a file; a `sh` block is a list of commands; of a
//! workflow or a pipeline the commands that its machine would run are run. Everything else is text.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::containerd::Containerd;
use strake_testkit::machine::Machine;
use strake_testkit::peer::{Dockerd, require};
use strake_testkit::registries::{Program, RealRegistry, Setup};
use strake_testkit::workspace;

use crate::load::nodes;

/// The other programs of a page's commands, and their replacements.
struct Peers {
    docker: Dockerd,
    containerd: Containerd,
    registry: RealRegistry,
}

/// A piece of a page.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A file of this name has this text.
    File(String, String),
    /// A command line.
    Run(String),
}

/// The steps of a page, in order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut name = None;
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                name = line.strip_prefix('`').and_then(|line| line.strip_suffix("`:")).map(str::to_owned);
            }
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match (name.take(), language) {
            (Some(name), _) => {
                steps.push(Step::File(name, block.join("\n") + "\n"));
                steps.extend(block.iter().filter_map(|line| job(line)).map(Step::Run));
            }
            (None, "sh") => steps.extend(block.iter().map(|line| Step::Run((*line).to_owned()))),
            (None, _) => {}
        }
    }
    steps
}

/// The command in a line of a GitHub workflow or a GitLab pipeline.
fn job(line: &str) -> Option<String> {
    let item = line.trim_start().strip_prefix("- ")?;
    let is_key =
        |item: &str| item.split_once(": ").is_some_and(|(key, _)| key.chars().all(char::is_lowercase));
    match item.strip_prefix("run: ") {
        Some(command) => Some(command.to_owned()),
        None => (!is_key(item)).then(|| item.to_owned()),
    }
}

/// Runs a page in an empty directory on a machine with an empty store. Returns how many commands it has.
fn run(page: &str, peers: &Peers) -> usize {
    let machine = Machine::new();
    let home = machine.home();
    for name in ["bin", "work"] {
        fs::create_dir(home.join(name)).unwrap();
    }
    inputs(&home);
    programs(&home, peers);
    std::os::unix::fs::symlink(workspace().join("examples"), home.join("work/examples")).unwrap();
    let address = peers.registry.address();
    let here = |text: &str| {
        text.replace("github:NixOS/nixpkgs/nixos-unstable", &format!("path:{}/nixpkgs", home.display()))
            .replace("github:OWNER/strake", &format!("path:{}/strake", home.display()))
            .replace("registry.example.org", &address)
            .replace("ghcr.io", &address)
            .replace("cargo run --release -- ", "strake ")
    };
    let mut script = String::from("set -euo pipefail\n");
    let mut count = 0;
    let text_of_page = fs::read_to_string(workspace().join(page)).unwrap();
    for step in steps(&text_of_page) {
        match step {
            Step::File(name, content) => {
                let file = home.join("work").join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, here(&content)).unwrap();
            }
            Step::Run(line) if line.starts_with("tests/run") => {}
            Step::Run(line) => {
                count += usize::from(!line.is_empty() && !line.starts_with('#'));
                writeln!(script, "{}", here(&line)).unwrap();
            }
        }
    }
    let mut shell = machine.command("bash", ["-xc", &script]);
    let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap());
    shell
        .current_dir(home.join("work"))
        .env("PATH", path)
        .env("DOCKER_HOST", peers.docker.host())
        .env("GITHUB_SHA", "0f1e2d3c")
        .env("IMAGE", format!("docker://{address}/owner/app"))
        .env("CI_COMMIT_SHA", "0f1e2d3c")
        .env("CI_REGISTRY", &address)
        .env("CI_REGISTRY_IMAGE", format!("{address}/group/app"))
        .env("CI_REGISTRY_USER", "somebody")
        .env("CI_REGISTRY_PASSWORD", "secret");
    let output = output_of(&mut shell);
    assert!(output.status.success(), "{page}:\n{}\n{}", text(&output.stdout), text(&output.stderr));
    count
}

/// The flakes that the pages' flakes have as inputs: the tests' small nixpkgs, and strake's library with the strake that is
/// tested.
fn inputs(home: &Path) {
    let tests = workspace().join("nix/tests/flakes.nix");
    let outputs = |flake: &str| {
        let program = env!("CARGO_BIN_EXE_strake");
        format!("{{ outputs = _: (import {} {{ program = \"{program}\"; }}).{flake}; }}\n", tests.display())
    };
    for (name, flake) in [("nixpkgs", "inputs.nixpkgs"), ("strake", "inputs.strake")] {
        fs::create_dir(home.join(name)).unwrap();
        let text = match name {
            "strake" => format!(
                "{{ inputs.nixpkgs.url = \"path:{}/nixpkgs\";\n{}",
                home.display(),
                outputs(flake).strip_prefix('{').unwrap()
            ),
            _ => outputs(flake),
        };
        fs::write(home.join(name).join("flake.nix"), text).unwrap();
    }
}

/// Puts the programs of the pages' commands on the PATH, each with the state of the test's own.
fn programs(home: &Path, peers: &Peers) {
    let podman = require("podman");
    let ctr = peers.containerd.ctr().join(" ");
    let storage = home.join("containers");
    for (name, line) in [
        ("strake", format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_strake"))),
        // The flakes in the place of nixpkgs and strake read files of this work tree.
        ("nix", format!("exec {} \"$1\" --impure \"${{@:2}}\"", require("nix").display())),
        // No network for containers: the tests' machine may not make one.
        (
            "docker",
            format!(
                "[ \"$1\" = run ] && set -- run --network=none \"${{@:2}}\"; exec {} \"$@\"",
                require("docker").display()
            ),
        ),
        (
            "podman",
            format!(
                "[ \"$1\" = run ] && set -- run --network=none --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024 \"${{@:2}}\"; exec {} --runtime=runc --cgroup-manager=cgroupfs --root {dir}/root --runroot {dir}/run --storage-driver vfs \"$@\"",
                podman.display(),
                dir = storage.display()
            ),
        ),
        // The program that kind runs on each of its nodes, and k3s on its machine.
        (
            "kind",
            format!(
                "[ \"$1 $2\" = 'load image-archive' ] && exec {ctr} --namespace=k8s.io images import --all-platforms --digests --snapshotter=native - < \"$3\""
            ),
        ),
        (
            "k3s",
            format!(
                "[ \"$4 $5\" = 'images import' ] && exec {ctr} \"${{@:2:4}}\" --snapshotter=native \"${{@:6}}\"; exec {ctr} \"${{@:2}}\""
            ),
        ),
    ] {
        let file = home.join("bin").join(name);
        fs::write(&file, format!("#!/bin/bash\n{line}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn steps_of_a_page() {
    let page = "Text.\n\n`a/b.yml`:\n\n```yaml\nx:\n  script:\n    - one $X\n    - uses: y\n      - run: two\n```\n\n\
                ```sh\nthree\n```\n\n```\nfour\n```\n";
    let run = |line: &str| Step::Run(line.to_owned());
    let file = "x:\n  script:\n    - one $X\n    - uses: y\n      - run: two\n".to_owned();
    let expected = [Step::File("a/b.yml".to_owned(), file), run("one $X"), run("two"), run("three")];
    assert_eq!(steps(page), expected);
}

#[test]
#[ignore = "needs root, nix, dockerd, podman, containerd, registry"]
fn every_command_of_a_new_user() {
    let peers = Peers {
        docker: Dockerd::start(),
        containerd: Containerd::start(),
        registry: RealRegistry::start(Program::Distribution3, Setup::default()),
    };
    let _node = nodes(&peers.docker, "kind", &["kind-control-plane"]);
    let mut pages: Vec<String> = fs::read_dir(workspace().join("docs/start"))
        .unwrap()
        .map(|entry| format!("docs/start/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    for page in pages {
        let commands = run(&page, &peers);
        assert!(commands > 1, "{page} has {commands} commands");
        println!("{commands:>3} commands  {page}");
    }
    let [ctr, options @ ..] = peers.containerd.ctr();
    let mut images = command(ctr, options);
    images.args(["--namespace=k8s.io", "images", "ls", "-q"]);
    assert!(text(&stdout_of(images)).lines().any(|name| name == "docker.io/library/app:v1"));
}

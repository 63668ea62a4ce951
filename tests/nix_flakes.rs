use std::fs;
use std::path::Path;

use serde_json::Value;
use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::peer::{Dockerd, require, with_stdin};
use strake_testkit::wait::until;
use strake_testkit::workspace;

use crate::nix_library::{Library, docker as say};

/// The outputs of a flake, or of strake's own.
fn outputs(flake: Option<&Path>) -> String {
    let flake = flake.map_or_else(|| "null".to_owned(), |path| path.display().to_string());
    format!(
        "(import {}/nix/tests/flakes.nix {{ program = \"{}\"; flake = {flake}; }})",
        workspace().display(),
        env!("CARGO_BIN_EXE_strake")
    )
}

#[test]
#[ignore = "needs root, nix-build"]
fn the_flake_of_strake() {
    let library = Library::new();
    let own = outputs(None);
    let names = |expression: &str| -> Vec<String> {
        serde_json::from_value(library.value(&format!("builtins.attrNames ({own}.{expression})"))).unwrap()
    };
    assert_eq!(names("packages"), ["aarch64-linux", "x86_64-linux"]);
    assert_eq!(names("packages.x86_64-linux"), ["default", "strake"]);
    assert_eq!(names("templates"), ["default"]);
    assert_eq!(names("overlaid"), ["strake", "strakeTools"]);
    assert!(names("overlaid.strakeTools").contains(&"streamLayeredImage".to_owned()));
    assert!(names("lib { inherit pkgs; strake = 0; }").contains(&"buildLayer".to_owned()));
    // Without flakes it is the same.
    let without = format!("import {}/default.nix {{ inherit pkgs; strake = 0; }}", workspace().display());
    let without: Vec<String> =
        serde_json::from_value(library.value(&format!("builtins.attrNames ({without})"))).unwrap();
    assert_eq!(without, names("lib { inherit pkgs; strake = 0; }"));

    // The package's source is all that cargo needs, and nothing else.
    let said = library.value(&format!("{own}.package.version"));
    assert_eq!(said, env!("CARGO_PKG_VERSION"));
    let copy = format!("pkgs.runCommand \"source\" {{ }} \"cp -r ${{{own}.package.src}} $out\"");
    let source = library.build(&copy);
    let real = library.machine.real(source);
    let mut there: Vec<_> = fs::read_dir(&real).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    there.sort();
    assert_eq!(there, ["Cargo.lock", "Cargo.toml", "crates", "tests"]);
    let mut cargo = command("cargo", ["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    cargo.arg("--manifest-path").arg(real.join("Cargo.toml"));
    let metadata: Value = serde_json::from_slice(&stdout_of(cargo)).unwrap();
    assert!(metadata["packages"].as_array().unwrap().iter().any(|package| package["name"] == "strake"));

    // The files installed besides the program, by hooks that here only print their arguments.
    assert_eq!(library.value(&format!("{own}.package.buildType")), "dist");
    let out = library.machine.home().join("out");
    fs::create_dir_all(out.join("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_strake"), out.join("bin/strake")).unwrap();
    let install = library.string(&format!("{own}.package.postInstall"));
    let hooks =
        "installShellCompletion() { echo \"$@\"; test -s \"$4\"; }; installManPage() { echo \"$@\"; };";
    let mut shell = command("bash", ["-euc", &format!("{hooks} {install}")]);
    shell.current_dir(&out).env("out", &out);
    let said = text(&stdout_of(shell));
    for line in ["--cmd strake --bash completions.bash", "--cmd strake --zsh completions.zsh"] {
        assert!(said.lines().any(|said| said == line), "{said}");
    }
    assert!(said.contains("man/strake-stream.1") && said.contains("man/strake.1"), "{said}");
}

#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn the_template_and_the_examples() {
    let library = Library::new();
    let daemon = Dockerd::start();
    let load = |flake: &Path, package: &str| {
        let image = format!("{}.packages.x86_64-linux.{package}", outputs(Some(flake)));
        let archive = library.machine.home().join("image.tar");
        fs::write(&archive, library.stream(&library.build(&image))).unwrap();
        with_stdin(daemon.docker(["load"]), &archive);
        library.string(&format!("with {image}; \"${{imageName}}:${{imageTag}}\""))
    };
    let run = |image: &str| say(&daemon, &["run", "--rm", "--network=none", image]);
    let examples = workspace().join("examples/nix");
    let image = load(&workspace().join("templates/minimal"), "image");
    assert_eq!(run(&image), "Hello, world!");
    for (name, package, expected) in [
        ("shell-app", "image", "Hello, world!"),
        ("base-image", "onOwn", "Hello, world!"),
        ("multi-arch", "image", "Hello, world!"),
        ("layers", "image", "The application says:\nHello, world!"),
        ("ci", "image", "Hello, world!"),
    ] {
        assert_eq!(run(&load(&examples.join(name), package)), expected, "{name}");
    }
    let cross = load(&examples.join("multi-arch"), "cross");
    assert_eq!(say(&daemon, &["inspect", "--format", "{{.Architecture}}", &cross]), "arm64");
    let all = format!("{}.packages.x86_64-linux.all", outputs(Some(&examples.join("multi-arch"))));
    let copy = library.build(&format!("{all}.copyTo"));
    let layout = format!("oci:{}", library.machine.home().join("all").display());
    let second = format!("{layout}-second");
    library.machine.run(&format!("{copy}/bin/copy-to"), [&layout, &second, "--quiet"]);
    let strake = env!("CARGO_BIN_EXE_strake");
    for layout in [layout, second] {
        let inspected = library.machine.run(strake, ["inspect", &layout]);
        assert!(inspected.contains("amd64") && inspected.contains("arm64"), "{inspected}");
    }
    let refused = library
        .fails(&format!("{}.packages.x86_64-linux.image", outputs(Some(&examples.join("base-image")))));
    assert!(refused.contains("docker-image-docker.io-library-alpine-latest.tar"), "{refused}");

    // The service answers, as somebody who may write to /tmp.
    let web = load(&examples.join("web-service"), "image");
    let container = say(&daemon, &["run", "-d", "--network=none", &web]);
    let busybox = library.build("examples.busybox");
    let exec = |words: &[&str]| {
        let program = format!("{busybox}/bin/busybox");
        let arguments = [&["exec", &container, program.as_str()], words].concat();
        let run = || output_of(&mut daemon.docker(arguments.iter().copied()));
        let succeeds = || Some(run()).filter(|output| output.status.success());
        text(&until(succeeds, || format!("{words:?}: {}", text(&run().stderr))).stdout).trim().to_owned()
    };
    assert_eq!(exec(&["wget", "-q", "-O", "-", "http://127.0.0.1:8080/"]), "Hello from a container");
    assert_eq!(exec(&["id", "-un"]), "web");
    exec(&["touch", "/tmp/x", "/var/lib/web/x"]);
    say(&daemon, &["rm", "-f", &container]);

    // All of them are found.
    let there = fs::read_dir(&examples).unwrap().count();
    assert_eq!(there, 6);
    assert!(require("docker").is_file());
}

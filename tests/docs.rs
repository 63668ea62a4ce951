use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::peer::require;
use strake_testkit::workspace;

/// The commands in a page's `sh` blocks.
fn commands(page: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// Requirements of a command that a test cannot meet: another machine, an hour, root's own Docker.
fn is_elsewhere(command: &str) -> bool {
    ["cargo", "tests/run", "bench/", "docker ", "podman ", "nix build", "for "]
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
    for page in [
        "README.md",
        "docs/stream.md",
        "docs/plan.md",
        "docs/layers.md",
        "docs/copy.md",
        "docs/platforms.md",
        "docs/cache.md",
        "docs/describe.md",
        "docs/install.md",
    ] {
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
    assert!(count >= 20, "only {count} commands were found");
    assert!(place.path().join("hello.tar").is_file());
}

/// The output in a `console` block is the commands' output, but for the time that they take.
#[test]
fn recordings_are_true() {
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(workspace().join("examples"), place.path().join("examples")).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_strake")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let timeless = |text: &str| {
        let line = |line: &str| match line.split_once(" in ") {
            Some((before, after)) if after.ends_with(" s") => format!("{before} in some time"),
            _ => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let text_of_page = fs::read_to_string(workspace().join("README.md")).unwrap();
    let mut count = 0;
    for block in text_of_page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for step in block.split("$ ").skip(1) {
            let (line, expected) = step.split_once('\n').unwrap();
            let mut shell = command("bash", ["-euo", "pipefail", "-c", &format!("{line} 2>&1")]);
            shell.current_dir(place.path()).env("PATH", &path).env_remove("COLUMNS");
            shell.env("STRAKE_CACHE_DIR", place.path().join("cache"));
            assert_eq!(timeless(&text(&stdout_of(shell))), timeless(expected), "{line}");
            count += 1;
        }
    }
    assert!(count >= 4, "only {count} commands were found");
}

/// The picture in the README is the one that its caption says.
#[test]
fn the_picture_of_layers() {
    let graph = workspace().join("examples/nginx/graph.json");
    let graph = graph.to_str().unwrap();
    let strake = env!("CARGO_BIN_EXE_strake");
    let picture = stdout_of(command(strake, ["layers", graph, "--max-layers", "24", "--format", "svg"]));
    assert!(
        picture == fs::read(workspace().join("docs/layers.svg")).unwrap(),
        "docs/layers.svg is another picture"
    );
    // It is a picture that others can read: as many rows as layers, each name escaped.
    let picture = text(&picture);
    assert_eq!(picture.matches("class=\"n\"").count(), 24);
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
}

/// All Markdown files that users read.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md", "bench/README.md"]
            .iter()
            .map(|page| workspace().join(page))
            .collect();
    for directory in ["docs", "docs/start"] {
        let entries = fs::read_dir(workspace().join(directory)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    pages
}

/// The targets of a page's links, without those in code blocks.
fn links(page: &str) -> Vec<String> {
    let prose = page.split("```").step_by(2).collect::<String>();
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

/// The name by which a heading can be linked to, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for page in pages() {
        let text_of_page = fs::read_to_string(&page).unwrap();
        for link in links(&text_of_page) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, heading) =
                link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let target = target.canonicalize().unwrap_or_else(|_| panic!("{}: {link}", page.display()));
            // The book has nothing but docs.
            let docs = workspace().join("docs");
            assert!(!page.starts_with(&docs) || target.starts_with(&docs), "{}: {link}", page.display());
            if let Some(heading) = heading {
                let there = fs::read_to_string(&target).unwrap();
                let mut headings = there.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|line| anchor(line.trim_start_matches('#')) == heading),
                    "{}: {link}",
                    page.display()
                );
            }
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} links were found");
}

/// Every page is in the book.
#[test]
fn the_book_is_whole() {
    let docs = workspace().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: HashSet<PathBuf> = links(&summary).iter().map(|link| docs.join(link)).collect();
    let there = pages().into_iter().filter(|page| page.starts_with(&docs) && !page.ends_with("SUMMARY.md"));
    assert_eq!(listed, there.collect());
}

#[test]
fn every_option_is_documented() {
    for (verb, pages) in [
        ("stream", &["docs/stream.md", "docs/plan.md", "docs/layers.md"][..]),
        ("plan", &["docs/plan.md", "docs/layers.md"]),
        ("layers", &["docs/layers.md"]),
        (
            "copy",
            &["docs/copy.md", "docs/registries.md", "docs/platforms.md", "docs/plan.md", "docs/layers.md"],
        ),
        ("describe", &["docs/describe.md", "docs/plan.md", "docs/layers.md"]),
        ("nix-database", &["docs/plan.md"]),
        ("merge", &["docs/copy.md", "docs/registries.md"]),
        ("export", &["docs/copy.md", "docs/registries.md", "docs/plan.md", "docs/layers.md"]),
        ("inspect", &["docs/copy.md", "docs/registries.md"]),
        ("verify", &["docs/copy.md", "docs/registries.md"]),
        ("pin", &["docs/registries.md"]),
    ] {
        let text_of = |page: &&str| fs::read_to_string(workspace().join(page)).unwrap();
        let documented: String = pages.iter().map(text_of).collect();
        let help = text(&stdout_of(command(env!("CARGO_BIN_EXE_strake"), [verb, "--help"])));
        let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
        for option in options.map(|word| word.split([',', '.', ';', ':', '[']).next().unwrap()) {
            assert!(documented.contains(option), "{option} is not in {pages:?}");
        }
    }
}

/// The schema is made from the types.
#[test]
fn the_schema_of_a_conf() {
    let schema = stdout_of(command(env!("CARGO_BIN_EXE_strake"), ["plan", "--schema"]));
    let file = workspace().join("docs/conf.schema.json");
    assert!(schema == fs::read(&file).unwrap(), "strake plan --schema writes another docs/conf.schema.json");
}

/// The schema holds for confs that strake takes, and not for others.
#[test]
#[ignore = "needs jsonschema"]
fn confs_by_the_schema() {
    let file = workspace().join("docs/conf.schema.json");
    let place = tempfile::tempdir().unwrap();
    let graph = workspace().join("examples/hello/graph.json");
    let check = |conf: &str, right: bool| {
        let instance = place.path().join("conf.json");
        fs::write(&instance, conf).unwrap();
        let mut validator = command(require("jsonschema"), ["-i"]);
        validator.arg(&instance).arg(&file);
        assert_eq!(output_of(&mut validator).status.success(), right, "{conf}");
    };
    check(&fs::read_to_string(workspace().join("examples/hello/conf.json")).unwrap(), true);
    let text_of_page = fs::read_to_string(workspace().join("docs/conf.md")).unwrap();
    let example = text_of_page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let mut strake = command(env!("CARGO_BIN_EXE_strake"), ["plan", "--name", "x", "--graph"]);
    strake.arg(graph);
    let plan = text(&stdout_of(strake));
    check(&plan, true);
    // The page's example is one, too.
    let mut with: serde_json::Value = serde_json::from_str(&plan).unwrap();
    with["customisation"] = serde_json::from_str(example).unwrap();
    check(&with.to_string(), true);
    for (key, wrong) in [
        ("os", serde_json::json!("windows")),
        ("uid", serde_json::json!(-1)),
        ("store_layers", serde_json::json!(["a"])),
        ("customisation", serde_json::json!({ "rules": [{ "path": "/", "mode": 755 }] })),
        ("closure", serde_json::json!([{}])),
    ] {
        let mut conf = with.clone();
        conf[key] = wrong;
        check(&conf.to_string(), false);
    }
}

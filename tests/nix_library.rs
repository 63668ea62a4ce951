use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Instant;

use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::machine::Machine;
use strake_testkit::peer::require;
use strake_testkit::workspace;

/// The requirements of the library's tests on this machine.
const PEERS: [&str; 7] = ["nix-build", "unshare", "lndir", "fakeroot", "rsync", "jq", "busybox"];

/// The library on a machine with an empty store.
pub(crate) struct Library {
    pub(crate) machine: Machine,
}

impl Library {
    pub(crate) fn new() -> Self {
        for program in PEERS {
            require(program);
        }
        Self { machine: Machine::new() }
    }

    /// The expression in nix/tests. With `NIXPKGS=path` the packages are real ones.
    fn tests() -> String {
        let nixpkgs = std::env::var("NIXPKGS").unwrap_or_else(|_| "null".to_owned());
        format!(
            "import {}/nix/tests {{ program = \"{}\"; nixpkgs = {nixpkgs}; }}",
            workspace().display(),
            env!("CARGO_BIN_EXE_strake")
        )
    }

    /// One of Nix's programs for an expression, in which `t` is nix/tests. It must not build anything to evaluate.
    pub(crate) fn nix(&self, program: &str, expression: &str, options: &[&str]) -> Command {
        let expression =
            format!("let t = {}; inherit (t) library pkgs examples layers; in {expression}", Self::tests());
        let mut nix = self.machine.command(program, options);
        nix.args(["--option", "allow-import-from-derivation", "false", "-E", &expression]);
        nix
    }

    /// Builds what an expression stands for, a derivation or a list, and returns the store paths.
    pub(crate) fn build_all(&self, expression: &str) -> Vec<String> {
        let built = stdout_of(self.nix("nix-build", expression, &["--no-out-link"]));
        text(&built).lines().map(str::to_owned).collect()
    }

    /// The same for one.
    pub(crate) fn build(&self, expression: &str) -> String {
        let [built] = <[String; 1]>::try_from(self.build_all(expression)).unwrap();
        built
    }

    /// Builds it, and returns what was said of it.
    pub(crate) fn log(&self, expression: &str) -> String {
        let output = output_of(&mut self.nix("nix-build", expression, &["--no-out-link"]));
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        said
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str) -> serde_json::Value {
        let options = ["--eval", "--strict", "--json"];
        serde_json::from_slice(&stdout_of(self.nix("nix-instantiate", expression, &options))).unwrap()
    }

    pub(crate) fn string(&self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    /// The error of evaluating or building an expression.
    pub(crate) fn fails(&self, expression: &str) -> String {
        let Output { status, stderr, .. } =
            output_of(&mut self.nix("nix-build", expression, &["--no-out-link"]));
        assert!(!status.success(), "{expression} does not fail");
        text(&stderr)
    }

    /// The names of the derivations that would be built.
    pub(crate) fn to_build(&self, expression: &str) -> BTreeSet<String> {
        let output = output_of(&mut self.nix("nix-build", expression, &["--no-out-link", "--dry-run"]));
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        let names = said.lines().filter_map(|line| line.trim().strip_prefix("/nix/store/"));
        names.filter_map(|name| Some(name.strip_suffix(".drv")?[33..].to_owned())).collect()
    }

    /// The output of an image that streams.
    pub(crate) fn stream(&self, image: &str) -> Vec<u8> {
        stdout_of(self.machine.command::<&str>(image, []))
    }

    /// A conf, read.
    pub(crate) fn conf(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.machine.real(path)).unwrap()).unwrap()
    }
}

/// For the same arguments an image is what dockerTools' script makes of its conf, by way of a program in Python that
/// does the same; and the customisation layer is packed as dockerTools packs it.
#[test]
#[ignore = "needs root, nix-build"]
fn the_archives_of_dockertools() {
    let library = Library::new();
    let names = [
        "helloOnRoot",
        "helloOnRootNoStore",
        "shellNoTagStream",
        "dated",
        "layered.stream",
        "onTopLayered.stream",
        "childLayered.stream",
        "twoLayers",
        "bulkOnBase.stream",
        "popular",
        "noStorePaths.stream",
        "storeSymlink",
        "prefixed",
        "withUser",
        "fakeRoot",
        "cross",
        "certificates",
        "withPath",
    ];
    for name in names {
        let image = library.build(&format!("examples.{name}"));
        let conf = library.build(&format!("examples.{name}.conf"));
        let oracle = workspace().join("bench/baseline.py");
        let expected =
            stdout_of(library.machine.command("python3", [oracle.to_str().unwrap(), conf.as_str()]));
        assert!(library.stream(&image) == expected, "{name}");
        let said = library.string(&format!("with examples.{name}; \"${{imageName}}:${{imageTag}}\""));
        assert_eq!(library.conf(&conf)["repo_tag"], said.as_str(), "{name}");
    }
    if std::env::var_os("NIXPKGS").is_some() {
        // The real ones, for the same arguments.
        for arguments in [
            "contents = [ examples.hello ]; config.Cmd = [ \"hello\" ];",
            "contents = [ examples.busybox examples.hello ]; extraCommands = \"mkdir x; echo y > x/y\"; maxLayers = 5;",
            "contents = examples.busybox; fakeRootCommands = \"mkdir home; chown 7:8 home\"; uid = 3; gname = \"g\";",
        ] {
            let archive = |tools: &str| {
                let expression =
                    format!("{tools}.streamLayeredImage {{ name = \"same\"; tag = \"1\"; {arguments} }}");
                library.stream(&library.build(&expression))
            };
            assert!(archive("library") == archive("pkgs.dockerTools"), "{arguments}");
        }
    }
}

#[test]
#[ignore = "needs root, nix-build"]
fn the_customisation_layer_of_dockertools() {
    let library = Library::new();
    let conf = library.conf(&library.build("examples.fakeRoot.conf"));
    let layer = library.machine.real(conf["customisation_layer"].as_str().unwrap()).join("layer.tar");
    // The result of symlinkJoin, fakeroot and GNU tar for the same, by hand.
    let tools = library.build("examples.busybox");
    let hello = library.build("examples.hello");
    let script = r#"
        lndir -silent "$1" .
        fakeroot bash -euc '
          mkdir -p ./home/jane ./hello
          chown 1000:100 ./home/jane
          chmod 2750 ./home/jane
          ln -s "$1"/bin/hello ./hello/greet
          tar --sort name --numeric-owner --mtime @1 --hard-dereference -cf - .
        ' bash "$2"
    "#;
    let tree = library.machine.home().join("tree");
    fs::create_dir(&tree).unwrap();
    let mut packed = library.machine.command("bash", ["-euc", script, "bash", &tools, &hello]);
    packed.current_dir(&tree);
    assert!(fs::read(layer).unwrap() == stdout_of(packed));
}

/// The numbers that dockerTools' own `auto-layer.py` came to for a closure of which base.json and the customisation layer
/// are part, though not in the image.
#[test]
#[ignore = "needs root, nix-build"]
fn what_is_not_in_the_image_counts_as_in_dockertools() {
    let library = Library::new();
    let conf = library.conf(&library.build("examples.twoLayers.conf"));
    // Of two layers one is left for busybox, greeting and hello.
    assert_eq!(conf["store_layers"].as_array().unwrap().len(), 1);
    assert_eq!(conf["closure"].as_array().unwrap().len(), 3);
    // Two left on a base of two: a layer for the rest, and one for the largest, which is busybox.
    let conf = library.conf(&library.build("examples.bulkOnBase.stream.conf"));
    assert_eq!(conf["store_layers"].as_array().unwrap().len(), 1);
    let said = library.fails("examples.tooFewLayers");
    assert!(said.contains("of 3 layers none is left for store paths"), "{said}");
}

#[test]
#[ignore = "needs root, nix-build"]
fn what_is_refused() {
    let library = Library::new();
    for (expression, words) in [
        (
            "examples.asRoot",
            &["runAsRoot", "customisation =", "rules =", "nix2container.buildImage with perms"][..],
        ),
        (
            "library.streamLayeredImage { name = \"x\"; maxLayers = 1; }",
            &["maxLayers must be greater than 1"],
        ),
        (
            "library.buildLayeredImage { name = \"x\"; compressor = \"lz4\"; }",
            &["one of gz none zstd, not lz4"],
        ),
        (
            "library.streamLayeredImage { name = \"x\"; customisation = { }; extraCommands = \"true\"; }",
            &["customisation takes the place of extraCommands"],
        ),
        (
            "library.buildImage { name = \"x\"; contents = examples.hello; copyToRoot = examples.hello; }",
            &["only one of them"],
        ),
        (
            "library.buildLayer { copyToRoot = examples.hello; perms = [ { path = examples.busybox; mode = \"0700\"; } ]; }",
            &["perms are for what copyToRoot names"],
        ),
        (
            "library.streamNixShellImage { drv = examples.hello // { drvAttrs.__structuredAttrs = true; }; }",
            &["structured attributes"],
        ),
        (
            "library.streamNixShellImage { drv = examples.hello; command = \"a\"; run = \"b\"; }",
            &["not both"],
        ),
    ] {
        let said = library.fails(expression);
        for word in words {
            assert!(said.contains(word), "{expression}: {word:?} is not in {said}");
        }
    }
}

#[test]
#[ignore = "needs root, nix-build"]
fn evaluation_is_fast_and_nothing_is_built_twice() {
    let library = Library::new();
    let images = |first: &str| {
        format!(
            "map (number: library.streamLayeredImage {{ name = \"image-${{toString number}}\"; contents = [ {first} ]; \
             config.Env = [ \"NUMBER=${{toString number}}\" ]; }}) (builtins.genList (number: number) 100)"
        )
    };
    let begun = Instant::now();
    let derivations =
        text(&stdout_of(library.nix("nix-instantiate", &images("examples.hello"), &["--readonly-mode"])));
    println!("100 images were evaluated in {:?}", begun.elapsed());
    assert_eq!(derivations.lines().count(), 100);
    // A derivation for each of: the config, the customisation layer, the conf, the stream; what they share is shared.
    let all = library.to_build(&images("examples.hello"));
    let each = ["base.json", "customisation-layer", "conf.json", "stream"];
    let of_images = all.iter().filter(|name| name.contains("image-")).count();
    assert_eq!(of_images, 100 * each.len());
    assert!(all.len() - of_images <= 10, "{all:#?}");

    let layers = "[ examples.layered examples.childLayered examples.fakeRoot examples.withDatabase.stream ]";
    library.build_all(layers);
    assert_eq!(library.to_build(layers), BTreeSet::new());
}

/// Each file in nix/ says on top what it is.
#[test]
fn each_function_is_documented_where_it_stands() {
    let directory = workspace().join("nix");
    let files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "nix"));
    let mut count = 0;
    for file in files {
        assert!(fs::read_to_string(file).unwrap().starts_with("# "), "{}", file.display());
        count += 1;
    }
    assert!(count > 20);
}

/// A docker command's output.
pub(crate) fn docker(docker: &strake_testkit::peer::Dockerd, arguments: &[&str]) -> String {
    text(&stdout_of(docker.docker(arguments.iter().copied()))).trim().to_owned()
}

/// The members of an archive, as tar lists them.
pub(crate) fn listing(archive: &std::path::Path, options: &[&str]) -> String {
    let mut tar = command("tar", ["--list", "--numeric-owner", "--file"]);
    tar.arg(archive).args(options);
    text(&stdout_of(tar))
}

/// Files in place of links in `/etc`: where a layer is packed, where it is described, and not in dockerTools' own images.
#[test]
#[ignore = "needs root, nix-build"]
fn files_in_place_of_links_in_etc() {
    let library = Library::new();
    let listed = |expression: &str| {
        let conf = library.conf(&library.build(&format!("({expression}).conf")));
        let layer = library.machine.real(conf["customisation_layer"].as_str().unwrap()).join("layer.tar");
        let listed = text(&stdout_of(command("tar", ["-tvf".as_ref(), layer.as_os_str()])));
        let mut etc: Vec<String> = Vec::new();
        for line in listed.lines() {
            let (mode, name) = (line.split(' ').next().unwrap(), line.split(" ./").nth(1).unwrap());
            if name.starts_with("etc") {
                let link = if name.contains(" -> ") { " (a link)" } else { "" };
                etc.push(format!("{mode} {}{link}", name.split(" -> ").next().unwrap()));
            }
        }
        etc
    };
    let linked = "lrwxrwxrwx";
    let links = ["nsswitch.conf (a link)", "passwd (a link)"].map(|name| format!("{linked} etc/{name}"));
    let as_links = listed("examples.withUser");
    assert!(links.iter().all(|link| as_links.contains(link)), "{as_links:?}");
    let files = ["-rw-r--r-- etc/group", "-rw-r--r-- etc/passwd", "lrwxrwxrwx etc/nsswitch.conf (a link)"];
    let mut found = listed("examples.withUser.override { materializeEtc = true; }");
    found.sort();
    assert_eq!(found[..2], files[..2]);
    assert!(found.iter().any(|line| line == files[2]), "{found:?}");
    // A link to all of it, and files that commands add to.
    let directory = "pkgs.runCommand \"directory\" { } ''mkdir $out; ln -s ${pkgs.fakeNss or library.fakeNss}/etc $out/etc''";
    let added = format!(
        "library.streamLayeredImage {{ name = \"x\"; contents = [ ({directory}) ]; materializeEtc = true; extraCommands = \"echo app:x:1:1::/: >> etc/passwd\"; }}"
    );
    let mut found = listed(&added);
    found.sort();
    assert_eq!(found[..2], files[..2]);
    assert!(found.iter().any(|line| line == files[2]), "{found:?}");
    // strake makes the described image.
    for (expression, expected) in [
        (
            "library.streamLayeredImage { name = \"x\"; contents = [ library.fakeNss ]; customisation = { }; }",
            true,
        ),
        (
            "library.streamLayeredImage { name = \"x\"; contents = [ library.fakeNss ]; customisation = { }; materializeEtc = false; }",
            false,
        ),
        ("library.nix2container.buildImage { name = \"x\"; copyToRoot = [ library.fakeNss ]; }", true),
        (
            "library.nix2container.buildImage { name = \"x\"; copyToRoot = [ library.fakeNss ]; materializeEtc = false; }",
            false,
        ),
    ] {
        let conf = library.conf(&library.build(&format!("({expression}).conf")));
        let customisation =
            conf["customisation"].as_array().map_or(&conf["customisation"], |several| &several[0]);
        assert_eq!(customisation["materialize_etc"], expected, "{expression}");
        assert!(library.stream(&library.build(expression)).len() > 1000);
    }
}

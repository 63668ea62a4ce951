use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use strake_testkit::command::{output_of, stdout_of, text};
use strake_testkit::peer::{Dockerd, with_stdin};

use crate::nix_library::{Library, docker as say, listing};

/// The library with a Docker daemon.
struct Docker {
    library: Library,
    daemon: Dockerd,
}

impl Docker {
    /// Builds an image that is an archive, and loads it. Returns its name with its tag.
    fn load(&self, name: &str) -> String {
        let archive = self.library.build(&format!("examples.{name}"));
        with_stdin(self.daemon.docker(["load"]), &self.library.machine.real(archive));
        self.library.string(&format!("with examples.{name}; \"${{imageName}}:${{imageTag}}\""))
    }

    /// The same for one that streams.
    fn stream(&self, name: &str) -> String {
        let image = self.library.build(&format!("examples.{name}"));
        let archive = self.library.stream(&image);
        let mut load = self.daemon.docker(["load"]);
        let mut load = load.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        load.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(load.wait().unwrap().success());
        self.library.string(&format!("with examples.{name}; \"${{imageName}}:${{imageTag}}\""))
    }

    fn say(&self, arguments: &[&str]) -> String {
        say(&self.daemon, arguments)
    }

    /// The output of a container.
    fn run(&self, image: &str, words: &[&str]) -> String {
        self.say(&[&["run", "--rm", "--network=none", image], words].concat())
    }

    /// The result of a container that must fail.
    fn fails(&self, image: &str, words: &[&str]) {
        let arguments = [&["run", "--rm", "--network=none", image], words].concat();
        let output = output_of(&mut self.daemon.docker(arguments));
        assert!(!output.status.success(), "{image} {words:?}: {}", text(&output.stdout));
    }

    fn created(&self, image: &str) -> String {
        self.say(&["inspect", "--format", "{{.Created}}", image])
    }

    fn layers(&self, image: &str) -> Vec<String> {
        let layers =
            self.say(&["inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}", image]);
        layers.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

fn start() -> Docker {
    Docker { library: Library::new(), daemon: Dockerd::start() }
}

const EPOCH: &str = "1970-01-01T00:00:01Z";

#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn names_dates_and_layers() {
    let docker = start();
    let hello = docker.stream("helloOnRoot");
    assert_eq!(docker.run(&hello, &[]), "Hello, world!");
    docker.say(&["rmi", &hello]);
    let hello = docker.stream("helloOnRootNoStore");
    docker.fails(&hello, &[]);

    // A tag that is given, and one that is not.
    let shell = docker.load("shell");
    assert_eq!((shell.as_str(), docker.created(&shell).as_str()), ("shell:latest", EPOCH));
    assert_eq!(docker.run(&shell, &["sh", "-c", "echo $((6 * 7))"]), "42");
    let tags: BTreeSet<String> =
        [docker.load("shellNoTag"), docker.load("shellNoTagLayered"), docker.stream("shellNoTagStream")]
            .into();
    let listed = docker.say(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    for tag in &tags {
        assert!(listed.lines().any(|line| line == tag), "{tag} is not in {listed}");
        assert_eq!(tag.rsplit(':').next().unwrap().len(), 32);
    }
    let prefixed = docker.stream("prefixed");
    let listed = docker.say(&["images", "--format", "{{.Repository}}"]);
    assert!(listed.contains(prefixed.rsplit_once(':').unwrap().0), "{listed}");

    assert_ne!(docker.created(&docker.load("unstableDate")), EPOCH);
    assert_ne!(docker.created(&docker.stream("unstableDateLayered")), EPOCH);
    let dated = docker.stream("dated");
    assert_eq!((dated.as_str(), docker.created(&dated).as_str()), ("dated:latest", "2001-02-03T04:05:06Z"));

    // Layers are shared, those of the base image are below, and no more are made than may be.
    let layered = docker.load("layered");
    assert_eq!(docker.run(&layered, &[]), "Hello, world!");
    assert_eq!(docker.run(&layered, &["/bin/cat", "/extraCommands"]), "(extraCommand)");
    for on_top in ["onTop", "onTopLayered"] {
        let on_top = docker.load(on_top);
        assert_eq!(docker.run(&on_top, &[]), "hello");
        let base = docker.layers(&layered);
        assert_eq!(docker.layers(&on_top)[..base.len()], base);
    }
    let of = |image: &str| docker.layers(image).into_iter().collect::<BTreeSet<_>>();
    assert!(!of(&layered).is_disjoint(&of(&docker.load("another"))));
    let order = docker.load("layersOrder");
    for number in ["1", "2", "3"] {
        let file = format!("/tmp/layer{number}");
        assert_eq!(docker.run(&order, &["cat", &file]), format!("layer{number}"));
    }
    for (image, count) in [("twoLayers", 2), ("bulk", 2), ("popular", 3)] {
        let image = docker.stream(image);
        assert_eq!((docker.layers(&image).len(), docker.run(&image, &[]).as_str()), (count, "Hello, world!"));
    }
    let bulk = docker.load("bulkOnBase");
    assert_eq!(docker.layers(&bulk).len(), 4);
    assert_eq!(docker.run(&bulk, &["/bin/ls", "/bin/hello", "/share/one", "/share/two"]).lines().count(), 3);
    let cross = docker.stream("cross");
    assert_eq!(docker.say(&["inspect", "--format", "{{.Architecture}}", &cross]), "arm64");
}

#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn environments_and_files() {
    let docker = start();
    for child in ["child", "childLayered"] {
        let child = docker.load(child);
        let env = docker.run(&child, &["env"]);
        for line in ["FROM_PARENT=true", "FROM_CHILD=true", "LAST_LAYER=child"] {
            assert!(env.lines().any(|found| found == line), "{line} is not in {env}");
        }
        let config =
            docker.say(&["inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", &child]);
        assert_eq!(config.matches("LAST_LAYER").count(), 1, "{config}");
    }

    // All of the base's config, and no store path twice: the base has hello already.
    let child = docker.stream("childOfAll");
    assert_eq!(docker.run(&child, &[]), "Hello, world!");
    let base = docker.layers(&docker.load("layered")).len();
    assert_eq!(docker.layers(&child).len(), base + 1);

    let no_store = docker.load("noStorePaths");
    assert!(docker.run(&no_store, &["ls", "/"]).contains("bin"));
    docker.fails(&no_store, &["ls", "/nix/store"]);
    let image = docker.stream("storeSymlink");
    let symlink = docker.library.string("examples.storeSymlink.symlink.outPath");
    docker.run(&image, &["/bin/test", "-L", &symlink]);
    for (image, built) in [("withPath", false), ("withPathCopied", true)] {
        let image = if built { docker.load(image) } else { docker.stream(image) };
        assert_eq!(docker.run(&image, &["/bin/cat", "/hello.txt"]), "hello");
    }
    // A user that is not root can enter the store.
    let image = docker.stream("withUser");
    let user = docker.say(&["run", "--rm", "--network=none", "-u", "app", &image, "/bin/id", "-u"]);
    assert_eq!(user, "999");
    let certificates = docker.stream("certificates");
    for file in ["ssl/certs/ca-bundle.crt", "ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt"] {
        docker.run(&certificates, &["/bin/test", "-r", &format!("/etc/{file}")]);
    }
    docker.run(&certificates, &["/bin/test", "-L", "/bin/sh", "-a", "-L", "/usr/bin/env"]);

    // Owners by commands and by declaration are the same.
    for owned in ["fakeRoot", "declared"] {
        let owned = docker.stream(owned);
        let stat = docker.run(&owned, &["/bin/stat", "-c", "%u:%g %a", "/home/jane"]);
        assert_eq!(stat, "1000:100 2750", "{owned}");
        assert_eq!(docker.run(&owned, &["/hello/greet"]), "Hello, world!");
    }
    assert_eq!(docker.run("declared:latest", &["/bin/stat", "-c", "%a", "/tmp"]), "1777");
}

#[test]
#[ignore = "needs root, nix-build, proot, dockerd"]
fn commands_for_which_the_tree_is_the_root() {
    let docker = start();
    let image = docker.stream("fakeChroot");
    assert_eq!(docker.run(&image, &["/bin/stat", "-c", "%u:%g", "/data"]), "12:34");
    // Files that only the commands needed are not in the image.
    assert_eq!(
        docker.run(&image, &["/bin/ls", "/"]).lines().filter(|name| ["usr", "lib"].contains(name)).count(),
        0
    );
}

#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn databases() {
    let docker = start();
    for name in ["withDatabase", "withDatabaseInOne"] {
        let image = docker.load(name);
        // A container's file system as a store, in which this machine's Nix verifies.
        let container = docker.say(&["create", &image, "/bin/true"]);
        let root = tempfile::tempdir().unwrap();
        let exported = root.path().join("exported.tar");
        let exported_name = exported.to_str().unwrap();
        docker.say(&["export", "-o", exported_name, &container]);
        let tree = root.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let mut tar = strake_testkit::command::command("tar", ["-x", "--file", exported_name, "-C"]);
        tar.arg(&tree);
        stdout_of(tar);
        crate::nix::nix(&tree, "nix-store", &["--verify", "--check-contents"]);
        let hello = docker.library.build("examples.hello");
        let closure = crate::nix::nix(&tree, "nix-store", &["--query", "--requisites", &hello]);
        assert_eq!(closure.lines().count(), 3, "{closure}");
        let registered = crate::nix::nix(&tree, "nix-store", &["--dump-db"]);
        for entry in std::fs::read_dir(tree.join("nix/store")).unwrap() {
            let path = format!("/nix/store/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(path == "/nix/store/.links" || registered.contains(&path), "{path} is not registered");
        }
    }
}

#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn a_shell_for_a_derivation_builds_it() {
    let docker = start();
    let image = docker.stream("nixShell");
    assert_eq!(docker.run(&image, &[]), "Hello, builder! in /build as 1000");
}

#[test]
#[ignore = "needs root, nix-build, dockerd"]
fn several_images_and_flat_ones() {
    let docker = start();
    let merged = docker.library.build("examples.merged");
    with_stdin(docker.daemon.docker(["load"]), &docker.library.machine.real(&merged));
    let listed = docker.say(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    for name in ["shell", "shellNoTag", "shellZstd", "fakeRoot"] {
        let tag = docker.library.string(&format!("with examples.{name}; \"${{imageName}}:${{imageTag}}\""));
        assert!(listed.lines().any(|line| line == tag), "{tag} is not in {listed}");
        assert_eq!(docker.run(&tag, &["/bin/echo", "hello"]), "hello");
    }
    let stat = docker.run("fake-root:latest", &["/bin/stat", "-c", "%u", "/home/jane"]);
    assert_eq!(stat, "1000");
    // Shared layers are in the archive once.
    let members = listing(&docker.library.machine.real(&merged), &[]);
    let layers: Vec<&str> = members.lines().filter(|line| line.ends_with("layer.tar")).collect();
    assert_eq!(layers.len(), layers.iter().collect::<BTreeSet<_>>().len(), "{members}");

    // The flat image has what a container has.
    let order = docker.load("layersOrder");
    let container = docker.say(&["create", &order, "/bin/true"]);
    let home = docker.library.machine.home();
    let theirs = home.join("theirs.tar");
    docker.say(&["export", "-o", theirs.to_str().unwrap(), &container]);
    let ours = docker.library.machine.real(docker.library.build("examples.exported"));
    let names = |archive| -> BTreeSet<String> {
        let lines = listing(archive, &["--verbose"]);
        // Entries that Docker makes in every container.
        let made = ["etc", "dev", "proc", "sys", ".dockerenv"];
        let entries = lines.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = words[5..].join(" ");
            let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
            (words[0].to_owned(), words[1].to_owned(), words[2].to_owned(), name)
        });
        entries
            .filter(|entry| {
                !made.iter().any(|made| entry.3.split('/').next() == Some(made)) && !entry.3.is_empty()
            })
            .map(|(mode, owner, size, name)| format!("{mode} {owner} {size} {name}"))
            .collect()
    };
    assert_eq!(names(&ours), names(&theirs));
    assert!(listing(&ours, &[]).lines().any(|line| line == "./bin/busybox"));
}

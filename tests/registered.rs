use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use strake_testkit::command::{command, output_of, stdout_of, text};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::nix::{DERIVATIONS, nix};
use crate::strake::{program, ran};

/// A store of Nix's build: a tool that needs a library, a tree that needs nothing. Returns the tool and the tree.
fn built() -> (TestStore, String, String) {
    let store = TestStore::empty();
    let root = store.root();
    // So that other users can come in.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    let file = root.join("default.nix");
    fs::write(&file, DERIVATIONS).unwrap();
    let tool = nix(root, "nix-build", &["--no-out-link", file.to_str().unwrap(), "-A", "tool"]);
    fs::create_dir_all(root.join("tree/share")).unwrap();
    fs::write(root.join("tree/share/text"), "text\n").unwrap();
    let tree = nix(root, "nix-store", &["--add", root.join("tree").to_str().unwrap()]);
    (store, tool.trim().to_owned(), tree.trim().to_owned())
}

/// The closure as `strake layers` has it.
fn closure(mut strake: Command, store: &TestStore, paths: &[&str]) -> Vec<String> {
    strake
        .args(["layers", "--strategy", "one", "--format", "lines", "--store-root"])
        .arg(store.root())
        .args(paths);
    sorted(&text(&stdout_of(strake)))
}

fn sorted(lines: &str) -> Vec<String> {
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// strake as a user who owns nothing here.
fn as_nobody() -> Command {
    let options = ["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_strake")];
    let mut strake = command(require("setpriv"), options);
    strake.env("STRAKE_CACHE_DIR", "/nonexistent");
    strake
}

fn requisites(store: &TestStore, paths: &[&str]) -> Vec<String> {
    sorted(&nix(store.root(), "nix-store", &[&["--query", "--requisites"], paths].concat()))
}

/// Writes to the database like Nix does, and stays in the middle of it until it is dropped.
struct Writer(Child);

const WRITE: &str = r"
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute('pragma journal_mode = wal')
database.execute('pragma wal_autocheckpoint = 0')
insert = 'insert into ValidPaths (path, hash, registrationTime, narSize) values (?, ?, 1, 1)'
database.execute(insert, (sys.argv[2], 'sha256:' + '0' * 64))
database.execute('insert into Refs select a.id, b.id from ValidPaths a, ValidPaths b where a.path = ? and b.path = ?', sys.argv[2:4])
database.execute('begin immediate')
database.execute(insert, (sys.argv[2] + '-uncommitted', 'sha256:' + '0' * 64))
database.execute('insert into Refs select a.id, b.id from ValidPaths a, ValidPaths b where a.path = ? and b.path = ?', (sys.argv[2], sys.argv[2] + '-uncommitted'))
print('ready', flush=True)
sys.stdin.read()
";

impl Writer {
    fn start(store: &TestStore, new: &str, reference: &str) -> Self {
        let mut python = command("python3", ["-c", WRITE]);
        python.arg(store.real("/nix/var/nix/db/db.sqlite")).args([new, reference]);
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs root, nix-build, nix-store, setpriv"]
fn closures_are_those_of_nix() {
    let (store, tool, tree) = built();
    for paths in [&[tool.as_str()][..], &[&tree], &[&tool, &tree]] {
        assert_eq!(closure(program(), &store, paths), requisites(&store, paths));
        assert_eq!(closure(as_nobody(), &store, paths), requisites(&store, paths));
    }
    assert_eq!(requisites(&store, &[&tool]).len(), 2);
    // A link like nix-build's, and a file in a store path.
    let result = store.root().join("result");
    std::os::unix::fs::symlink(&tool, &result).unwrap();
    assert_eq!(closure(program(), &store, &[result.to_str().unwrap()]), requisites(&store, &[&tool]));
    assert_eq!(closure(program(), &store, &[&format!("{tool}/bin/tool")]), requisites(&store, &[&tool]));

    let mut unknown = program();
    let name = "/nix/store/00000000000000000000000000000000-unknown";
    unknown.args(["layers", name, "--store-root"]).arg(store.root());
    ran(output_of(&mut unknown)).failed(&[name, "is not valid", "hint: build or fetch it"]);
}

#[test]
#[ignore = "needs root, nix-build, nix-store, setpriv"]
fn closures_while_somebody_writes() {
    let (store, tool, _) = built();
    let new = "/nix/store/11111111111111111111111111111111-new";
    let mut expected = requisites(&store, &[&tool]);
    expected.push(new.to_owned());
    expected.sort();
    let writer = Writer::start(&store, new, &tool);
    assert!(store.real("/nix/var/nix/db/db.sqlite-wal").metadata().unwrap().len() > 0);
    // Committed transactions are present, others are absent.
    assert_eq!(closure(program(), &store, &[new]), expected);
    assert_eq!(closure(as_nobody(), &store, &[new]), expected);
    // A writer that was killed leaves its log, which only who may write there can take over.
    drop(writer);
    let mut strake = as_nobody();
    strake.args(["layers", new, "--strategy", "one", "--store-root"]).arg(store.root());
    let ran = ran(output_of(&mut strake));
    if ran.code == Some(0) {
        assert_eq!(closure(as_nobody(), &store, &[new]), expected);
    } else {
        ran.failed(&["cannot read the Nix database", "--graph"]);
    }
    assert_eq!(closure(program(), &store, &[new]), expected);
}

#[test]
#[ignore = "needs root, nix-build, nix-store"]
fn without_a_database_nix_is_asked() {
    let (store, tool, _) = built();
    let expected = requisites(&store, &[&tool]);
    // A nix-store that has the store although strake does not find its database.
    let elsewhere = TestStore::empty();
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "#!/bin/sh\nNIX_REMOTE='local?root={}' NIX_CONF_DIR={} exec {} \"$@\"\n",
        store.root().display(),
        store.root().join("etc").display(),
        require("nix-store").display()
    );
    let fake = directory.path().join("nix-store");
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let mut strake = program();
    strake.env("PATH", path);
    assert_eq!(closure(strake, &elsewhere, &[&tool]), expected);

    let mut strake = program();
    strake.env("PATH", "/nonexistent").args(["layers", &tool, "--store-root"]).arg(elsewhere.root());
    ran(output_of(&mut strake)).failed(&["db.sqlite", "nix-store cannot be started", "hint:", "--graph"]);
}

/// Unpacks an image's layers over each other.
fn unpack(archive: &Path, directory: &Path) {
    const UNPACK: &str = r"
import io, json, sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for layer in json.load(archive.extractfile('manifest.json'))[0]['Layers']:
        with tarfile.open(fileobj=archive.extractfile(layer)) as layer:
            for member in layer:
                member.name = member.name.lstrip('/')
                layer.extract(member, sys.argv[2], set_attrs=not member.isdir())
";
    let mut python = command("python3", ["-c", UNPACK]);
    python.arg(archive).arg(directory);
    stdout_of(python);
}

#[test]
#[ignore = "needs root, nix-build, nix-store"]
fn the_database_in_an_image_is_right() {
    let (store, tool, tree) = built();
    let archive = store.root().join("image.tar");
    let stream = |output: &Path| {
        let mut strake = program();
        strake.args(["stream", "--no-cache", "--nix-database", "-t", "db:1", &tool, &tree, "--store-root"]);
        strake.arg(store.root()).arg("-o").arg(output);
        stdout_of(strake);
    };
    stream(&archive);
    let again = store.root().join("again.tar");
    stream(&again);
    assert!(fs::read(&archive).unwrap() == fs::read(&again).unwrap());

    let inside = tempfile::tempdir().unwrap();
    unpack(&archive, inside.path());
    let said = nix(inside.path(), "nix-store", &["--verify", "--check-contents"]);
    assert_eq!(said, "");
    let valid = |root: &Path| sorted(&nix(root, "nix-store", &["--query", "--requisites", &tool, &tree]));
    assert_eq!(valid(inside.path()), valid(store.root()));
    let info = |root: &Path, query: &str| nix(root, "nix-store", &["--query", query, &tool]);
    for query in ["--hash", "--size", "--references", "--referrers"] {
        assert_eq!(info(inside.path(), query), info(store.root(), query), "{query}");
    }
    let links = inside.path().join("nix/var/nix/gcroots/docker");
    let mut roots: Vec<String> = fs::read_dir(links)
        .unwrap()
        .map(|link| fs::read_link(link.unwrap().path()).unwrap().display().to_string())
        .collect();
    roots.sort();
    assert_eq!(roots, sorted(&format!("{tool}\n{tree}")));
    // Nothing more is registered, and nothing is there that is not.
    let all = nix(inside.path(), "nix-store", &["--dump-db"]);
    assert_eq!(all.lines().filter(|line| line.starts_with("/nix/store/")).count(), 3 + 1, "{all}");
    assert_eq!(
        nix(inside.path(), "nix-store", &["--gc", "--print-dead"])
            .lines()
            .filter(|line| line.contains("/nix/store/"))
            .count(),
        0
    );
}

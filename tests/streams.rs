use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use strake_testkit::command::{output_of, text};
use strake_testkit::image::Image;
use strake_testkit::registry::{Personality, Registry};
use strake_testkit::store::TestStore;
use strake_testkit::workspace;

use crate::platforms::Several;
use crate::registry::User;

/// The targets of the three standard streams, in shell syntax.
struct World {
    user: User,
    store: TestStore,
    several: Several,
    registry: Registry,
}

/// The result of a run: its exit code, stdout and stderr, and the file `new`.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
    file: Option<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        let user = User::new();
        let registry = Registry::start(Personality::default());
        let image = Image::of_sizes(&[3000, 1000]);
        image.write_layout(&user.path("image"), "image:1");
        image.put(&registry, "app", "1");
        let evil = Image::claiming(&[(b"one", b"other")]);
        evil.write_layout(&user.path("evil"), "evil:1");
        user.ok(&["copy", "-q", "oci:image", "docker-archive:image.tar"]);
        Self { user, store: TestStore::golden(1), several: Several::new(), registry }
    }

    /// Runs strake under a shell, which redirects its streams.
    fn run(&self, arguments: &[&str], redirections: &str) -> Outcome {
        for new in ["new", "digest"] {
            let _ = fs::remove_file(self.user.path(new));
            let _ = fs::remove_dir_all(self.user.path(new));
        }
        let strake = self.user.command(arguments);
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {redirections}"));
        shell.arg(strake.get_program()).args(strake.get_args()).current_dir(self.user.home());
        shell.env_clear().envs(strake.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
        let output = output_of(&mut shell);
        let mut file = None;
        if let Ok(mut opened) = File::open(self.user.path("new")) {
            let mut content = Vec::new();
            file = opened.read_to_end(&mut content).is_ok().then_some(content);
        }
        Outcome { code: output.status.code(), stdout: output.stdout, stderr: text(&output.stderr), file }
    }

    /// The commands, each at least once with something on stdout, if it ever writes there.
    fn commands(&self) -> Vec<Vec<String>> {
        let graph = workspace().join("tests/golden/graph-example.json").display().to_string();
        let conf = self.store.conf("plain").display().to_string();
        let root = self.store.root().display().to_string();
        let several = format!("oci:{}", self.several.place().join("several").display());
        let remote = format!("docker://{}/app:1", self.registry.address());
        let target = format!("docker://{}/new:1", self.registry.address());
        let database: PathBuf = self.user.path("new");
        let commands: &[&[&str]] = &[
            &["stream", "--no-cache", "--store-root", &root, &conf],
            &["stream", "--no-cache", "--json", "--store-root", &root, &conf, "-o", "new"],
            &["layers", &graph],
            &["layers", &graph, "--format", "table"],
            &["layers", &graph, "--strategy", "popularity", "--format", "lines"],
            &["plan", "--schema"],
            &["plan", "--graph", &graph, "--name", "it"],
            &["plan", "--graph", &graph, "--name", "it", "-o", "new"],
            &["describe", "--no-cache", "--store-root", &root, &conf],
            &["describe", "--no-cache", "--store-root", &root, &conf, "-o", "new"],
            &["copy", "oci:image", "-"],
            &["copy", "oci:image", "docker-archive:new"],
            &["copy", "oci:image", "--", "docker-archive:new", "-"],
            &["copy", "--json", "--no-cache", &remote, "docker-archive:new"],
            &["copy", "--dry-run", "oci:image", &target],
            &["inspect", "oci:image"],
            &["inspect", "--json", &remote],
            &["inspect", "--config", "oci:image"],
            &["inspect", "--manifest", "docker-archive:image.tar"],
            &["inspect", "--raw", "oci:image"],
            &["inspect", &several],
            &["inspect", "--json", &several],
            &["verify", "oci:image"],
            &["verify", "oci:evil"],
            &["pin", &remote],
            &["pin", "--json", &remote],
            &["merge", "--no-cache", "oci:image", "docker-archive:image.tar"],
            &["merge", "--no-cache", "oci:image", "docker-archive:image.tar", "-o", "new"],
            &["export", "oci:image"],
            &["export", "oci:image", "-o", "new"],
            &["export", "oci:evil", "-o", "new"],
            &["nix-database", database.to_str().unwrap(), "--graph", &graph],
            &["cache", "show"],
            &["cache", "show", "--json"],
            &["cache", "prune", "--older-than", "9999"],
            &["--version"],
            &["--help"],
            &["copy", "-h"],
            &["inspect", "--help"],
            &["copy", "oci:gone", "-"],
            &["fly"],
        ];
        commands.iter().map(|command| command.iter().map(|&word| word.to_owned()).collect()).collect()
    }
}

/// All commands, and what each comes to where nothing is redirected.
fn each(check: impl Fn(&World, &[&str], &Outcome)) {
    let world = World::new();
    for command in world.commands() {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let usual = world.run(&command, "");
        check(&world, &command, &usual);
    }
}

fn no_panic(command: &[&str], outcome: &Outcome) {
    assert!(!outcome.stderr.contains("panicked"), "{command:?}: {}", outcome.stderr);
    assert_ne!(outcome.code, Some(101), "{command:?}");
}

#[test]
fn stderr_that_nobody_can_read_changes_nothing() {
    each(|world, command, usual| {
        // Closed, full, a pipe without a reader, a file that cannot be written to.
        for redirections in ["2>&-", "2>/dev/full", "2> >(exec <&-; exit)", "2</dev/null", "<&- 2>&-"] {
            let found = world.run(command, redirections);
            assert_eq!(found.code, usual.code, "{command:?} {redirections}");
            // Meanwhile what is cached has become older.
            assert!(
                found.stdout == usual.stdout || command == ["cache", "show"],
                "{command:?} {redirections}"
            );
            assert!(found.file == usual.file, "{command:?} {redirections}");
        }
    });
}

#[test]
fn stdout_that_is_closed() {
    each(|world, command, usual| {
        for redirections in [">&-", "<&- >&-", ">&- 2>/dev/full", "<&- >&- 2>&-"] {
            let found = world.run(command, redirections);
            no_panic(command, &found);
            if usual.stdout.is_empty() && usual.code != Some(1) {
                assert!((found.code, &found.file) == (usual.code, &usual.file), "{command:?} {redirections}");
            } else {
                assert_eq!(found.code, Some(1), "{command:?} {redirections}: {}", found.stderr);
                assert!(found.file.is_none(), "{command:?} {redirections}");
            }
            if !usual.stdout.is_empty() && !redirections.contains("2>") {
                let message =
                    "strake: error: stdout is closed\nhint: redirect it into a file, or to /dev/null\n";
                let json = found.stderr.starts_with("{\"event\":\"error\",\"message\":\"stdout is closed\"");
                assert!(found.stderr == message || json, "{command:?} {redirections}: {}", found.stderr);
            }
        }
    });
}

#[test]
fn stdout_that_takes_nothing() {
    each(|world, command, usual| {
        for (redirections, words) in [
            (">/dev/full", "No space left on device"),
            ("1</dev/null", "Bad file descriptor"),
            (">/dev/full 2>&1", ""),
        ] {
            let found = world.run(command, redirections);
            no_panic(command, &found);
            if usual.stdout.is_empty() {
                assert!((found.code, &found.file) == (usual.code, &usual.file), "{command:?} {redirections}");
            } else {
                assert_eq!(found.code, Some(1), "{command:?} {redirections}: {}", found.stderr);
                assert!(found.stderr.contains(words), "{command:?} {redirections}: {}", found.stderr);
                assert_eq!(found.stderr.matches("strake: error: ").count(), usize::from(!words.is_empty()));
            }
        }
    });
}

#[test]
fn a_reader_that_goes_away() {
    each(|world, command, usual| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        for both in [false, true] {
            let _ = fs::remove_file(world.user.path("new"));
            let mut strake = world.user.command(command);
            strake.stdout(writer.try_clone().unwrap());
            let stderr = if both { Stdio::from(writer.try_clone().unwrap()) } else { Stdio::piped() };
            let found = strake.stderr(stderr).spawn().unwrap().wait_with_output().unwrap();
            let stderr = text(&found.stderr);
            assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
            let expected = if usual.stdout.is_empty() { usual.code } else { Some(141) };
            assert_eq!(found.status.code(), expected, "{command:?}: {stderr}");
            assert!(usual.stdout.is_empty() || both || stderr.contains("went away before it was whole"));
        }
    });
}

#[test]
fn stdin_that_is_closed() {
    let world = World::new();
    for command in [
        &["stream", "-"][..],
        &["layers", "-"],
        &["plan", "--conf", "-"],
        &["describe", "-"],
        &["plan", "--graph", "-", "--name", "it"],
        &["nix-database", "new", "--graph", "-"],
    ] {
        let found = world.run(command, "<&-");
        assert_eq!(found.code, Some(1), "{command:?}");
        let message = "strake: error: cannot read stdin: it is closed";
        assert!(found.stderr.starts_with(message), "{command:?}: {}", found.stderr);
        assert!(found.stdout.is_empty() && found.file.is_none());
        // Empty is something else.
        assert!(!world.run(command, "</dev/null").stderr.contains("closed"));
    }
    each(|world, command, usual| {
        let found = world.run(command, "<&-");
        assert_eq!(
            (found.code, &found.stdout, &found.file),
            (usual.code, &usual.stdout, &usual.file),
            "{command:?}"
        );
    });
}

/// nixpkgs' script is one of the program's names.
#[test]
fn under_the_scripts_name() {
    let world = World::new();
    let script = world.user.path("stream_layered_image");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_strake"), &script).unwrap();
    let conf = world.store.conf("plain");
    let root = world.store.root();
    // It knows no other store than the system's, so all it can do is fail, or answer.
    for (arguments, redirections, code) in [
        (vec!["--help"], ">&-", 1),
        (vec!["--help"], ">/dev/full", 1),
        (vec!["--help"], "2>&-", 0),
        (vec![conf.to_str().unwrap()], ">&-", 1),
        (vec![conf.to_str().unwrap()], "2>/dev/full", 1),
        (vec!["--fly"], "2>/dev/full", 2),
    ] {
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {redirections}")).arg(&script).args(&arguments);
        let output = output_of(shell.current_dir(root).stdin(Stdio::null()));
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {redirections}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

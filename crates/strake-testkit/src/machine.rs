//! A machine of its own, for tests that require a Nix store at `/nix`: everything of this one, and a `/nix` that is empty.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::command::{command, stdout_of, text};

/// Nix by itself: no daemon, no sandbox.
const SETTINGS: &str = "sandbox = false\nbuild-users-group =\nwarn-dirty = false\n\
                        experimental-features = nix-command flakes\n";

/// Nothing is substituted, unless a real nixpkgs is used, which cannot all be built here.
fn settings() -> String {
    let substituters = if std::env::var_os("NIXPKGS").is_some() { "" } else { "substituters =\n" };
    format!("{SETTINGS}{substituters}")
}

/// Goes into a mount namespace whose root is this machine's with another `/nix`, and runs a command there. The root of the
/// namespace is changed (no chroot), because `nix run` enters the namespace anew.
const ENTER: &str = r#"
new=$1 nix=$2; shift 2
mount -t tmpfs none "$new"
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" "$new$entry"
  elif [ -d "$entry" ] && [ "$entry" != /nix ]; then mkdir "$new$entry"; mount --rbind "$entry" "$new$entry"; fi
done
mkdir "$new/nix"
mount --bind "$nix" "$new/nix"
place=$PWD
mkdir "$new/.old"
cd "$new"
pivot_root . .old
umount -l .old
cd "$place"
exec "$@"
"#;

/// Such a machine. Needs root.
pub struct Machine {
    directory: TempDir,
}

impl Machine {
    /// A machine with an empty store.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["nix", "root", "home", "etc"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        std::fs::write(directory.path().join("etc/nix.conf"), settings()).expect("a file");
        Self { directory }
    }

    /// A directory for the test's own files, which the machine sees under the same name.
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// Where a store path is on the machine that runs the tests.
    pub fn real(&self, path: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(path.as_ref().strip_prefix("/").expect("an absolute path"))
    }

    /// A command to be run there.
    pub fn command<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut entered = command("unshare", ["--mount", "bash", "-euc", ENTER, "bash"]);
        entered.arg(self.directory.path().join("root")).arg(self.directory.path().join("nix")).arg(program);
        entered.args(arguments).current_dir(self.home());
        entered.env("HOME", self.home()).env("NIX_CONF_DIR", self.directory.path().join("etc"));
        entered.env("NIX_REMOTE", "local").env("STRAKE_CACHE_DIR", self.home().join("cache"));
        entered.env_remove("NIX_PATH");
        entered
    }

    /// Runs it to its end and returns what it wrote, without white space around it.
    pub fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> String {
        text(&stdout_of(self.command(program, arguments))).trim().to_owned()
    }
}

//! The programs of the store paths that an image is planned of: what a bare word stands for that a container runs, and the `PATH` of
//! a config that has none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Map, Value, json};
use strake_plan::StorePath;

use super::config::ConfigError;
use super::options::PlanOptions;
use crate::customisation::Customisation;
use crate::parsed::ParsedImage;
use crate::reference;
use crate::spec::Inherit;
use crate::store::Store;

/// Where runtimes look for programs if a config has no `PATH`.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// No program has the name that a container is to run.
#[derive(Debug, thiserror::Error)]
#[error("{key} {word:?}: {}", self.looked())]
pub struct NoProgram {
    /// The config's key.
    pub key: &'static str,
    /// The name.
    pub word: String,
    /// The directories where it was looked for.
    pub directories: Vec<String>,
    /// The programs in them.
    pub programs: Vec<String>,
}

impl NoProgram {
    fn looked(&self) -> String {
        let list = |names: &[String]| reference::list(&names.iter().map(String::as_str).collect::<Vec<_>>());
        match (&self.directories[..], &self.programs[..]) {
            ([], _) => "no store path that is planned has a directory bin here".to_owned(),
            (directories, []) => format!("there is no program in {}", list(directories)),
            (directories, programs) => {
                format!("there is no such program in {}, but {}", list(directories), list(programs))
            }
        }
    }
}

/// The directories in which programs are looked for, and other places that only the container has.
pub(super) struct Programs<'p> {
    pub(super) store: &'p Store,
    /// The store paths that are named first.
    pub(super) roots: &'p [StorePath],
    /// The entries at the image's root.
    pub(super) customisation: &'p Customisation,
    pub(super) base: Option<&'p ParsedImage>,
}

impl Programs<'_> {
    /// Gives the program that a container runs its whole name, and the config a `PATH`.
    pub(super) fn complete(
        &self,
        config: &mut Map<String, Value>,
        options: &PlanOptions,
    ) -> Result<(), ProgramError> {
        let of_base = self.base.map(|base| &base.config.run);
        let base_has_path = of_base.is_some_and(has_path);
        let has_path = has_path(config);
        if let Some(key) = self.run_by(config, options) {
            let word = config.get(key).and_then(|words| words.get(0)?.as_str());
            if let Some(word) = word.filter(|word| !word.is_empty() && !word.contains('/')) {
                match self.find(word) {
                    Some(program) => config[key][0] = json!(program),
                    None if has_path || self.base.is_some() || self.is_at_the_root(word) => {}
                    None => return Err(self.missing(key, word).into()),
                }
            }
        }
        let bins: Vec<String> =
            self.directories().take_while(|(_, is_root)| *is_root).map(|(bin, _)| bin).collect();
        if !has_path && !base_has_path && !bins.is_empty() {
            let path = json!(format!("PATH={}:{USUAL_PATH}", bins.join(":")));
            match config.entry("Env").or_insert(Value::Null) {
                Value::Array(list) => list.insert(0, path),
                none @ Value::Null => *none = json!([path]),
                _ => return Err(ConfigError::Shape { key: "Env", expected: "a list" }.into()),
            }
        }
        Ok(())
    }

    /// The key whose first word is the program, if it is one that an option has said.
    fn run_by(&self, config: &Map<String, Value>, options: &PlanOptions) -> Option<&'static str> {
        let is_said = |config: &Map<String, Value>| {
            config.get("Entrypoint").and_then(Value::as_array).is_some_and(|words| !words.is_empty())
        };
        let inherits = options.inherit == Some(Inherit::All);
        let is_inherited = inherits && self.base.is_some_and(|base| is_said(&base.config.run));
        if !options.config.entrypoint.is_empty() {
            Some("Entrypoint")
        } else if !options.config.cmd.is_empty() && !is_said(config) && !is_inherited {
            Some("Cmd")
        } else {
            None
        }
    }

    /// The directories with programs that are there, each once, and whether each is a root's: roots come first.
    fn directories(&self) -> impl Iterator<Item = (String, bool)> {
        let roots = self.roots.iter().map(|root| (root.to_string(), true));
        let contents = self.customisation.contents.iter().map(|contents| (contents.clone(), false));
        let mut all: Vec<(String, bool)> = Vec::new();
        for (directory, is_root) in roots.chain(contents) {
            let bin = format!("{}/bin", directory.trim_end_matches('/'));
            if self.store.locate(Path::new(&bin)).is_dir() && all.iter().all(|(other, _)| *other != bin) {
                all.push((bin, is_root));
            }
        }
        all.into_iter()
    }

    /// The program's name in the store.
    fn find(&self, word: &str) -> Option<String> {
        let mut programs = self.directories().map(|(bin, _)| format!("{bin}/{word}"));
        programs.find(|program| is_program(&self.store.locate(Path::new(program))))
    }

    /// Whether the container finds it where it looks in any case: files that the image has besides store paths.
    fn is_at_the_root(&self, word: &str) -> bool {
        let root = self.customisation.root.as_deref();
        USUAL_PATH.split(':').map(|directory| format!("{directory}/{word}")).any(|path| {
            let copied = root.is_some_and(|root| Path::new(root).join(&path[1..]).symlink_metadata().is_ok());
            copied || self.customisation.entries.iter().any(|entry| entry.path == path)
        })
    }

    fn missing(&self, key: &'static str, word: &str) -> NoProgram {
        let directories: Vec<String> = self.directories().map(|(bin, _)| bin).collect();
        let entries = |bin: &String| fs::read_dir(self.store.locate(Path::new(bin))).into_iter().flatten();
        let names = directories
            .iter()
            .flat_map(entries)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut programs: Vec<String> = names.collect();
        programs.sort_unstable();
        programs.dedup();
        NoProgram { key, word: word.to_owned(), directories, programs }
    }
}

/// Why a config cannot be completed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A program is not there.
    #[error(transparent)]
    Missing(#[from] NoProgram),
    /// The config's `Env` is no list.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

fn has_path(config: &Map<String, Value>) -> bool {
    let variables = config.get("Env").and_then(Value::as_array).into_iter().flatten();
    variables.filter_map(Value::as_str).any(|variable| variable.starts_with("PATH="))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

//! The store paths that arguments stand for.

use std::path::{Component, Path, PathBuf};

use strake_plan::StorePath;
use strake_plan::store_path::StorePathError;

use crate::limits::MAX_LINKS;
use crate::store::Store;

/// Why an argument stands for no store path.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It is in the store's directory, or leads there, and is no store path's name.
    #[error("{}: {source}", argument.display())]
    Name {
        /// The argument.
        argument: PathBuf,
        /// The reason.
        source: StorePathError,
    },
    /// The same, with characters that no store path has.
    #[error("{}: store paths are ASCII", .0.display())]
    NotText(PathBuf),
    /// It is not in the store, and leads to nothing there.
    #[error("{} is not a store path", .0.display())]
    Outside(PathBuf),
}

/// The store path that an argument stands for: its own name, or that of a link to it, as `./result`; a file inside a
/// store path stands for that. `None` where it is not in the store.
pub fn store_path(store: &Store, argument: &Path) -> Result<Option<StorePath>, RootError> {
    Ok(in_store(store, argument)?.map(|(path, _)| path))
}

/// The store path that an argument stands for, and its whole name in the store, which may be a file's inside the store
/// path. `None` where it is not in the store.
pub fn in_store(store: &Store, argument: &Path) -> Result<Option<(StorePath, String)>, RootError> {
    let directory = store.dir();
    let Some(named) = named_in(directory.as_str(), argument) else { return Ok(None) };
    let text = named.to_str().ok_or_else(|| RootError::NotText(argument.to_owned()))?.trim_end_matches('/');
    let end = text[directory.as_str().len()..]
        .char_indices()
        .filter(|&(_, character)| character == '/')
        .nth(1)
        .map_or(text.len(), |(at, _)| directory.as_str().len() + at);
    let path = directory
        .store_path(&text[..end])
        .map_err(|source| RootError::Name { argument: argument.to_owned(), source })?;
    Ok(Some((path, text.to_owned())))
}

/// The name in the store that a path leads to by way of symbolic links, or has.
fn named_in(directory: &str, path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        if path.starts_with(directory) {
            return Some(path);
        }
        // Its components as they are: a slash at the end, which would stand for the directory behind the link, is none.
        let parts: Vec<Component<'_>> = path.components().collect();
        let links = (1..=parts.len()).map(|end| (end, parts[..end].iter().collect::<PathBuf>()));
        let mut links = links.filter_map(|(end, link)| Some((end, std::fs::read_link(&link).ok()?, link)));
        let (end, target, link) = links.next()?;
        let rest: PathBuf = parts[end..].iter().collect();
        path = link.parent().unwrap_or(Path::new("")).join(target).join(rest);
    }
    None
}

/// The store paths that all these arguments stand for.
pub fn store_paths(store: &Store, arguments: &[PathBuf]) -> Result<Vec<StorePath>, RootError> {
    let root =
        |argument: &PathBuf| store_path(store, argument)?.ok_or_else(|| RootError::Outside(argument.clone()));
    arguments.iter().map(root).collect()
}

#[cfg(test)]
mod tests {
    use strake_plan::StoreDir;

    use super::*;

    /// `expected` has the store path's name and the whole name in the store, or is the error's text.
    fn check(argument: &Path, expected: Result<Option<(&str, &str)>, &str>) {
        let store = Store::new(StoreDir::parse("/nix/store").unwrap(), "/");
        let found = in_store(&store, argument).map_err(|error| error.to_string());
        let found =
            found.as_ref().map(|found| found.as_ref().map(|(path, whole)| (path.name(), whole.as_str())));
        assert_eq!(found.map_err(String::as_str), expected, "{}", argument.display());
    }

    #[test]
    fn names_files_and_links() {
        let place = tempfile::tempdir().unwrap();
        let link = |target: &str| {
            let link = place.path().join(target.replace('/', "_"));
            std::os::unix::fs::symlink(target, &link).unwrap();
            link
        };
        check(Path::new("/nix/store/aaa-x"), Ok(Some(("x", "/nix/store/aaa-x"))));
        check(Path::new("/nix/store/aaa-x/"), Ok(Some(("x", "/nix/store/aaa-x"))));
        check(Path::new("/nix/store/aaa-x/bin/x"), Ok(Some(("x", "/nix/store/aaa-x/bin/x"))));
        check(&link("/nix/store/bbb-y"), Ok(Some(("y", "/nix/store/bbb-y"))));
        check(&link("/nix/store/bbb-y/lib"), Ok(Some(("y", "/nix/store/bbb-y/lib"))));
        // Links to links, paths behind them, and a slash.
        let again = link(link("/nix/store/ccc-z").to_str().unwrap());
        check(&again, Ok(Some(("z", "/nix/store/ccc-z"))));
        check(&again.join("bin/z"), Ok(Some(("z", "/nix/store/ccc-z/bin/z"))));
        check(Path::new(&format!("{}/", again.display())), Ok(Some(("z", "/nix/store/ccc-z"))));
        std::os::unix::fs::symlink("ring", place.path().join("ring")).unwrap();
        check(&place.path().join("ring"), Ok(None));
        check(&link("/etc"), Ok(None));
        check(place.path(), Ok(None));
        check(Path::new("/nonexistent"), Ok(None));
        let refused = "/nix/store/é: \"/nix/store/é\" is not the name of a store path: it must be the store directory, a \
                       slash and <hash>-<name>";
        check(Path::new("/nix/store/é"), Err(refused));
    }
}

//! Files in place of links that runtimes do not follow: `/etc/passwd` and `/etc/group`, where they are links into the store.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::FileType;

use super::merge::{Merge, What};
use super::path::ImagePath;
use super::{CustomisationError, stat};
use crate::error::Error;
use crate::store::Store;
use crate::tree::to_path;

/// Where runtimes look users up (`etc_changes`).
const FILES: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// The usual mode of these files. Files in a store are read-only.
const MODE: u32 = 0o644;

/// Puts copies in place of the links. Where `/etc` is a link into the store it becomes a directory, with a link to each file that is
/// there. Links that lead to no file in the store stay.
pub(super) fn materialise(merge: &mut Merge<'_>, store: &Store) -> Result<(), CustomisationError> {
    let etc = ImagePath::parse("/etc")?;
    if let Some((link, real)) = merge.link(&etc).and_then(|link| Some((link.to_vec(), place(store, link)?)))
        && FileType::from_raw_mode(stat(&real)?.st_mode) == FileType::Directory
    {
        merge.replace(etc.clone(), What::Directory { mode: 0o755 });
        let failed = |source| Error::Read { path: real.clone(), source };
        for entry in std::fs::read_dir(&real).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let target = [&link, &b"/"[..], name.as_bytes()].concat();
            merge.replace(etc.join(name.as_bytes()), What::Symlink(target));
        }
    }
    for file in FILES {
        let path = ImagePath::parse(file)?;
        let Some(real) = merge.link(&path).and_then(|link| place(store, link)) else { continue };
        let stat = stat(&real)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            let size = stat.st_size.cast_unsigned();
            merge.replace(path, What::File { path: real, mode: MODE, size });
        }
    }
    Ok(())
}

/// Where an absolute link into the store leads, if something is there.
fn place(store: &Store, link: &[u8]) -> Option<PathBuf> {
    store.inside(&to_path(link)).filter(|real| real.symlink_metadata().is_ok())
}

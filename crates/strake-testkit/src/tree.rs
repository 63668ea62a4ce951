//! Random trees of files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

/// A file, a directory or a symbolic link.
#[derive(Clone, Debug)]
pub enum Node {
    /// A file's length and mode.
    File(usize, u32),
    /// A link's target.
    Link(Vec<u8>),
    /// The contents of a directory. Of two entries with one name the first counts.
    Directory(u32, Vec<(Vec<u8>, Node)>),
}

/// Any tree, with names and link targets of any bytes.
pub fn any_tree() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        4 => (0usize..3000, mode()).prop_map(|(length, mode)| Node::File(length, mode)),
        1 => (30_000usize..300_000, mode()).prop_map(|(length, mode)| Node::File(length, mode)),
        2 => vec(1u8.., 1..150).prop_map(Node::Link),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        (mode(), vec((name(), inner), 0..8)).prop_map(|(mode, entries)| Node::Directory(mode, entries))
    })
}

fn mode() -> impl Strategy<Value = u32> {
    0u32..0o10000
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let ordinary = "[a-zA-Z0-9._ -]{1,20}".prop_map(String::into_bytes);
    let text = vec(any::<char>(), 1..20).prop_map(|chars| chars.into_iter().collect::<String>().into_bytes());
    let long = "[a-z]{90,120}".prop_map(String::into_bytes);
    let bytes = vec(1u8.., 1..30);
    let any = prop_oneof![3 => ordinary, 2 => text, 1 => long, 2 => bytes];
    any.prop_filter("a file name", |name| {
        !matches!(name.as_slice(), b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
    })
}

impl Node {
    /// Makes the tree at `path`.
    pub fn make(&self, path: &Path) {
        match self {
            Self::File(length, mode) => {
                let content: Vec<u8> = (0..*length).map(|index| (index * 31 % 251) as u8).collect();
                fs::write(path, content).expect("the file can be written");
                set_mode(path, *mode);
            }
            Self::Link(target) => symlink(OsStr::from_bytes(target), path).expect("the link can be made"),
            Self::Directory(mode, entries) => {
                fs::create_dir(path).expect("the directory can be made");
                for (name, node) in entries {
                    let path = path.join(OsStr::from_bytes(name));
                    if fs::symlink_metadata(&path).is_err() {
                        node.make(&path);
                    }
                }
                set_mode(path, *mode);
            }
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
}

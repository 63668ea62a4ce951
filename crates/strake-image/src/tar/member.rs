//! The metadata of a tar archive's member.

/// A member's type flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// A regular file.
    pub const FILE: Self = Self(b'0');
    /// Another name for a member in front of it.
    pub const HARD_LINK: Self = Self(b'1');
    /// A symbolic link.
    pub const SYMLINK: Self = Self(b'2');
    /// A directory.
    pub const DIRECTORY: Self = Self(b'5');
    /// An extended header for the member behind it.
    pub(super) const EXTENDED: Self = Self(b'x');

    /// Whether such a member has content: a regular file, by today's flag or one of two old ones.
    pub fn is_file(self) -> bool {
        matches!(self.0, b'0' | b'7' | 0)
    }
}

/// One member, all but its content. Texts are bytes: a file name may hold any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name. A directory's ends in a slash.
    pub name: Vec<u8>,
    /// The type of the member.
    pub kind: Kind,
    /// Permission bits; of the type bits nothing is written.
    pub mode: u32,
    /// The owner's number.
    pub uid: u64,
    /// The group's number.
    pub gid: u64,
    /// Bytes of content that follow.
    pub size: u64,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Where a link points to.
    pub linkname: Vec<u8>,
    /// The owner's name.
    pub uname: Vec<u8>,
    /// The group's name.
    pub gname: Vec<u8>,
    /// Extended records that it came with, in order; they win over what the fields would give.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
    /// Extended attributes: name and value. Their records come last, under `SCHILY.xattr.`, and do not count among the
    /// texts that must be UTF-8.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Member {
    /// A regular file of root's, with mode 0644 and without owner names: `tarfile`'s defaults.
    pub fn file(name: impl Into<Vec<u8>>, size: u64, mtime: i64) -> Self {
        Self {
            name: name.into(),
            kind: Kind::FILE,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size,
            mtime,
            linkname: Vec::new(),
            uname: Vec::new(),
            gname: Vec::new(),
            records: Vec::new(),
            xattrs: Vec::new(),
        }
    }
}

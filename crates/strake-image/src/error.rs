//! Errors while a layer's bytes are read, hashed or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::sink::SinkError;

/// Why a layer could not be read, hashed or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// The name of the file or stream.
        path: PathBuf,
        /// The file system's error.
        source: io::Error,
    },
    /// A file is not what it was a moment ago.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file is neither a regular file nor a directory nor a symbolic link.
    #[error("{} is a {kind}; a layer holds files, directories and symbolic links", path.display())]
    FileType {
        /// The file.
        path: PathBuf,
        /// The type of the file.
        kind: &'static str,
    },
    /// A layer holds something that no container could have, or more than is taken in.
    #[error("{} {problem}", path.display())]
    Unpack {
        /// The path in the layer.
        path: PathBuf,
        /// The reason.
        problem: &'static str,
    },
    /// A finished layer is not the one that its name or its image says.
    #[error("{} has the digest {found}, not {expected}", path.display())]
    Digest {
        /// Where the layer's bytes are.
        path: PathBuf,
        /// The stated value.
        expected: Digest,
        /// The actual value.
        found: Digest,
    },
    /// A layer is another one than its image's config says.
    #[error("the layer {} has the diff id {found}, not {expected}", path.display())]
    DiffId {
        /// Where the layer's bytes are.
        path: PathBuf,
        /// The diff id that is said of it.
        expected: Digest,
        /// The diff id that it has.
        found: Digest,
    },
    /// A layer of a base image, or of a copied one, is called as something else in the archive is.
    #[error("a docker-archive cannot hold {name:?} beside another {other:?}")]
    Name {
        /// The name that something is to have.
        name: String,
        /// The name that something has: the same, or one below it or above.
        other: String,
    },
    /// A layer inside a base image, compressed there, that cannot be decompressed.
    #[error("cannot decompress {}", path.display())]
    Decompress {
        /// Where the layer's bytes are.
        path: PathBuf,
        /// The decoder's error.
        source: io::Error,
    },
    /// A layer is not a tar archive, or one that not everybody would unpack.
    #[error("the layer in {} is not a valid tar archive", path.display())]
    Archive {
        /// Where the layer's bytes are.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A layer's bytes are needed, and are not in the image that they are said to be in.
    #[error("{} is not there, and the image's layer {digest} with it", path.display())]
    Absent {
        /// Where it would be.
        path: PathBuf,
        /// The layer.
        digest: Digest,
    },
    /// A layer was compressed to something else than it was known to become, which may have been promised already.
    #[error("a layer was compressed to {found}, and it is remembered to become {expected}")]
    Recompressed {
        /// The cached value.
        expected: Digest,
        /// The computed value.
        found: Digest,
    },
    /// An output cannot be written or get its name.
    #[error("cannot write {}", path.display())]
    Output {
        /// The output.
        path: PathBuf,
        /// The file system's error.
        source: io::Error,
    },
    /// A range of a layer is wanted that it does not have.
    #[error("the layer has {size} bytes, and of these {start} to {end} are wanted")]
    Range {
        /// Where the range begins, in bytes.
        start: u64,
        /// Where it ends, the first byte behind it.
        end: u64,
        /// The layer's size, in bytes.
        size: u64,
    },
    /// The output failed.
    #[error("cannot write the image")]
    Write(#[source] io::Error),
    /// Another layer has failed; its error is the one that counts.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// A sink's error, where it was taking content of the file at `path`.
    pub(crate) fn from_sink(error: SinkError, path: &Path) -> Self {
        match error {
            SinkError::Read(source) => Self::Read { path: path.to_owned(), source },
            SinkError::Short { .. } => Self::Changed { path: path.to_owned() },
            other => other.into(),
        }
    }
}

/// For bytes that come from memory; see `from_sink` for those of a file.
impl From<SinkError> for Error {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Write(source) | SinkError::Read(source) => Self::Write(source),
            SinkError::Short { .. } => Self::Write(io::ErrorKind::UnexpectedEof.into()),
            SinkError::Cancelled => Self::Cancelled,
        }
    }
}

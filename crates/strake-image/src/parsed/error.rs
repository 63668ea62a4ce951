//! Why something is not an image.

use std::io;

use crate::digest::{Digest, DigestError};
use crate::limits::MAX_JSON_DEPTH;
use crate::media_type::MediaType;

/// Why a file or a directory is not an image. The text goes on after its name.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// It is on another machine, and could not be fetched.
    #[error("cannot be fetched")]
    Fetch(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file is not a tar archive, or is damaged.
    #[error("is not a tar archive, or it is damaged")]
    Tar(#[source] io::Error),
    /// The file ends in the middle of a member.
    #[error("is cut short")]
    Truncated,
    /// A file that must be in it is not.
    #[error("has no member {0:?}")]
    Missing(String),
    /// It lists none.
    #[error("holds no image")]
    NoImage,
    /// It has images, but not the one that is wanted.
    #[error("holds no image {wanted:?}, but {there}")]
    NoSuchImage {
        /// The requested value.
        wanted: String,
        /// The available values.
        there: String,
    },
    /// It has several images, and nothing says which is wanted.
    #[error("holds several images: {0}")]
    Several(String),
    /// It has images, but none for the platform that is wanted.
    #[error("holds no image for {wanted}, but {there}")]
    NoPlatform {
        /// The requested value.
        wanted: String,
        /// The available values.
        there: String,
    },
    /// A member is not the JSON that it must be, or not the same to all programs.
    #[error("has a damaged {member:?}")]
    Json {
        /// The member.
        member: String,
        /// The reason.
        source: JsonFault,
    },
    /// A JSON member is larger than any image's.
    #[error("has a member {0:?} that is larger than any image's")]
    TooLarge(String),
    /// A JSON member has more values than any image's.
    #[error("has a member {0:?} with more than 262144 values in it")]
    TooMany(String),
    /// The layers and their diff ids do not match in number.
    #[error("has {layers} layers but {diff_ids} diff ids")]
    Count {
        /// In the manifest.
        layers: usize,
        /// In the config.
        diff_ids: usize,
    },
    /// A diff id is not a digest.
    #[error("has a damaged diff id")]
    DiffId(#[from] DigestError),
    /// A blob is named by something that is not a digest.
    #[error("names a blob wrongly")]
    BlobName(#[source] DigestError),
    /// It is in an archive that others may read in another way, or not at all.
    #[error("is in an archive with a flaw: {0}")]
    Flaw(&'static str),
    /// Members differ that have one name, or one is both a file and a directory: which one counts depends on who reads the archive.
    #[error("is in an archive with several members {0:?} that differ")]
    Ambiguous(String),
    /// A member's own name leads out of the archive, so that Docker refuses all of it.
    #[error("is in an archive with a member {0:?}, which leads out of it")]
    MemberOutside(String),
    /// A member is of a kind that Docker does not unpack, so that it refuses the whole archive.
    #[error("is in an archive with a member {0:?}, which is neither file, link, directory, device nor FIFO")]
    MemberKind(String),
    /// A member is named by a digest that it does not have.
    #[error("has a member {member:?} whose digest is {found}")]
    Misnamed {
        /// Its name.
        member: String,
        /// The actual value.
        found: Digest,
    },
    /// A name in the image leads out of the archive.
    #[error("names a member {0:?}, which is not a plain relative path")]
    UnsafeName(String),
    /// A link leads out of the directory.
    #[error("has a link {0:?} that leads out of it")]
    Outside(String),
    /// A layer is not a file.
    #[error("has a layer {0:?} that is not a file")]
    LayerType(String),
    /// A blob has another size than its descriptor says.
    #[error("has a blob {digest} of {found} bytes, not {expected}")]
    Size {
        /// The blob.
        digest: Digest,
        /// The stated value.
        expected: u64,
        /// The actual value.
        found: u64,
    },
    /// A blob has another digest than its name says.
    #[error("has a blob {expected} whose digest is {found}")]
    Digest {
        /// Its name.
        expected: Digest,
        /// The actual value.
        found: Digest,
    },
    /// It is a layout of a version that this program does not know.
    #[error("is an OCI layout of version {0:?}")]
    Version(String),
    /// A manifest is something else than an image's.
    #[error("has a manifest of the type {:?}, which is not an image's", .0.as_str())]
    NotAnImage(MediaType),
    /// Indexes lead to indexes and so on.
    #[error("has indexes in indexes, more than any image")]
    Depth,
    /// Parts of it contradict each other.
    #[error("contradicts itself: {0}")]
    Contradiction(String),
}

/// Why not all programs read a text alike. The text goes on after the document's name.
#[derive(Debug, thiserror::Error)]
pub enum JsonFault {
    /// It is not JSON.
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    Encoding,
    /// Values stand in values, and so on.
    #[error("it has lists and objects in each other, more than {MAX_JSON_DEPTH} deep")]
    Depth,
    /// A value is of another type.
    #[error("{place} is not {expected}")]
    Type {
        /// Where the value stands.
        place: String,
        /// The expected value.
        expected: &'static str,
    },
    /// Two keys are one to some programs.
    #[error("{place} has the keys {first:?} and {second:?}, of which programs read only one")]
    Twice {
        /// Where the object stands.
        place: String,
        /// A key.
        first: String,
        /// A later key.
        second: String,
    },
    /// A key means something to the JSON parser that is used here, and to no other.
    #[error("{place} has {key:?}, a key of serde's own")]
    Reserved {
        /// Where the object stands.
        place: String,
        /// The key.
        key: String,
    },
    /// A key is another one to some programs.
    #[error("{place} has the key {key:?}, which some programs take for {known:?} and some do not")]
    Spelling {
        /// Where the object stands.
        place: String,
        /// The key.
        key: String,
        /// The key that they know.
        known: &'static str,
    },
}

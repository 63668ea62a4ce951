//! How a scripted registry differs from a well-behaved one. Plain data.

use std::time::Duration;

use super::auth::Auth;
use super::fault::Fault;

/// The behaviour of a registry. The default does all that the distribution specification says, and requires no
/// authentication.
#[derive(Clone, Debug, Default)]
pub struct Personality {
    /// The access rules.
    pub auth: Auth,
    /// The faults and their conditions.
    pub faults: Vec<Fault>,
    /// Where a started upload goes on.
    pub locations: Locations,
    /// The answer to mounts that are possible.
    pub mounts: Mounts,
    /// The digests in headers.
    pub digest_header: DigestHeader,
    /// The handling of an upload's chunks.
    pub patches: Patches,
    /// The handling of an upload in which a request was cut.
    pub cut_uploads: CutUploads,
    /// Where blobs are fetched from.
    pub blobs: Blobs,
    /// Whether there is a referrers API.
    pub referrers: Referrers,
    /// Whether a manifest can be put under several tags at once.
    pub tag_parameters: bool,
    /// `OCI-Chunk-Min-Length`, in bytes: only the last piece of an upload may be smaller.
    pub chunk_min_length: Option<u64>,
    /// Requests with a larger body get 413. In bytes.
    pub max_body: Option<u64>,
    /// How long the last request of an upload is not answered. The session is gone at once; the blob is there when the
    /// time is over, even if the client is not.
    pub commit_delay: Duration,
    /// Whether manifests cannot be deleted: 405.
    pub no_deletes: bool,
    /// How many tags a page of the list has at most, whatever is asked for.
    pub tags_page: Option<usize>,
    /// Blobs, by digest and size, that HEAD says are there, though they are not.
    pub lying_heads: Vec<(String, u64)>,
}

/// The form of an upload's `Location` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locations {
    /// A path.
    Relative,
    /// A URL, with the host that the client asked.
    #[default]
    Absolute,
    /// A URL on the registry's other port, which must not see credentials.
    OtherHost,
}

/// A registry's answer to a mount of a blob that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mounts {
    /// 201: it mounts the blob.
    #[default]
    Done,
    /// 202: it starts an upload instead.
    Refused,
    /// It answers this status.
    Failing(u16),
}

/// The value of a registry's `Docker-Content-Digest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestHeader {
    /// The digest.
    #[default]
    Right,
    /// Another digest.
    Wrong,
    /// There is no such header.
    Missing,
}

/// A registry's handling of PATCH requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patches {
    /// 202: each is appended.
    #[default]
    Appended,
    /// 201: each is appended, as Amazon's registry answers.
    Created,
    /// A second one takes the place of the first, so that the digest is wrong in the end.
    OnlyOne,
}

/// A registry's handling of an upload whose connection was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CutUploads {
    /// The bytes that came are kept, and it can be resumed.
    #[default]
    Kept,
    /// The session answers 404 from then on, as distribution does.
    Lost,
}

/// How a registry gives blobs away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blobs {
    /// In the answer.
    #[default]
    Direct,
    /// 307 to the other port, which must not see credentials.
    Redirected,
}

/// Whether a registry has the referrers API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Referrers {
    /// It has, and says `OCI-Subject`.
    #[default]
    Listed,
    /// 404, and no `OCI-Subject`: clients keep a tag.
    Absent,
}

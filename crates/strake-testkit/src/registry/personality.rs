//! How a scripted registry differs from a well-behaved one. Plain data.

use std::time::Duration;

use super::auth::Auth;
use super::fault::Fault;

/// What a registry is like. The default does all that the distribution specification says, and asks for no
/// authentication.
#[derive(Clone, Debug, Default)]
pub struct Personality {
    /// Who may do what.
    pub auth: Auth,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
    /// Where a started upload goes on.
    pub locations: Locations,
    /// What becomes of the mounts that it could do.
    pub mounts: Mounts,
    /// What is said of digests in headers.
    pub digest_header: DigestHeader,
    /// What becomes of the pieces of an upload.
    pub patches: Patches,
    /// What becomes of an upload in which a request was cut.
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

/// What a `Location` header of an upload looks like.
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

/// What a registry does when it is asked to mount a blob that it has.
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

/// What a registry puts into `Docker-Content-Digest`.
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

/// What a registry does with PATCH requests.
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

/// What a registry does with an upload whose connection was lost.
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

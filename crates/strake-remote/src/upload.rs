//! Uploads of blobs.
//!
//! Protocol: the OCI distribution specification 1.1, "push". A blob whose digest is known goes in one piece (POST, PUT). One that
//! is made on the way goes in one piece of unknown length (POST, PATCH), and is named when it is whole (PUT),
//! as `docker push` has it. In several chunks only where the registry or the user requires it: some registries
//! lose the chunks after the first.

use std::io::Read;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use strake_image::sink::Counted;
use strake_image::{Content, Descriptor, Digest, Error};
use ureq::http::{Method, Response};
use ureq::{Body, http};

use crate::answer::header;
use crate::body::{PipeReader, pipe};
use crate::call::{Call, Payload, Scope, WholeBody, encode};
use crate::error::RemoteError;
use crate::repository::Repository;
use crate::retry::{self, ATTEMPTS};

/// The length of chunks where the registry does not take a blob in one, in bytes.
const CHUNK: u64 = 8 * 1024 * 1024;

/// A chunk of which the length is not known before is kept in memory: no more of them than this at a time, all uploads
/// together, and none longer than this, in bytes.
static IN_MEMORY: Mutex<()> = Mutex::new(());
const MAX_CHUNK_IN_MEMORY: u64 = 16 * 1024 * 1024;

/// A registry may refuse what it has not read, but not take it.
const UNREAD: &str = "it says that it has what it has not read";

const OCTETS: &str = "application/octet-stream";

/// A blob to be uploaded.
pub(crate) struct Upload<'u> {
    pub(crate) content: &'u dyn Content,
    /// A repository of the same registry that has it.
    pub(crate) mount_from: Option<&'u str>,
    /// Counts the bytes that are sent.
    pub(crate) progress: &'u AtomicU64,
}

/// How a blob got there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Uploaded {
    Mounted(Descriptor),
    Sent(Descriptor),
}

/// Where an upload goes on.
struct Session {
    location: String,
    /// The least that a chunk may have, if the registry says so.
    least_chunk: Option<u64>,
}

/// The result of an attempt; `None`: the registry does not accept this size at once.
type Attempt = Option<Uploaded>;

impl Repository {
    /// Whether the registry has the blob.
    pub(crate) fn has_blob(&self, blob: &Descriptor) -> Result<bool, RemoteError> {
        let url = self.path(&format!("blobs/{}", blob.digest));
        let call = Call::new("look for a blob", Method::HEAD, url, Scope::Push);
        let answer = self.call(&call, &[])?;
        let length = header(&answer, "content-length").and_then(|length| length.parse().ok());
        Ok(answer.status().is_success() && length.is_none_or(|length: u64| length == blob.size))
    }

    /// Uploads a blob, again if need be.
    pub(crate) fn upload(&self, upload: &Upload<'_>) -> Result<Uploaded, RemoteError> {
        let mut chunk = self.shared().settings.chunk;
        let mut failures = 0;
        loop {
            let error = match self.attempt(upload, chunk, failures == 0) {
                Ok(Some(uploaded)) => return Ok(uploaded),
                Ok(None) => {
                    // Smaller each time, until it is taken.
                    let next = chunk.map_or(CHUNK, |chunk| chunk / 4);
                    if next < 64 * 1024 {
                        let call = Call::new("upload a blob", Method::PATCH, String::new(), Scope::Push);
                        return Err(self.odd(&call, "no chunk is small enough for it"));
                    }
                    chunk = Some(next);
                    continue;
                }
                Err(error) => error,
            };
            failures += error.weight();
            if !error.is_passing() || failures >= ATTEMPTS {
                return Err(error);
            }
            std::thread::sleep(retry::pause(self.shared().settings.limits.pause, failures));
            // It may have arrived, and only the answer got lost.
            if let Some(blob) = upload.content.descriptor()
                && self.has_blob(blob)?
            {
                return Ok(Uploaded::Sent(blob.clone()));
            }
        }
    }

    fn attempt(&self, upload: &Upload<'_>, chunk: Option<u64>, mount: bool) -> Result<Attempt, RemoteError> {
        let known = upload.content.descriptor();
        let from = known.zip(upload.mount_from).filter(|_| mount);
        let session = match (self.begin(from)?, from) {
            (Some(session), _) => session,
            (None, Some((blob, _))) => return Ok(Some(Uploaded::Mounted(blob.clone()))),
            (None, None) => {
                return Err(self.odd(&self.post(), "it mounts a blob that it was not asked to mount"));
            }
        };
        let chunk = self::chunk(chunk, session.least_chunk);
        if known.is_none() && session.least_chunk.is_some_and(|least| least > MAX_CHUNK_IN_MEMORY) {
            let call = Call::new(
                "upload a layer that is compressed on its way",
                Method::PATCH,
                String::new(),
                Scope::Push,
            );
            return Err(self.odd(&call, "it wants chunks that are too large to be put together in memory"));
        }
        let mut location = session.location;
        let sent = self.stream(upload, chunk, &mut location);
        if !matches!(sent, Ok(Some(_))) {
            self.give_up(location);
        }
        sent
    }

    /// The request that begins an upload.
    fn post(&self) -> Call<'static> {
        Call::new("begin an upload", Method::POST, self.path("blobs/uploads/"), Scope::Push)
    }

    /// Begins an upload. `None`: the registry has taken the blob out of another repository.
    fn begin(&self, from: Option<(&Descriptor, &str)>) -> Result<Option<Session>, RemoteError> {
        let Call { what, url, .. } = self.post();
        let mut answer = None;
        if let Some((blob, from)) = from {
            let query = encode(&[("mount", &blob.digest.to_string()), ("from", from)]);
            let call = Call::new(what, Method::POST, format!("{url}?{query}"), Scope::Mount(from));
            // A client that may not mount the blob can still send it.
            answer = self.call(&call, &[]).ok().filter(|answer| answer.status().is_success());
        }
        let call = Call::new(what, Method::POST, url, Scope::Push);
        let answer = match answer {
            Some(answer) if answer.status() == 201 => return Ok(None),
            Some(answer) => answer,
            // The caller tries the whole upload again.
            None => self.call_once(&call, &mut Payload::Bytes(&[]))?,
        };
        let status = answer.status().as_u16();
        if status != 202 {
            return Err(self.refusal(&call, answer, status));
        }
        let least_chunk = header(&answer, "oci-chunk-min-length").and_then(|length| length.parse().ok());
        let location = self.location(&call, &answer)?;
        let location = location.ok_or_else(|| self.odd(&call, "it does not say where to"))?;
        Ok(Some(Session { location, least_chunk }))
    }

    /// Where an answer says that the upload goes on, relative to what was asked.
    fn location(&self, call: &Call<'_>, answer: &Response<Body>) -> Result<Option<String>, RemoteError> {
        let asked = self.origin().absolute(&call.url, None);
        let location = header(answer, http::header::LOCATION.as_str());
        let Some(url) = location.and_then(|location| self.origin().absolute(location, asked.as_ref())) else {
            return Ok(None);
        };
        self.may_go_to(call, &url)?;
        Ok(Some(url.to_string()))
    }

    /// Sends the bytes to where the upload is. `location` moves on with it.
    fn stream(
        &self,
        upload: &Upload<'_>,
        chunk: Option<u64>,
        location: &mut String,
    ) -> Result<Attempt, RemoteError> {
        let (mut sink, reader) = pipe();
        let (written, sent) = std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let blob = upload.content.write(&mut Counted::new(&mut sink, upload.progress))?;
                sink.finish(blob).map_err(Error::from)
            });
            // The writer ends when there is no reader.
            let sent = self.deliver(reader, upload.content.descriptor(), chunk, location);
            (writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), sent)
        });
        match written {
            Err(error) if !matches!(error, Error::Cancelled) => Err(error.into()),
            _ => sent,
        }
    }

    /// Sends what is read.
    fn deliver(
        &self,
        mut reader: PipeReader,
        known: Option<&Descriptor>,
        chunk: Option<u64>,
        location: &mut String,
    ) -> Result<Attempt, RemoteError> {
        let is_taken = match (chunk, known) {
            (None, Some(blob)) => self.put(location, &mut reader, blob.digest, blob.size)?,
            (None, None) => self.patch(location, &mut reader, None, None).map(|()| true)?,
            (Some(chunk), known) => self.chunks(location, &mut reader, chunk, known)?,
        };
        if !is_taken {
            return Ok(None);
        }
        // A writer that has failed says so itself.
        let call = Call::new("upload a blob", Method::PUT, String::new(), Scope::Push);
        let unread = || self.odd(&call, UNREAD);
        let blob = known.or(reader.end()).ok_or_else(unread)?.clone();
        if chunk.is_some() || known.is_none() {
            self.put(location, &mut std::io::empty(), blob.digest, 0)?;
        }
        Ok(Some(Uploaded::Sent(blob)))
    }

    /// Uploads what is read, which cannot be read again: tries once, and returns whether it is there.
    pub(crate) fn upload_once(
        &self,
        reader: PipeReader,
        known: Option<&Descriptor>,
    ) -> Result<bool, RemoteError> {
        let Some(session) = self.begin(None)? else { return Ok(false) };
        let chunk = chunk(self.shared().settings.chunk, session.least_chunk);
        let mut location = session.location;
        if known.is_none() && chunk.is_some() {
            // Chunks that are gathered in memory wait for one another, and the writer also feeds other targets.
            self.give_up(location);
            return Ok(false);
        }
        let sent = self.deliver(reader, known, chunk, &mut location);
        let is_there = matches!(sent, Ok(Some(_)));
        if !is_there {
            self.give_up(location);
        }
        sent.map(|_| is_there)
    }

    /// Cancels an upload that is no longer needed. If that fails, the registry ends it by itself.
    fn give_up(&self, location: String) {
        let call = Call::new("end an upload", Method::DELETE, location, Scope::Push);
        let _ = self.call_once(&call, &mut Payload::Bytes(&[]));
    }

    /// Ends an upload, with its last bytes. `false`: it does not accept this number of bytes.
    fn put(
        &self,
        location: &str,
        reader: &mut dyn Read,
        digest: Digest,
        length: u64,
    ) -> Result<bool, RemoteError> {
        let joint = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{joint}{}", encode(&[("digest", &digest.to_string())]));
        let call = Call::new("upload a blob", Method::PUT, url, Scope::Push).header("content-type", OCTETS);
        let answer = self.call_once(&call, &mut Payload::Stream(reader, Some(length)))?;
        if answer.status() == 413 && length > 0 {
            return Ok(false);
        }
        self.taken(&call, answer)?;
        Ok(true)
    }

    /// Sends a part of a blob.
    fn patch(
        &self,
        location: &mut String,
        reader: &mut dyn Read,
        length: Option<u64>,
        range: Option<(u64, u64)>,
    ) -> Result<(), RemoteError> {
        let mut call = Call::new("upload a part of a blob", Method::PATCH, location.clone(), Scope::Push)
            .header("content-type", OCTETS);
        if let Some((start, end)) = range {
            call = call.header("content-range", format!("{start}-{end}"));
        }
        let mut body = WholeBody::new(reader, length);
        let answer = self.call_once(&call, &mut Payload::Stream(&mut body, length))?;
        if let Some(next) = self.location(&call, &answer)? {
            *location = next;
        }
        if answer.status().is_success() && !body.is_whole() {
            return Err(self.odd(&call, UNREAD));
        }
        self.taken(&call, answer)
    }

    /// Sends a blob in chunks of at most this length. `false`: that is more than it takes.
    fn chunks(
        &self,
        location: &mut String,
        reader: &mut PipeReader,
        chunk: u64,
        known: Option<&Descriptor>,
    ) -> Result<bool, RemoteError> {
        let mut start = 0;
        loop {
            let sent = match known {
                Some(blob) if start >= blob.size => return Ok(true),
                Some(blob) => {
                    let length = chunk.min(blob.size - start);
                    let range = Some((start, start + length - 1));
                    start += length;
                    self.patch(location, &mut reader.take(length), Some(length), range)
                }
                None => {
                    let _only_one = IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut piece = Vec::new();
                    let read = reader.take(chunk.min(MAX_CHUNK_IN_MEMORY)).read_to_end(&mut piece);
                    if !read.is_ok_and(|length| length > 0) {
                        // That it cannot be read is for the writer to say.
                        return Ok(true);
                    }
                    let length = piece.len() as u64;
                    let range = Some((start, start + length - 1));
                    start += length;
                    self.patch(location, &mut piece.as_slice(), Some(length), range)
                }
            };
            match sent {
                Err(RemoteError::Status { status: 413, .. }) => return Ok(false),
                other => other?,
            }
        }
    }

    /// Makes sure that an answer says that what was sent is there.
    fn taken(&self, call: &Call<'_>, answer: Response<Body>) -> Result<(), RemoteError> {
        match answer.status().as_u16() {
            200..300 => Ok(()),
            // The upload is lost, or goes on at another node: a new one may succeed.
            404 | 416 => Err(self.refusal(call, answer, 503)),
            status => Err(self.refusal(call, answer, status)),
        }
    }
}

/// How long chunks are: what is wanted, and no less than the registry takes.
fn chunk(wanted: Option<u64>, least: Option<u64>) -> Option<u64> {
    match (wanted, least) {
        (Some(chunk), Some(least)) => Some(chunk.max(least).max(1)),
        (None, Some(least)) => Some(CHUNK.max(least)),
        (chunk, None) => chunk.map(|chunk| chunk.max(1)),
    }
}

#[cfg(test)]
mod tests;

//! Uploads: sessions that take bytes until they are committed.

use std::io::{Read, Result};
use std::sync::Arc;

use super::blobs::with_digest;
use super::digest::{digest, digest_of, is_digest};
use super::exchange::Exchange;
use super::http::Body;
use super::personality::{CutUploads, Locations, Mounts, Patches};
use super::response::Response;
use super::state::Upload;

/// Answers POST: mounts a blob or starts a session. A body is ignored, as distribution does.
pub(super) fn start(exchange: &Exchange, repository: &str, body: &mut Body) -> Result<Response> {
    body.drain()?;
    let mount = exchange.head.parameter("mount");
    if let Some(response) = mount.and_then(|digest| mounted(exchange, repository, &digest)) {
        return Ok(response);
    }
    let mut state = exchange.context.state();
    state.started += 1;
    let session = format!("session-{}", state.started);
    state.uploads.insert(session.clone(), Upload { repository: repository.to_owned(), ..Upload::default() });
    drop(state);
    let response = Response::new(202).with("Range", "0-0").with("Docker-Upload-Uuid", &session);
    let response = match exchange.personality.chunk_min_length {
        Some(length) => response.with("OCI-Chunk-Min-Length", length.to_string()),
        None => response,
    };
    Ok(response.with("Location", session_url(exchange, repository, &session, 0)))
}

fn mounted(exchange: &Exchange, repository: &str, digest: &str) -> Option<Response> {
    let from = exchange.head.parameter("from")?;
    let mut state = exchange.context.state();
    let blob = state.repositories.get(&from)?.blobs.get(digest)?.clone();
    match exchange.personality.mounts {
        Mounts::Refused => None,
        Mounts::Failing(status) => Some(Response::error(status, "DENIED", "cannot be mounted")),
        Mounts::Done => {
            state
                .repositories
                .entry(repository.to_owned())
                .or_default()
                .blobs
                .insert(digest.to_owned(), blob);
            Some(created(exchange, repository, digest))
        }
    }
}

fn created(exchange: &Exchange, repository: &str, digest: &str) -> Response {
    let path = format!("/v2/{repository}/blobs/{digest}");
    let location = match exchange.personality.locations {
        Locations::Relative => path,
        Locations::Absolute | Locations::OtherHost => format!("{}{path}", exchange.here()),
    };
    with_digest(exchange, Response::new(201).with("Location", location), digest)
}

/// A session's URL. The query after the `?` must come back unchanged.
fn session_url(exchange: &Exchange, repository: &str, session: &str, step: u32) -> String {
    let path = format!("/v2/{repository}/blobs/uploads/{session}?{}", secret(session, step));
    match exchange.personality.locations {
        Locations::Relative => path,
        Locations::Absolute => format!("{}{path}", exchange.here()),
        Locations::OtherHost => format!("{}{path}", exchange.storage()),
    }
}

fn secret(session: &str, step: u32) -> String {
    let digest = digest(session.as_bytes());
    format!("_state={}%2F%2B{step}%3D%3D&_step={step}", &digest[7..23])
}

/// Calls `then` with a session if the request's URL is the one that was given away last.
fn with_session<T>(
    exchange: &Exchange,
    repository: &str,
    session: &str,
    then: impl FnOnce(&mut Upload) -> T,
) -> std::result::Result<T, Response> {
    let unknown = |why| Response::error(404, "BLOB_UPLOAD_UNKNOWN", why);
    let mut state = exchange.context.state();
    let found = state.uploads.get_mut(session).filter(|upload| upload.repository == repository);
    let upload = found.ok_or_else(|| unknown("no such upload"))?;
    if !exchange.head.query.starts_with(&secret(session, upload.step)) {
        return Err(unknown("this is not the upload's URL"));
    }
    Ok(then(upload))
}

/// Answers PATCH: adds bytes.
pub(super) fn patch(
    exchange: &Exchange,
    repository: &str,
    session: &str,
    body: &mut Body,
) -> Result<Response> {
    let begun = with_session(exchange, repository, session, |upload| begin_patch(exchange, upload));
    if let Err(response) = begun.and_then(|checked| checked) {
        return Ok(response);
    }
    if let Err(response) = receive(exchange, session, body)? {
        return Ok(response);
    }
    let ended = with_session(exchange, repository, session, |upload| {
        upload.short = exchange.personality.chunk_min_length.is_some_and(|length| body.received < length);
        upload.step += 1;
        (upload.step, range(upload))
    });
    let status = if exchange.personality.patches == Patches::Created { 201 } else { 202 };
    Ok(ended.map_or_else(
        |response| response,
        |(step, range)| {
            let location = session_url(exchange, repository, session, step);
            Response::new(status).with("Location", location).with("Range", range)
        },
    ))
}

fn begin_patch(exchange: &Exchange, upload: &mut Upload) -> std::result::Result<(), Response> {
    let there = upload.bytes.len() as u64;
    if let Some(value) = exchange.head.header("content-range") {
        let numbers =
            value.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        let Some((first, last)) = numbers else {
            return Err(Response::error(400, "BLOB_UPLOAD_INVALID", "not a Content-Range"));
        };
        let length: u64 = u64::checked_sub(last, first).map_or(0, |length| length + 1);
        if first != there || exchange.head.length() != Some(length) {
            return Err(Response::new(416).with("Range", range(upload)));
        }
    }
    if upload.short {
        return Err(Response::error(400, "SIZE_INVALID", "the piece before this one was too small"));
    }
    if exchange.personality.patches == Patches::OnlyOne && upload.step > 0 {
        *upload = Upload { repository: upload.repository.clone(), step: upload.step, ..Upload::default() };
    }
    Ok(())
}

fn range(upload: &Upload) -> String {
    format!("0-{}", upload.bytes.len().saturating_sub(1))
}

/// Reads a body into a session. The bytes before the connection was lost stay, if this registry keeps them.
fn receive(exchange: &Exchange, session: &str, body: &mut Body) -> Result<std::result::Result<(), Response>> {
    let limit = exchange.personality.max_body.unwrap_or(u64::MAX);
    let too_large = || Ok(Err(Response::error(413, "SIZE_INVALID", "too large for one request")));
    if exchange.head.length().is_some_and(|length| length > limit) {
        return too_large();
    }
    let before = match exchange.context.state().uploads.get_mut(session) {
        Some(upload) if !upload.busy => {
            upload.busy = true;
            (upload.bytes.len(), upload.hasher.clone())
        }
        _ => return Ok(Err(Response::error(409, "BLOB_UPLOAD_INVALID", "another request writes into it"))),
    };
    let mut buffer = vec![0; 64 << 10];
    let received = loop {
        match body.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(_) if body.received > limit => break Ok(()),
            Ok(length) => {
                if let Some(upload) = exchange.context.state().uploads.get_mut(session) {
                    upload.append(&buffer[..length]);
                }
            }
            Err(error) => break Err(error),
        }
    };
    let mut state = exchange.context.state();
    if received.is_err() && exchange.personality.cut_uploads == CutUploads::Lost {
        state.uploads.remove(session);
    }
    if let Some(upload) = state.uploads.get_mut(session) {
        upload.busy = false;
        if body.received > limit {
            upload.bytes.truncate(before.0);
            upload.hasher = before.1;
            return too_large();
        }
    }
    received.map(Ok)
}

/// Answers PUT: adds bytes, if there are any, and makes it a blob.
pub(super) fn commit(
    exchange: &Exchange,
    repository: &str,
    session: &str,
    body: &mut Body,
) -> Result<Response> {
    let Some(expected) = exchange.head.parameter("digest").filter(|digest| is_digest(digest)) else {
        return Ok(Response::error(400, "DIGEST_INVALID", "PUT needs a digest"));
    };
    if let Err(response) = with_session(exchange, repository, session, |_| ()) {
        return Ok(response);
    }
    if let Err(response) = receive(exchange, session, body)? {
        return Ok(response);
    }
    let mut state = exchange.context.state();
    let Some(upload) = state.uploads.remove(session) else {
        return Ok(Response::error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload"));
    };
    let actual = digest_of(upload.hasher);
    if actual != expected {
        return Ok(Response::error(400, "DIGEST_INVALID", format!("it is {actual}")));
    }
    drop(state);
    std::thread::sleep(exchange.personality.commit_delay);
    let mut state = exchange.context.state();
    let into = state.repositories.entry(repository.to_owned()).or_default();
    into.blobs.insert(expected.clone(), Arc::new(upload.bytes));
    drop(state);
    Ok(created(exchange, repository, &expected))
}

/// Answers GET: how far it is.
pub(super) fn status(exchange: &Exchange, repository: &str, session: &str) -> Response {
    let found = with_session(exchange, repository, session, |upload| (upload.step, range(upload)));
    found.map_or_else(
        |response| response,
        |(step, range)| {
            let location = session_url(exchange, repository, session, step);
            Response::new(204).with("Location", location).with("Range", range)
        },
    )
}

/// Answers DELETE: forgets it.
pub(super) fn cancel(exchange: &Exchange, repository: &str, session: &str) -> Response {
    match with_session(exchange, repository, session, |_| ()) {
        Ok(()) => {
            exchange.context.state().uploads.remove(session);
            Response::new(204)
        }
        Err(response) => response,
    }
}

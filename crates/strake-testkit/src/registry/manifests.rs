//! Manifests and tags.

use std::io::{Read, Result};
use std::sync::Arc;

use serde_json::Value;

use super::blobs::with_digest;
use super::digest::{digest, is_digest};
use super::exchange::Exchange;
use super::http::Body;
use super::personality::Referrers;
use super::response::Response;
use super::state::{Manifest, is_tag};

/// The largest manifest, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;

/// Answers GET and HEAD. As with distribution, the manifest's type has to be among those that are accepted.
pub(super) fn get(exchange: &Exchange, repository: &str, reference: &str) -> Response {
    let state = exchange.context.state();
    let Some(repository) = state.repositories.get(repository) else {
        return Response::error(404, "NAME_UNKNOWN", repository);
    };
    let unknown = |why: &str| Response::error(404, "MANIFEST_UNKNOWN", why);
    let Some((digest, manifest)) = repository.manifest(reference) else { return unknown(reference) };
    let accepts = exchange.head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept"));
    let mut accepts = accepts.flat_map(|(_, value)| value.split(','));
    if !accepts.any(|accept| accept.split(';').next().unwrap_or_default().trim() == manifest.media_type) {
        return unknown("its type is not accepted");
    }
    let length = manifest.bytes.len();
    let response =
        Response::new(200).with("Content-Type", &manifest.media_type).with("Etag", format!("\"{digest}\""));
    with_digest(exchange, response, &digest).part_of(manifest.bytes, 0..length)
}

/// Answers PUT. A manifest is taken only if all that it needs is there.
pub(super) fn put(
    exchange: &Exchange,
    repository: &str,
    reference: &str,
    body: &mut Body,
) -> Result<Response> {
    let mut bytes = Vec::new();
    body.by_ref().take(MAX_MANIFEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Ok(Response::error(413, "SIZE_INVALID", "too large for a manifest"));
    }
    let media_type = exchange.head.header("content-type").unwrap_or_default();
    let tags = exchange.head.parameters("tag");
    let tags = if exchange.personality.tag_parameters { tags } else { Vec::new() };
    Ok(accept(exchange, repository, reference, media_type, bytes, tags))
}

fn accept(
    exchange: &Exchange,
    repository: &str,
    reference: &str,
    media_type: &str,
    bytes: Vec<u8>,
    mut tags: Vec<String>,
) -> Response {
    let invalid = |why: &str| Response::error(400, "MANIFEST_INVALID", why);
    let Ok(manifest) = serde_json::from_slice::<Value>(&bytes) else { return invalid("not JSON") };
    let named = manifest.get("mediaType").and_then(Value::as_str);
    if manifest["schemaVersion"] != 2
        || named.is_some_and(|named| named != media_type)
        || media_type.is_empty()
    {
        return invalid("not a manifest of the type in its header");
    }
    let digest = digest(&bytes);
    if is_digest(reference) && reference != digest {
        return Response::error(400, "DIGEST_INVALID", format!("it is {digest}"));
    }
    if tags.iter().any(|tag| !is_tag(tag)) {
        return Response::error(400, "TAG_INVALID", "not a tag");
    }
    let mut state = exchange.context.state();
    let into = state.repositories.entry(repository.to_owned()).or_default();
    let lacks = into.lacks(&bytes);
    if !lacks.is_empty() {
        return Response::error(400, "MANIFEST_BLOB_UNKNOWN", lacks.join("; "));
    }
    into.manifests
        .insert(digest.clone(), Manifest { media_type: media_type.to_owned(), bytes: Arc::new(bytes) });
    let mut response = Response::new(201).with("Location", format!("/v2/{repository}/manifests/{digest}"));
    for tag in &tags {
        response = response.with("OCI-Tag", tag);
    }
    if !is_digest(reference) {
        tags.push(reference.to_owned());
    }
    into.tags.extend(tags.into_iter().map(|tag| (tag, digest.clone())));
    if let (Referrers::Listed, Some(subject)) = (exchange.personality.referrers, manifest.get("subject")) {
        response = response.with("OCI-Subject", subject["digest"].as_str().unwrap_or_default());
    }
    with_digest(exchange, response, &digest)
}

/// Answers DELETE: a tag, or a manifest with its tags.
pub(super) fn delete(exchange: &Exchange, repository: &str, reference: &str) -> Response {
    if exchange.personality.no_deletes {
        return Response::error(405, "UNSUPPORTED", "The operation is unsupported.");
    }
    let mut state = exchange.context.state();
    let Some(from) = state.repositories.get_mut(repository) else {
        return Response::error(404, "NAME_UNKNOWN", repository);
    };
    let was_there = if is_digest(reference) {
        from.tags.retain(|_, digest| digest != reference);
        from.manifests.remove(reference).is_some()
    } else {
        from.tags.remove(reference).is_some()
    };
    if was_there { Response::new(202) } else { Response::error(404, "MANIFEST_UNKNOWN", reference) }
}

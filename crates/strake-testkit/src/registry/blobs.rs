//! Blobs that are there.

use std::ops::Range;

use super::digest;
use super::exchange::Exchange;
use super::log::Port;
use super::personality::{Blobs, DigestHeader};
use super::response::Response;

/// The secret that makes a URL on the other host valid.
pub(super) const SIGNATURE: &str = "a/secret+of=the&test";

/// Answers GET and HEAD.
pub(super) fn get(exchange: &Exchange, repository: &str, digest: &str) -> Response {
    let blob =
        exchange.context.state().repositories.get(repository).and_then(|it| it.blobs.get(digest).cloned());
    let found = Response::new(200)
        .with("Content-Type", "application/octet-stream")
        .with("Accept-Ranges", "bytes")
        .with("Etag", format!("\"{digest}\""));
    let found = with_digest(exchange, found, digest);
    let Some(blob) = blob else {
        let lie = exchange.personality.lying_heads.iter().find(|(lie, _)| lie == digest);
        return match lie {
            Some((_, size)) if exchange.head.method == "HEAD" => found.of_length(*size),
            _ => Response::error(404, "BLOB_UNKNOWN", digest),
        };
    };
    let is_get = exchange.head.method == "GET";
    if is_get && exchange.port == Port::Registry && exchange.personality.blobs == Blobs::Redirected {
        let query: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("signature", SIGNATURE).finish();
        let location = format!("{}{}?{query}", exchange.storage(), exchange.head.path);
        return Response::new(307).with("Location", location);
    }
    let length = blob.len();
    let asked = exchange.head.header("range").filter(|_| is_get);
    match asked.map_or(Requested::Everything, |value| range(value, length)) {
        Requested::Everything => found.part_of(blob, 0..length),
        Requested::Part(range) => {
            let of = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            found.with_status(206).with("Content-Range", of).part_of(blob, range)
        }
        Requested::Nothing => Response::new(416).with("Content-Range", format!("bytes */{length}")),
    }
}

/// The range in a Range header.
#[derive(Debug, PartialEq, Eq)]
enum Requested {
    /// Something that is to be answered with everything.
    Everything,
    Part(Range<usize>),
    /// A range that there is not.
    Nothing,
}

fn range(value: &str, length: usize) -> Requested {
    let numbers = value.strip_prefix("bytes=").and_then(|value| value.split_once('-'));
    let Some((first, last)) = numbers else { return Requested::Everything };
    let range = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.is_empty() => length - suffix.min(length)..length,
        _ => return Requested::Everything,
    };
    if range.is_empty() { Requested::Nothing } else { Requested::Part(range) }
}

/// Answers DELETE.
pub(super) fn delete(exchange: &Exchange, repository: &str, digest: &str) -> Response {
    let mut state = exchange.context.state();
    match state.repositories.get_mut(repository).and_then(|it| it.blobs.remove(digest)) {
        Some(_) => Response::new(202),
        None => Response::error(404, "BLOB_UNKNOWN", digest),
    }
}

/// The same answer with `Docker-Content-Digest`, as this registry says it.
pub(super) fn with_digest(exchange: &Exchange, response: Response, digest: &str) -> Response {
    match exchange.personality.digest_header {
        DigestHeader::Right => response.with("Docker-Content-Digest", digest),
        DigestHeader::Wrong => response.with("Docker-Content-Digest", digest::digest(b"something else")),
        DigestHeader::Missing => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (value, expected) in [
            ("bytes=0-0", Requested::Part(0..1)),
            ("bytes=2-", Requested::Part(2..10)),
            ("bytes=2-100", Requested::Part(2..10)),
            ("bytes=-3", Requested::Part(7..10)),
            ("bytes=-30", Requested::Part(0..10)),
            ("bytes=-0", Requested::Nothing),
            ("bytes=10-", Requested::Nothing),
            ("bytes=5-4", Requested::Nothing),
            ("bytes=0-1,3-4", Requested::Everything),
            ("lines=0-1", Requested::Everything),
        ] {
            assert_eq!(range(value, 10), expected, "{value}");
        }
    }
}

use std::io::{Read, Write};
use std::net::TcpStream;

use strake_testkit::image::MANIFEST;
use strake_testkit::registry::{Port, Registry, digest};

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// None if the connection was closed before there was a whole answer.
    pub(crate) status: Option<u16>,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The path and query of its `Location`, without a host.
    pub(crate) fn location(&self) -> String {
        let location = self.header("location").unwrap();
        match location.split_once("://") {
            None => location.to_owned(),
            Some((_, rest)) => rest[rest.find('/').unwrap()..].to_owned(),
        }
    }

    /// The first error's code.
    pub(crate) fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        value["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request by a connection of its own. `line` is the method and the path, `headers` end with line ends.
pub(crate) fn ask(registry: &Registry, line: &str, headers: &str, body: &[u8]) -> Answer {
    ask_at(registry, Port::Registry, line, headers, body)
}

/// The same at any port.
pub(crate) fn ask_at(registry: &Registry, port: Port, line: &str, headers: &str, body: &[u8]) -> Answer {
    let length = if headers.contains("Transfer-Encoding") || body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let head = format!("{line} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n{length}{headers}\r\n");
    let mut stream = TcpStream::connect(registry.address_of(port)).unwrap();
    // The registry may close the connection before it has read all.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer, line.starts_with("HEAD")).unwrap_or_default()
}

fn parse(bytes: &[u8], is_head: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let answer = Answer { status: Some(status), head, body: bytes[end + 4..].to_vec() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    (is_head || answer.body.len() == length).then_some(answer)
}

/// Gets with a manifest's media type among those that are accepted.
pub(crate) fn get(registry: &Registry, path: &str) -> Answer {
    ask(registry, &format!("GET {path}"), &format!("Accept: {MANIFEST}\r\n"), b"")
}

/// Starts an upload and returns where it goes on.
pub(crate) fn start(registry: &Registry, repository: &str) -> String {
    let answer = ask(registry, &format!("POST /v2/{repository}/blobs/uploads/"), "", b"");
    assert_eq!(answer.status, Some(202));
    answer.location()
}

pub(crate) fn patch(registry: &Registry, location: &str, headers: &str, body: &[u8]) -> Answer {
    ask(registry, &format!("PATCH {location}"), headers, body)
}

/// Ends an upload whose content has to be `expected`.
pub(crate) fn commit(registry: &Registry, location: &str, expected: &[u8], body: &[u8]) -> Answer {
    ask(registry, &format!("PUT {location}&digest={}", digest(expected)), "", body)
}

pub(crate) fn put_manifest(registry: &Registry, path: &str, manifest: &[u8]) -> Answer {
    ask(registry, &format!("PUT {path}"), &format!("Content-Type: {MANIFEST}\r\n"), manifest)
}

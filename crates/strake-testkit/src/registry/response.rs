//! Answers.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use serde_json::json;

/// An answer. Its body is a part of some bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
    /// The body's length in the answer to a HEAD request, if there is no body.
    length: Option<u64>,
}

impl Response {
    pub(super) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// An error as the specification has it.
    pub(super) fn error(status: u16, code: &str, message: impl AsRef<str>) -> Self {
        Self::json(status, &json!({"errors": [{"code": code, "message": message.as_ref(), "detail": null}]}))
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status).with("Content-Type", "application/json").containing(value.to_string().into_bytes())
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    #[must_use]
    pub(super) fn containing(self, bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        self.part_of(Arc::new(bytes), range)
    }

    #[must_use]
    pub(super) fn part_of(mut self, bytes: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        (self.bytes, self.range) = (bytes, range);
        self
    }

    #[must_use]
    pub(super) fn of_length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// The same with another byte at a place of its body.
    #[must_use]
    pub(super) fn corrupted(self, place: u64) -> Self {
        let mut body = self.body().to_vec();
        let last = body.len().saturating_sub(1);
        if let Some(byte) = body.get_mut(last.min(usize::try_from(place).unwrap_or(last))) {
            *byte ^= 0x20;
        }
        self.containing(body)
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    /// The status line and the headers.
    pub(super) fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} \r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // RFC 9110, 8.6: no length where there can be no body.
        if self.status != 204 {
            let _ = write!(head, "Content-Length: {}\r\n", self.length.unwrap_or(self.range.len() as u64));
        }
        head + "\r\n"
    }
}

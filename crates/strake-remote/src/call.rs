//! A request to a registry.

use std::io::Read;

use ureq::http::Method;

/// A request to a registry.
pub(crate) struct Call<'c> {
    /// For people: what this is done for, after "to".
    pub(crate) what: &'c str,
    pub(crate) method: Method,
    /// A path, or a whole URL.
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The required access.
    pub(crate) scope: Scope<'c>,
    /// Whether the response is a blob, which may be of any size.
    pub(crate) is_blob: bool,
}

/// The required access.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope<'c> {
    Pull,
    Push,
    /// And to take blobs out of another repository.
    Mount(&'c str),
    Delete,
}

/// A request's body.
pub(crate) enum Payload<'b> {
    Bytes(&'b [u8]),
    /// Can be sent once.
    Stream(&'b mut dyn Read, Option<u64>),
}

impl Scope<'_> {
    /// The scope as token servers require it, for a repository.
    pub(crate) fn of(self, name: &str) -> Vec<String> {
        match self {
            Self::Pull => vec![format!("repository:{name}:pull")],
            Self::Push => vec![format!("repository:{name}:pull,push")],
            // distribution requires "delete", quay.io "push", and refuses unknown actions; both accept "*".
            Self::Delete => vec![format!("repository:{name}:*")],
            Self::Mount(from) => {
                vec![format!("repository:{name}:pull,push"), format!("repository:{from}:pull")]
            }
        }
    }
}

impl<'c> Call<'c> {
    pub(crate) fn new(what: &'c str, method: Method, url: String, scope: Scope<'c>) -> Self {
        Self { what, method, url, headers: Vec::new(), scope, is_blob: false }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A body that is sent, and how much of it was.
pub(crate) struct WholeBody<'b> {
    reader: &'b mut dyn Read,
    length: Option<u64>,
    sent: u64,
    has_ended: bool,
}

impl<'b> WholeBody<'b> {
    /// A body of this length, or one that ends where its reader does.
    pub(crate) fn new(reader: &'b mut dyn Read, length: Option<u64>) -> Self {
        Self { reader, length, sent: 0, has_ended: false }
    }

    /// Whether all of it was sent.
    pub(crate) fn is_whole(&self) -> bool {
        self.length.map_or(self.has_ended, |length| self.sent >= length)
    }
}

impl Read for WholeBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.reader.read(buffer)?;
        self.sent += got as u64;
        self.has_ended |= got == 0 && !buffer.is_empty();
        Ok(got)
    }
}

/// A query, or a form.
pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

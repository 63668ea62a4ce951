//! The requests to a server.

/// The server that was asked. Each has a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The registry.
    Registry,
    /// The other host, to which uploads and downloads may be sent; it must not see credentials.
    Storage,
    /// The host that gives tokens away.
    Tokens,
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Counts the requests to a registry, from 1.
    pub number: u64,
    /// The server.
    pub port: Port,
    /// Which connection it came by: requests with the same number shared one.
    pub connection: u64,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The query after the `?`, or nothing.
    pub query: String,
    /// Its headers, in their order.
    pub headers: Vec<(String, String)>,
    /// How many bytes of its body were read.
    pub received: u64,
    /// The answer's status. None before there is one, and if there is never one.
    pub status: Option<u16>,
    /// Whether it has been carried out and is not answered: `Effect::Hold`.
    pub held: bool,
    /// How many bytes of the answer's body were sent.
    pub sent: u64,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Its method, path and status in a line, for comparing and for looking at.
    pub fn line(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let status = self.status.map_or("cut".to_owned(), |status| status.to_string());
        format!("{} {}{query} {status}", self.method, self.path)
    }
}

/// The value of the first header with this name.
pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

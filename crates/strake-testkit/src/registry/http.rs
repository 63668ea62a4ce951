//! HTTP/1.1 as far as a registry needs it, over a wire that can be cut at any byte.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::log::header;
use super::response::Response;

/// A TCP or TLS stream.
pub(super) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A client's connection.
pub(super) struct Connection {
    pub(super) wire: Box<dyn Wire>,
    pub(super) socket: TcpStream,
    /// Bytes that were read but belong to the next message.
    ahead: Vec<u8>,
}

/// A request without its body.
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The values of a parameter of the query.
    pub(super) fn parameters(&self, name: &str) -> Vec<String> {
        parameters(self.query.as_bytes(), name)
    }

    /// The first value of a parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).into_iter().next()
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// How long the body is, where that is said.
    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    pub(super) fn has_body(&self) -> bool {
        self.is_chunked() || self.length().is_some_and(|length| length > 0)
    }

    pub(super) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// The values of a parameter of a form or query.
pub(super) fn parameters(form: &[u8], name: &str) -> Vec<String> {
    let all = form_urlencoded::parse(form);
    all.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// The longest head of a request.
const MAX_HEAD: usize = 64 << 10;

impl Connection {
    pub(super) fn new(wire: Box<dyn Wire>, socket: TcpStream) -> Self {
        Self { wire, socket, ahead: Vec::new() }
    }

    /// The next request's head. None if the client has gone.
    pub(super) fn head(&mut self) -> Result<Option<Head>> {
        let mut buffer = [0; 8192];
        loop {
            if let Some((head, length)) = parse(&self.ahead)? {
                self.ahead.drain(..length);
                return Ok(Some(head));
            }
            let read = self.wire.read(&mut buffer)?;
            if read == 0 && self.ahead.is_empty() {
                return Ok(None);
            }
            if read == 0 || self.ahead.len() > MAX_HEAD {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.ahead.extend_from_slice(&buffer[..read]);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.ahead.is_empty() {
            return self.wire.read(buffer);
        }
        let length = buffer.len().min(self.ahead.len());
        buffer[..length].copy_from_slice(&self.ahead[..length]);
        self.ahead.drain(..length);
        Ok(length)
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            if self.read(&mut byte)? == 0 || line.len() > MAX_HEAD {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(|_| ErrorKind::InvalidData.into())
    }

    /// Sends an answer, at most `limit` bytes of it. Returns how many bytes of its body were sent; fails if they were
    /// not all.
    pub(super) fn send(&mut self, response: &Response, to: &Head, limit: Option<u64>) -> (u64, Result<()>) {
        let head = response.head();
        let body = if to.method == "HEAD" { &[][..] } else { response.body() };
        let mut left = limit.unwrap_or(u64::MAX);
        let mut of_body = 0;
        let mut write = |bytes: &[u8], is_body: bool| {
            for piece in bytes.chunks(64 << 10) {
                let piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                self.wire.write_all(piece)?;
                left -= piece.len() as u64;
                of_body += if is_body { piece.len() as u64 } else { 0 };
                if left == 0 {
                    self.wire.flush()?;
                    return Err(Error::from(ErrorKind::ConnectionAborted));
                }
            }
            self.wire.flush()
        };
        let result = if limit == Some(0) {
            Err(ErrorKind::ConnectionAborted.into())
        } else {
            write(head.as_bytes(), false)
        };
        let result = result.and_then(|()| write(body, true));
        (of_body, result)
    }

    /// Sends an answer, after its first bytes byte by byte with a pause before each.
    pub(super) fn send_slowly(
        &mut self,
        response: &Response,
        to: &Head,
        first: u64,
        pause: Duration,
    ) -> Result<()> {
        let body = if to.method == "HEAD" { &[][..] } else { response.body() };
        let bytes = [response.head().as_bytes(), body].concat();
        let (first, rest) = bytes.split_at(bytes.len().min(usize::try_from(first).unwrap_or(usize::MAX)));
        self.wire.write_all(first)?;
        self.wire.flush()?;
        for byte in rest.chunks(1) {
            std::thread::sleep(pause);
            self.wire.write_all(byte)?;
            self.wire.flush()?;
        }
        Ok(())
    }

    /// Closes the connection so that an answer given before the whole request had come is not lost.
    pub(super) fn linger(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = self.socket.set_read_timeout(Some(Duration::from_secs(2)));
        self.wait_for_end();
    }

    /// Reads until the client closes the connection.
    pub(super) fn wait_for_end(&mut self) {
        let mut buffer = [0; 8192];
        while self.wire.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let invalid = |_| Error::from(ErrorKind::InvalidData);
    let httparse::Status::Complete(length) = request.parse(bytes).map_err(invalid)? else { return Ok(None) };
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: request.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect(),
    };
    Ok(Some((head, length)))
}

/// How a body's end is known.
#[derive(PartialEq, Eq)]
enum Framing {
    Length,
    BeforeFirstChunk,
    Chunk,
}

/// A request's body, read as it comes.
pub(super) struct Body<'a> {
    connection: &'a mut Connection,
    framing: Framing,
    /// The bytes left of it, or of the chunk.
    left: u64,
    pub(super) ended: bool,
    /// Whether the client waits for `100 Continue`.
    expected: bool,
    /// How many bytes may be read before the connection is lost.
    cut: Option<u64>,
    pub(super) received: u64,
}

impl<'a> Body<'a> {
    pub(super) fn new(connection: &'a mut Connection, head: &Head, cut: Option<u64>) -> Self {
        let framing = if head.is_chunked() { Framing::BeforeFirstChunk } else { Framing::Length };
        let left = if framing == Framing::Length { head.length().unwrap_or(0) } else { 0 };
        let expected = head.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        let ended = !head.has_body();
        Self { connection, framing, left, ended, expected, cut, received: 0 }
    }

    /// Reads what is left and forgets it.
    pub(super) fn drain(&mut self) -> Result<()> {
        std::io::copy(self, &mut std::io::sink()).map(drop)
    }

    fn next_chunk(&mut self) -> Result<()> {
        if self.framing == Framing::Chunk {
            self.connection.read_line()?;
        }
        let line = self.connection.read_line()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        self.left = u64::from_str_radix(size, 16).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        self.framing = Framing::Chunk;
        if self.left == 0 {
            while !self.connection.read_line()?.is_empty() {}
            self.ended = true;
        }
        Ok(())
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.ended {
            return Ok(0);
        }
        if std::mem::take(&mut self.expected) {
            self.connection.wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            self.connection.wire.flush()?;
        }
        let allowed = self.cut.map_or(u64::MAX, |cut| cut - self.received);
        if allowed == 0 {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if self.framing != Framing::Length && self.left == 0 {
            self.next_chunk()?;
            if self.ended {
                return Ok(0);
            }
        }
        let length = buffer.len().min(usize::try_from(self.left.min(allowed)).unwrap_or(usize::MAX));
        let read = self.connection.read(&mut buffer[..length])?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        self.received += read as u64;
        self.ended = self.framing == Framing::Length && self.left == 0;
        Ok(read)
    }
}

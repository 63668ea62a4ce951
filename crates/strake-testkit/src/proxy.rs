//! An HTTP proxy that records the requested hosts.

use std::collections::BTreeMap;
use std::io::{Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A proxy in this process: CONNECT, and absolute URLs of `http:`.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<ProxyState>,
}

#[derive(Default)]
struct ProxyState {
    /// The addresses of hosts that only the proxy resolves.
    hosts: BTreeMap<String, String>,
    asked: Mutex<Vec<ProxyRequest>>,
    stopped: AtomicBool,
}

/// The requests to a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRequest {
    /// `CONNECT`, or the request's method.
    pub method: String,
    /// `host:port`.
    pub host: String,
    /// The header `Proxy-Authorization`.
    pub authorization: Option<String>,
}

impl Proxy {
    /// Starts one. To it, the first host (`name:port`) of each pair is where the second one is.
    pub fn start(hosts: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let hosts = hosts.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect();
        let shared = Arc::new(ProxyState { hosts, ..ProxyState::default() });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if of_thread.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || {
                    if shared.serve(&client).is_err() {
                        let _ = (&client).write_all(b"HTTP/1.1 502 \r\nContent-Length: 0\r\n\r\n");
                    }
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    /// Its host and port: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The requests, in order.
    pub fn asked(&self) -> Vec<ProxyRequest> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The hosts that it was asked for, each once.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self.asked().into_iter().map(|asked| asked.host).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl ProxyState {
    /// A connection: one request, and then bytes both ways.
    fn serve(&self, client: &TcpStream) -> Result<()> {
        let (head, rest) = read_head(client)?;
        let mut lines = head.split("\r\n");
        let mut request = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (request.next().unwrap_or_default(), request.next().unwrap_or_default());
        let headers: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let absolute =
            target.strip_prefix("http://").map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len())));
        let (host, path) = absolute.unwrap_or((target, ""));
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let authorization = headers.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
        });
        let asked = ProxyRequest { method: method.to_owned(), host: host.clone(), authorization };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);

        let server = TcpStream::connect(self.hosts.get(&host).unwrap_or(&host))?;
        if method == "CONNECT" {
            (&*client).write_all(b"HTTP/1.1 200 \r\n\r\n")?;
        } else {
            // One request a connection, so that each can be seen.
            let is_kept = |line: &&str| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                !name.starts_with("proxy-") && name != "connection"
            };
            let headers: Vec<&str> =
                headers.into_iter().filter(is_kept).chain(["Connection: close"]).collect();
            write!(&server, "{method} {path} HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"))?;
        }
        (&server).write_all(&rest)?;
        std::thread::scope(|scope| {
            scope.spawn(|| pass(client, &server));
            pass(&server, client);
        });
        Ok(())
    }
}

/// Passes bytes on until there are no more, one way.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// Reads a request's head, and what has come behind it.
fn read_head(mut client: &TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}

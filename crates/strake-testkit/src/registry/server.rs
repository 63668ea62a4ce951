//! The ports, the connections, and what every request goes through.

use std::collections::HashMap;
use std::io::{ErrorKind, Result};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::exchange::{Context, Exchange, PORTS, lock};
use super::fault::Effect;
use super::http::{Body, Connection, Head};
use super::log::{Port, Request};
use super::personality::Personality;
use super::response::Response;
use super::routes;
use crate::wait::until;

/// The ports and connections of a registry.
pub(super) struct Server {
    pub(super) context: Context,
    tls: Option<Arc<rustls::ServerConfig>>,
    connections: Mutex<HashMap<u64, TcpStream>>,
    next_connection: AtomicU64,
    next_request: AtomicU64,
    stopped: AtomicBool,
}

impl Server {
    /// Opens the ports and serves them.
    pub(super) fn start(personality: Personality, tls: Option<Arc<rustls::ServerConfig>>) -> Arc<Self> {
        let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let addresses = [0, 1, 2].map(|index| listeners[index].local_addr().expect("an address"));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Arc::new(Self {
            context: Context::new(personality, addresses, scheme),
            tls,
            connections: Mutex::default(),
            next_connection: AtomicU64::new(1),
            next_request: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
        });
        for (listener, port) in listeners.into_iter().zip(PORTS) {
            let server = Arc::clone(&server);
            std::thread::spawn(move || server.accept(&listener, port));
        }
        server
    }

    /// Closes the ports and all connections.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        for port in PORTS {
            let _ = TcpStream::connect(self.context.address(port));
        }
        for socket in lock(&self.connections).values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener, port: Port) {
        for socket in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(socket) = socket else { continue };
            let server = Arc::clone(self);
            std::thread::spawn(move || {
                let number = server.next_connection.fetch_add(1, Ordering::SeqCst);
                let _ = server.serve(&socket, port, number);
                lock(&server.connections).remove(&number);
                let _ = socket.shutdown(Shutdown::Both);
            });
        }
    }

    fn serve(&self, socket: &TcpStream, port: Port, number: u64) -> Result<()> {
        socket.set_nodelay(true)?;
        lock(&self.connections).insert(number, socket.try_clone()?);
        let mut connection = match &self.tls {
            None => Connection::new(Box::new(socket.try_clone()?), socket.try_clone()?),
            Some(config) => {
                let session =
                    rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
                let stream = rustls::StreamOwned::new(session, socket.try_clone()?);
                Connection::new(Box::new(stream), socket.try_clone()?)
            }
        };
        while let Some(head) = connection.head()? {
            let request = self.log_head(&head, port, number);
            if !self.exchange(&mut connection, &head, port, request)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn log_head(&self, head: &Head, port: Port, connection: u64) -> u64 {
        let mut log = lock(&self.context.log);
        let number = self.next_request.fetch_add(1, Ordering::SeqCst);
        log.push(Request {
            number,
            port,
            connection,
            method: head.method.clone(),
            path: head.path.clone(),
            query: head.query.clone(),
            headers: head.headers.clone(),
            received: 0,
            status: None,
            held: false,
            sent: 0,
        });
        number
    }

    /// One request and its answer. Returns whether the connection is good for another one.
    fn exchange(&self, connection: &mut Connection, head: &Head, port: Port, number: u64) -> Result<bool> {
        let personality = Arc::clone(&lock(&self.context.personality));
        let effect = self.context.state().counters.due(&personality.faults, &head.method, &head.path);
        let log = |change: &dyn Fn(&mut Request)| {
            if let Some(request) =
                lock(&self.context.log).iter_mut().rfind(|request| request.number == number)
            {
                change(request);
            }
        };
        if let Some(Effect::Raw(bytes)) = effect {
            connection.wire.write_all(&bytes)?;
            connection.wire.flush()?;
            connection.linger();
            return Ok(false);
        }
        if let Some(Effect::Endless(first, again)) = effect {
            connection.wire.write_all(&first)?;
            while !self.stopped.load(Ordering::SeqCst) {
                connection.wire.write_all(&again)?;
                connection.wire.flush()?;
            }
            return Ok(false);
        }
        if let Some(Effect::SlowRead(pause)) = effect {
            while !self.stopped.load(Ordering::SeqCst) && connection.wire.read(&mut [0])? > 0 {
                std::thread::sleep(pause);
            }
            return Ok(false);
        }
        let cut = match effect {
            Some(Effect::CutRequest(_)) if !head.has_body() => {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            Some(Effect::CutRequest(cut)) => Some(cut),
            _ => None,
        };
        let mut body = Body::new(connection, head, cut);
        let answer = if let Some(refusal) = effect.as_ref().and_then(refusal) {
            Ok(refusal)
        } else {
            let context = &self.context;
            routes::answer(&Exchange { context, personality: &personality, head, port }, &mut body)
        };
        let (complete, received) = (body.ended, body.received);
        log(&|request| request.received = received);
        let mut response = answer?;
        match effect {
            Some(Effect::Corrupt(place)) => response = response.corrupted(place),
            Some(Effect::Delay(time)) => std::thread::sleep(time),
            Some(Effect::OutliveTokens) => {
                let grants_have_expired = || self.context.state().grants.have_expired().then_some(());
                until(grants_have_expired, || "a token does not expire".to_owned());
            }
            Some(Effect::Hold) => {
                log(&|request| request.held = true);
                connection.wait_for_end();
                return Err(ErrorKind::ConnectionAborted.into());
            }
            Some(Effect::CutRequest(_)) => return Err(ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
        let keep = complete && !head.closes();
        if !keep {
            response = response.with("Connection", "close");
        }
        if let Some(Effect::Trickle(first, pause)) = effect {
            connection.send_slowly(&response, head, first, pause)?;
            return Ok(keep);
        }
        let limit = if let Some(Effect::CutResponse(limit)) = effect { Some(limit) } else { None };
        if limit.is_none() {
            // Before it is sent: a client that has its answer may look at the log.
            let length = if head.method == "HEAD" { 0 } else { response.body().len() as u64 };
            log(&|request| (request.status, request.sent) = (Some(response.status), length));
        }
        let (sent, result) = connection.send(&response, head, limit);
        log(&|request| request.sent = sent);
        result?;
        log(&|request| request.status = Some(response.status));
        if !keep {
            connection.linger();
        }
        Ok(keep)
    }
}

/// The answer to a request that is not carried out.
fn refusal(effect: &Effect) -> Option<Response> {
    let (status, retry_after) = match *effect {
        Effect::Status(status) => (status, None),
        Effect::RetryAfter(status, seconds) => (status, Some(seconds.to_string())),
        Effect::RetryAfterDate(status, seconds) => {
            let then = SystemTime::now() + Duration::from_secs(seconds);
            (status, Some(httpdate::fmt_http_date(then)))
        }
        _ => return None,
    };
    let code = if status == 429 { "TOOMANYREQUESTS" } else { "UNAVAILABLE" };
    let response = Response::error(status, code, "a fault of the test's");
    Some(match retry_after {
        Some(value) => response.with("Retry-After", value),
        None => response,
    })
}

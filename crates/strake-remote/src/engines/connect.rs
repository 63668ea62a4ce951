//! Connections to a daemon: a Unix socket, or a program on whose stdin and stdout the daemon is. TCP is the HTTP library's own.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

use super::endpoint::Endpoint;

/// The size of each buffer, in bytes.
const BUFFER: usize = 128 * 1024;

/// Connects to one daemon, whatever URL is asked for.
#[derive(Debug)]
pub(super) struct Connect(pub(super) Endpoint);

impl<In: Transport> Connector<In> for Connect {
    type Out = Either<In, Connection>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let stream = match &self.0 {
            Endpoint::Unix(path) => Stream::Socket(UnixStream::connect(path)?),
            Endpoint::Ssh { host, port } => Stream::Program(Dialled::start(host, *port)?),
            Endpoint::Tcp { .. } => return Ok(chained.map(Either::A)),
        };
        let buffers = LazyBuffers::new(BUFFER, BUFFER);
        Ok(Some(Either::B(Connection { stream, buffers, cut: None })))
    }
}

/// A connection to a daemon.
pub(super) struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
    /// Why it takes no more.
    cut: Option<io::Error>,
}

enum Stream {
    Socket(UnixStream),
    Program(Dialled),
}

/// A program that connects to a remote daemon.
struct Dialled {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
}

impl Dialled {
    fn start(host: &str, port: Option<u16>) -> io::Result<Self> {
        let mut ssh = Command::new("ssh");
        // As docker's command does it. The messages of ssh go to the user.
        ssh.args(["-o", "ConnectTimeout=30", "-T"]);
        if let Some(port) = port {
            ssh.args(["-p", &port.to_string()]);
        }
        ssh.args(["--", host, "docker", "system", "dial-stdio"]);
        let mut child = ssh
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("ssh cannot be run: {error}")))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("stdout is a pipe"));
        Ok(Self { child, stdin, stdout })
    }
}

impl Drop for Dialled {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.write_all(data),
            Self::Program(Dialled { stdin: Some(stdin), .. }) => {
                stdin.write_all(data).and_then(|()| stdin.flush())
            }
            Self::Program(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stream: &mut dyn Read = match self {
            Self::Socket(socket) => socket,
            Self::Program(program) => &mut program.stdout,
        };
        loop {
            match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// A daemon that takes no more has said why, or will: what is left of the request is dropped, and its answer read.
    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        if self.cut.is_none() {
            let output = &self.buffers.output()[..amount];
            self.cut = self.stream.write(output).err();
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let got = self.stream.read(self.buffers.input_append_buf());
        match (got, self.cut.take()) {
            (Ok(0) | Err(_), Some(error)) => Err(Error::Io(error)),
            (got, cut) => {
                self.cut = cut;
                let got = got?;
                self.buffers.input_appended(got);
                Ok(got > 0)
            }
        }
    }

    /// Each request gets a connection of its own: that costs nothing on a socket, and a daemon may close one at any time. A
    /// program is started again only where it has ended.
    fn is_open(&mut self) -> bool {
        match &mut self.stream {
            Stream::Socket(_) => false,
            Stream::Program(program) => self.cut.is_none() && matches!(program.child.try_wait(), Ok(None)),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

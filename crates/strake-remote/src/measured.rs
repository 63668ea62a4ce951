//! A connection that fails where the other side is too slow or does not end.
//!
//! An HTTP library limits how long one read or write takes, how long a whole phase takes, and how long one header is. It does
//! not limit a body that may be large and comes byte by byte, and interim responses (RFC 9110, 15.2), of which there may be any
//! number.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Timeout};

use crate::limits::{Exceeded, Limits, MAX_HEADER, Meter};

/// Measures the connections that others make.
#[derive(Debug)]
pub(crate) struct Measure(pub(crate) Limits);

/// A connection that is measured.
pub(crate) struct Measured<T> {
    inner: T,
    limits: Limits,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    meter: Meter,
    /// The size of the answer to this request while its header is incomplete, in bytes.
    header: usize,
}

impl<In: Transport> Connector<In> for Measure {
    type Out = Measured<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Measured {
            inner,
            limits: self.0,
            clock: details.current_time.clone(),
            meter: Meter::default(),
            header: 0,
        }))
    }
}

impl<T: Transport> Measured<T> {
    /// Does something with the connection that returns how many bytes it has transferred, and holds it against the rate.
    fn measure(&mut self, act: impl FnOnce(&mut T) -> Result<usize, Error>) -> Result<(), Error> {
        let begun = (self.clock)();
        let bytes = act(&mut self.inner)?;
        let waited = between(begun, (self.clock)());
        self.meter.add(waited, bytes as u64, self.limits.least, self.limits.window).map_err(exceeded)
    }

    /// Waits for more of a header. How long a registry thinks is limited by itself.
    fn await_header(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.header > MAX_HEADER {
            return Err(exceeded(Exceeded::Header(MAX_HEADER)));
        }
        let before = self.inner.buffers().input().len();
        let has_more = self.inner.await_input(NextTimeout { per_read: None, ..timeout })?;
        self.header += self.inner.buffers().input().len().saturating_sub(before);
        Ok(has_more)
    }
}

fn between(begun: Instant, ended: Instant) -> Duration {
    match (begun, ended) {
        (Instant::Exact(begun), Instant::Exact(ended)) => ended.saturating_duration_since(begun),
        _ => Duration::ZERO,
    }
}

/// As an error that comes out of the library as it went in.
fn exceeded(limit: Exceeded) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, limit))
}

impl<T: Transport> Transport for Measured<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if timeout.reason == Timeout::SendRequest {
            // Another request.
            (self.meter, self.header) = (Meter::default(), 0);
        }
        self.measure(|inner| inner.transmit_output(amount, timeout).map(|()| amount))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if matches!(timeout.reason, Timeout::RecvResponse | Timeout::Await100) {
            return self.await_header(timeout);
        }
        let mut has_more = false;
        self.measure(|inner| {
            let before = inner.buffers().input().len();
            has_more = inner.await_input(timeout)?;
            Ok(inner.buffers().input().len().saturating_sub(before))
        })?;
        Ok(has_more)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T> fmt::Debug for Measured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Measured")
    }
}

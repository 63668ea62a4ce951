//! The least that a registry must do in a time, so that none can hold strake up for ever.

use std::time::Duration;

/// Limits on time and transfer rate, for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum time to connect, TLS and proxies included.
    pub connect: Duration,
    /// The maximum time from the end of a request to the end of its response header.
    pub answer: Duration,
    /// The same for requests that store something: PUT and PATCH.
    pub store: Duration,
    /// The maximum time for the body of a response that is no blob: manifests, configs, error texts.
    pub document: Duration,
    /// The maximum time for the response header of a token endpoint, and again for its body.
    pub token: Duration,
    /// The minimum number of bytes that a body must transfer, in either direction, in each `window`.
    pub least: u64,
    /// The time over which the rate is measured. Only time spent waiting for the network counts. Also the maximum time in
    /// which nothing at all is transferred.
    pub window: Duration,
    /// How long after it has written an index strake looks whether others have kept its images in it.
    pub settle: Duration,
    /// The first pause between two attempts, on average; it doubles each time.
    pub pause: Duration,
}

/// 30 s: more than ten retransmissions of a lost SYN would take on any network that is up.
const CONNECT: Duration = Duration::from_secs(30);

/// 2 min: a pull-through cache asks another registry before it answers.
const ANSWER: Duration = Duration::from_secs(2 * 60);

/// 10 min: a registry copies a large blob to where it belongs, and hashes it, before it answers.
const STORE: Duration = Duration::from_secs(10 * 60);

/// 5 min: 4 MiB, the size limit of manifests and configs, at 14 kB/s, which is a modem's rate.
const DOCUMENT: Duration = Duration::from_secs(5 * 60);

/// 1 min: a token is a few kB, and computing it takes a signature.
const TOKEN: Duration = Duration::from_secs(60);

/// 120,000 bytes in each [`WINDOW`], 1000 bytes per second: DNF's default for `minrate`. A layer of 100 MB would take a day.
const LEAST: u64 = 120_000;

/// 2 min: long enough for a connection to recover from a change of route or of access point.
const WINDOW: Duration = Duration::from_secs(2 * 60);

/// 2 s: longer than a registry takes to answer one request for an index and to store the next, on any link that pushes images.
const SETTLE: Duration = Duration::from_secs(2);

/// 200 ms: a registry that is restarted behind a load balancer is back by the third attempt.
const PAUSE: Duration = Duration::from_millis(200);

/// 64 KiB of response header, and of all interim responses (1xx) before it: registries send less than 4 KiB, and one interim
/// response every second for as long as [`STORE`] takes is 20 KiB.
pub(crate) const MAX_HEADER: usize = 64 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: CONNECT,
            answer: ANSWER,
            store: STORE,
            document: DOCUMENT,
            token: TOKEN,
            least: LEAST,
            window: WINDOW,
            settle: SETTLE,
            pause: PAUSE,
        }
    }
}

/// A limit that a registry does not keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Something takes too long.
    #[error("{what} within {} s", limit.as_secs_f32())]
    Time {
        /// The missing part.
        what: &'static str,
        /// The maximum time.
        limit: Duration,
    },
    /// A body is transferred too slowly.
    #[error("it transfers fewer than {least} bytes in {} s", window.as_secs_f32())]
    Rate {
        /// The minimum number of bytes.
        least: u64,
        /// The time over which they are counted.
        window: Duration,
    },
    /// A response header does not end, or interim responses do not.
    #[error("it sends more than {0} bytes of response headers")]
    Header(usize),
}

impl Exceeded {
    /// Whether another attempt may succeed: silence may be the network's fault, the rest is the registry's.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::Time { .. })
    }
}

/// Measures the rate of a body.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    waited: Duration,
    bytes: u64,
}

impl Meter {
    /// So many bytes took so long.
    pub(crate) fn add(
        &mut self,
        waited: Duration,
        bytes: u64,
        least: u64,
        window: Duration,
    ) -> Result<(), Exceeded> {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.waited < window {
            return Ok(());
        }
        let is_enough = self.bytes >= least;
        *self = Self::default();
        if is_enough { Ok(()) } else { Err(Exceeded::Rate { least, window }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of this duration in seconds and this size in bytes each, at 1000 bytes in 10 s, until it is too slow.
    fn check(pieces: &[(u64, u64)], expected: Option<usize>) {
        let mut meter = Meter::default();
        let window = Duration::from_secs(10);
        let too_slow = |&(seconds, bytes): &(u64, u64)| {
            meter.add(Duration::from_secs(seconds), bytes, 1000, window).is_err()
        };
        assert_eq!(pieces.iter().position(too_slow), expected, "{pieces:?}");
    }

    #[test]
    fn rates() {
        check(&[], None);
        check(&[(9, 0)], None);
        check(&[(10, 999)], Some(0));
        check(&[(10, 1000)], None);
        check(&[(1, 1); 20], Some(9));
        check(&[(1, 100); 100], None);
        check(&[(0, 0); 100], None);
        // A fast beginning does not pay for what follows.
        check(&[(10, 1_000_000), (5, 1), (5, 1)], Some(2));
        check(&[(u64::MAX, u64::MAX), (u64::MAX, 0)], Some(1));
    }

    #[test]
    fn defaults() {
        let limits = Limits::default();
        let seconds =
            [limits.connect, limits.answer, limits.store, limits.document, limits.token, limits.window];
        assert_eq!(seconds.map(|limit| limit.as_secs()), [30, 120, 600, 300, 60, 120]);
        assert_eq!((limits.least, MAX_HEADER), (120_000, 65_536));
    }
}

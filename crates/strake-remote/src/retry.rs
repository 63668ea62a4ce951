//! When to try again.
//!
//! Waiting times double, and vary, so that many clients that failed together do not come back together ("full jitter":
//! M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A registry's time for the next attempt
//! (RFC 9110, `Retry-After`) holds for all requests to it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::error::RemoteError;

/// The maximum number of attempts.
pub(crate) const ATTEMPTS: u32 = 7;

/// The maximum wait unless a registry asks for a longer one.
const LONGEST: Duration = Duration::from_secs(20);

/// The maximum wait, whatever a registry asks for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The waiting time after this number of failures, from 1; after the first about as long as `first`.
pub(crate) fn pause(first: Duration, failures: u32) -> Duration {
    let most = (first / 2).saturating_mul(1 << failures.min(16)).min(LONGEST);
    // std's way to randomness.
    let random = RandomState::new().hash_one(failures) % 1024;
    most / 4 + most / 4 * 3 * random as u32 / 1024
}

/// Does this again for as long as it may go better another time.
pub(crate) fn again<T>(
    first_pause: Duration,
    mut once: impl FnMut() -> Result<T, RemoteError>,
) -> Result<T, RemoteError> {
    let mut failures = 0;
    loop {
        let result = once();
        let Err(error) = &result else { return result };
        failures += error.weight();
        if !error.is_passing() || failures >= ATTEMPTS {
            return result;
        }
        std::thread::sleep(pause(first_pause, failures));
    }
}

/// The value of `Retry-After`: seconds, or a time.
pub(crate) fn after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = httpdate::parse_http_date(value).ok()?;
    Some(time.duration_since(now).unwrap_or_default())
}

/// The hosts that sent `Retry-After`, with the time until which no request is sent.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<HashMap<String, SystemTime>>);

impl Gates {
    /// No request is sent to the host until then.
    pub(crate) fn close(&self, host: &str, until: SystemTime) {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = gates.entry(host.to_owned()).or_insert(until);
        *gate = until.max(*gate);
    }

    /// Waits until the host may be asked.
    pub(crate) fn pass(&self, host: &str, now: fn() -> SystemTime) {
        loop {
            let until = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied();
            match until.and_then(|until| until.duration_since(now()).ok()) {
                Some(wait) if !wait.is_zero() => std::thread::sleep(wait.min(PATIENCE)),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 7);
        for (value, expected) in [
            ("3", Some(3)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        for failures in 1..40 {
            let first = Duration::from_millis(200);
            let most = (first / 2 * (1 << failures.min(16))).min(LONGEST);
            let pause = pause(first, failures);
            assert!(pause <= most && pause >= most / 4, "{failures}: {pause:?}");
        }
    }
}

//! Schedules of faults. Plain data, so that proptest can make them.

use std::time::Duration;

use proptest::prelude::*;

/// Something that goes wrong with some requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The requests' method; empty for any.
    pub method: &'static str,
    /// A part of the requests' path; empty for any.
    pub path: String,
    /// The first of the matching requests that it happens to. 1 is the first that comes.
    pub first: u32,
    /// How many of them, one after the other.
    pub times: u32,
    /// The fault.
    pub effect: Effect,
}

/// The fault of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is answered with this status and not carried out. Its body is not read.
    Status(u16),
    /// The same, with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// The same, with `Retry-After` as a date this many seconds from now.
    RetryAfterDate(u16, u64),
    /// The connection is closed when this many bytes of its body have been read; what came counts as received. A
    /// request with no body is not carried out. One with a shorter body is, but is not answered.
    CutRequest(u64),
    /// It is carried out, and the connection is closed after this many bytes of the answer, its head included. A
    /// shorter answer arrives whole.
    CutResponse(u64),
    /// It is carried out, and answered later.
    Delay(Duration),
    /// It is carried out, and answered when all tokens that have been given away have expired.
    OutliveTokens,
    /// It is carried out, and never answered: the connection stays open until the client closes it.
    Hold,
    /// It is carried out; in the answer's body the byte at this place is another one, or the last byte where the body
    /// is shorter.
    Corrupt(u64),
    /// It is not carried out. These bytes are the answer, then the connection is closed.
    Raw(Vec<u8>),
    /// It is not carried out. The first bytes are the answer, and after them the others again and again, until the client
    /// closes the connection.
    Endless(Vec<u8>, Vec<u8>),
    /// It is carried out; after this many bytes of the answer, its head included, the rest comes byte by byte, with this
    /// pause before each.
    Trickle(u64, Duration),
    /// It is not carried out. Its body is read byte by byte, with this pause before each, and nothing is answered.
    SlowRead(Duration),
}

impl Fault {
    /// Happens once, to the `first` request with this method and this part of a path.
    pub fn once(method: &'static str, path: &str, first: u32, effect: Effect) -> Self {
        Self { method, path: path.to_owned(), first, times: 1, effect }
    }

    /// Happens to that request and those after it, `times` in all.
    pub fn burst(method: &'static str, path: &str, first: u32, times: u32, effect: Effect) -> Self {
        Self { times, ..Self::once(method, path, first, effect) }
    }

    /// Whether it is about this request.
    pub(super) fn is_about(&self, method: &str, path: &str) -> bool {
        (self.method.is_empty() || self.method == method) && path.contains(&self.path)
    }
}

/// Which fault is due, by how many requests each has seen.
#[derive(Default)]
pub(super) struct Counters(Vec<u32>);

impl Counters {
    /// The fault of a request. Every fault that is about it counts it; the first that is due happens.
    pub(super) fn due(&mut self, faults: &[Fault], method: &str, path: &str) -> Option<Effect> {
        self.0.resize(faults.len(), 0);
        let mut due = None;
        for (seen, fault) in self.0.iter_mut().zip(faults) {
            if fault.is_about(method, path) {
                *seen += 1;
                let is_due = *seen >= fault.first && *seen - fault.first < fault.times;
                due = due.or_else(|| is_due.then(|| fault.effect.clone()));
            }
        }
        due
    }
}

/// Any schedule of at most `most` faults that a client overcomes by trying again: nothing happens more than twice in a
/// row by one fault, so `2 * most + 1` tries of each request are enough.
pub fn schedules(most: usize) -> impl Strategy<Value = Vec<Fault>> {
    prop::collection::vec(passing_fault(), 0..=most)
}

fn passing_fault() -> impl Strategy<Value = Fault> {
    let about = prop::sample::select(vec![
        ("", ""),
        ("HEAD", "/blobs/"),
        ("GET", "/blobs/"),
        ("GET", "/manifests/"),
        ("HEAD", "/manifests/"),
        ("POST", "/blobs/uploads/"),
        ("PATCH", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
        ("", "/token"),
    ]);
    (about, 1..6_u32, 1..3_u32, passing_effect()).prop_map(|((method, path), first, times, effect)| Fault {
        method,
        path: path.to_owned(),
        first,
        times,
        effect,
    })
}

fn passing_effect() -> impl Strategy<Value = Effect> {
    let status = || prop::sample::select(vec![429, 500, 502, 503, 504]);
    let place = || prop_oneof![Just(0), 1..300_u64, 300..100_000_u64];
    prop_oneof![
        3 => status().prop_map(Effect::Status),
        1 => (status(), 0..2_u64).prop_map(|(status, seconds)| Effect::RetryAfter(status, seconds)),
        1 => (status(), 0..2_u64).prop_map(|(status, seconds)| Effect::RetryAfterDate(status, seconds)),
        3 => place().prop_map(Effect::CutRequest),
        3 => place().prop_map(Effect::CutResponse),
        1 => (0..30_u64).prop_map(|millis| Effect::Delay(Duration::from_millis(millis))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_when_they_are_due() {
        let faults = [
            Fault::burst("PUT", "/blobs/", 2, 2, Effect::Status(503)),
            Fault::once("", "", 3, Effect::Status(429)),
        ];
        let mut counters = Counters::default();
        let mut next = |method, path| match counters.due(&faults, method, path) {
            Some(Effect::Status(status)) => status,
            _ => 0,
        };
        let requests = [("PUT", "/v2/a/blobs/x"), ("GET", "/v2/a/blobs/x"), ("PUT", "/v2/a/blobs/x")];
        assert_eq!(requests.map(|(method, path)| next(method, path)), [0, 0, 503]);
        assert_eq!(requests.map(|(method, path)| next(method, path)), [503, 0, 0]);
    }
}

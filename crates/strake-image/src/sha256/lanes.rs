//! Where threads that digest a stream each meet, so that one of them does the work of many.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{State, Unit, update_all};
use crate::digest::Digest;

/// A meeting place. A thread that comes with a piece of its stream waits for others, unless all others are busy; the
/// last to come does the work for all, and wakes just those.
pub struct Lanes {
    meeting: Mutex<Meeting>,
    unit: Unit,
}

#[derive(Default)]
struct Meeting {
    /// Streams that have begun and not ended.
    streams: usize,
    /// Pieces that some thread is digesting right now.
    busy: usize,
    waiting: Vec<Piece>,
}

/// A piece of a stream: the state before it, its bytes, in whole blocks, and who waits for it.
struct Piece {
    state: State,
    data: Vec<u8>,
    done: Arc<Done>,
}

/// Where a piece comes back, with the state behind it.
#[derive(Default)]
struct Done {
    result: Mutex<Option<(State, Vec<u8>)>>,
    changed: Condvar,
}

impl Done {
    fn set(&self, state: State, data: Vec<u8>) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some((state, data));
        self.changed.notify_one();
    }

    fn wait(&self) -> (State, Vec<u8>) {
        let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match result.take() {
                Some(done) => return done,
                None => result = self.changed.wait(result).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// One stream, on its thread.
pub struct Stream<'l> {
    lanes: &'l Lanes,
    state: State,
    length: u64,
    done: Arc<Done>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::of(Unit::best())
    }
}

impl Lanes {
    fn of(unit: Unit) -> Self {
        Self { meeting: Mutex::default(), unit }
    }

    /// Streams that are hashed one after the other, whatever the processor has: to compare.
    #[doc(hidden)]
    pub fn single() -> Self {
        Self::of(Unit::Single)
    }

    /// Begins a stream. The thread must come back with its pieces or drop it, or others may wait for it.
    pub fn begin(&self) -> Stream<'_> {
        self.lock().streams += 1;
        Stream { lanes: self, state: State::default(), length: 0, done: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Meeting> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Digests what waits, if there is enough of it or nobody else can come before somebody here goes on.
    fn work(&self, mut meeting: MutexGuard<'_, Meeting>) {
        let count = meeting.waiting.len();
        if count == 0 || (count < self.unit.width() && count + meeting.busy < meeting.streams) {
            return;
        }
        let mut pieces = std::mem::take(&mut meeting.waiting);
        meeting.busy += count;
        drop(meeting);
        update_all(
            self.unit,
            &mut pieces.iter_mut().map(|piece| (&mut piece.state, piece.data.as_slice())).collect(),
        );
        self.lock().busy -= count;
        for Piece { state, data, done } in pieces {
            done.set(state, data);
        }
    }
}

impl Stream<'_> {
    /// Takes the buffer's content, which must be whole blocks, and gives the buffer back as it is.
    pub fn update(&mut self, buffer: &mut Vec<u8>) {
        self.length += buffer.len() as u64;
        let data = std::mem::take(buffer);
        let mut meeting = self.lanes.lock();
        meeting.waiting.push(Piece { state: self.state, data, done: Arc::clone(&self.done) });
        self.lanes.work(meeting);
        (self.state, *buffer) = self.done.wait();
    }

    /// Takes the last bytes, and ends the stream.
    pub fn finish(self, rest: &[u8]) -> Digest {
        self.state.finish(rest, self.length + rest.len() as u64)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let mut meeting = self.lanes.lock();
        meeting.streams -= 1;
        self.lanes.work(meeting);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Unit, units};
    use super::Lanes;
    use crate::digest::Digest;

    #[test]
    fn threads_of_unequal_length() {
        for unit in units() {
            for threads in [1, 2, 3, 4, 7, 20] {
                check(unit, threads);
            }
        }
    }

    fn check(unit: Unit, threads: usize) {
        let lanes = Lanes::of(unit);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let lanes = &lanes;
                scope.spawn(move || {
                    let mut stream = lanes.begin();
                    let mut all = Vec::new();
                    for piece in 0..thread * 5 {
                        let mut data = vec![piece as u8; 64 * (1 + (piece * 7 + thread) % 5)];
                        all.extend_from_slice(&data);
                        stream.update(&mut data);
                    }
                    all.extend_from_slice(b"rest");
                    assert_eq!(stream.finish(b"rest"), Digest::of(&all));
                });
            }
        });
    }
}

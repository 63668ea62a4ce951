//! Where threads that digest a stream each meet, so that one of them does the work of three.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{State, WIDTH, update_all};
use crate::digest::Digest;

/// A meeting place. A thread that comes with a piece of its stream waits for two others, unless all others are busy.
#[derive(Default)]
pub struct Lanes {
    meeting: Mutex<Meeting>,
    changed: Condvar,
}

#[derive(Default)]
struct Meeting {
    /// Streams that have begun and not ended.
    streams: usize,
    /// Pieces that some thread is digesting right now.
    busy: usize,
    waiting: Vec<Piece>,
    done: Vec<Piece>,
    next_ticket: u64,
}

/// A piece of a stream: the state before (then behind) it, and its bytes, in whole blocks.
struct Piece {
    ticket: u64,
    state: State,
    data: Vec<u8>,
}

/// One stream, on its thread.
pub struct Stream<'l> {
    lanes: &'l Lanes,
    state: State,
    length: u64,
}

impl Lanes {
    /// Begins a stream. The thread must come back with its pieces or drop it, or others may wait for it.
    pub fn begin(&self) -> Stream<'_> {
        self.lock().streams += 1;
        Stream { lanes: self, state: State::default(), length: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Meeting> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one piece digested, together with others, on this thread or another.
    fn digest(&self, state: State, data: Vec<u8>) -> Piece {
        let mut meeting = self.lock();
        let ticket = meeting.next_ticket;
        meeting.next_ticket += 1;
        meeting.waiting.push(Piece { ticket, state, data });
        loop {
            if let Some(index) = meeting.done.iter().position(|piece| piece.ticket == ticket) {
                return meeting.done.swap_remove(index);
            }
            // Nobody else can come before somebody here goes on.
            let complete = meeting.waiting.len() + meeting.busy >= meeting.streams;
            let mine = meeting.waiting.iter().any(|piece| piece.ticket == ticket);
            if mine && (complete || meeting.waiting.len() >= WIDTH) {
                let count = meeting.waiting.len().min(WIDTH);
                let mut pieces: Vec<Piece> = meeting.waiting.drain(..count).collect();
                meeting.busy += count;
                drop(meeting);
                let mut streams: Vec<_> =
                    pieces.iter_mut().map(|piece| (&mut piece.state, piece.data.as_slice())).collect();
                update_all(&mut streams);
                meeting = self.lock();
                meeting.busy -= count;
                meeting.done.append(&mut pieces);
                self.changed.notify_all();
            } else {
                meeting = self.changed.wait(meeting).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Stream<'_> {
    /// Takes the buffer's content, which must be whole blocks, and gives the buffer back as it is.
    pub fn update(&mut self, buffer: &mut Vec<u8>) {
        self.length += buffer.len() as u64;
        let Piece { state, data, .. } = self.lanes.digest(self.state, std::mem::take(buffer));
        self.state = state;
        *buffer = data;
    }

    /// Takes the last bytes, and ends the stream.
    pub fn finish(self, rest: &[u8]) -> Digest {
        self.state.finish(rest, self.length + rest.len() as u64)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.lanes.lock().streams -= 1;
        self.lanes.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;
    use crate::digest::Digest;

    #[test]
    fn threads_of_unequal_length() {
        for threads in [1, 2, 3, 4, 7] {
            let lanes = Lanes::default();
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
}

//! Threads that compress.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::encode::{Block, working_memory};
use super::setting::Compression;

/// So much memory all threads and the blocks on their way may take, in bytes, as long as one thread can work.
const MEMORY: usize = 48 * 1024 * 1024;

/// The number of blocks in flight beyond one for each thread: one waits to be compressed, one to be written.
const WAITING: usize = 2;

/// Threads that compress the blocks of all streams that are given to them, each in one way.
///
/// Any number of [`Compressing`](super::Compressing) may share it, from any threads. Their output does not depend on how
/// many threads there are.
pub struct Pool {
    compression: Compression,
    /// Taken away when the threads are to end.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    on_their_way: Arc<AtomicUsize>,
}

/// A block on its way to a thread and back.
pub(super) struct OnItsWay(Receiver<io::Result<Returned>>);

struct Job {
    block: Block,
    place: Place,
    reply: SyncSender<io::Result<Returned>>,
}

struct Returned {
    block: Block,
    _place: Place,
}

/// Counts a block as long as it is on its way, also one of a stream that was given up.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    /// Starts `threads` threads, or fewer if memory is too small for this number.
    pub fn new(compression: Compression, threads: NonZeroUsize) -> io::Result<Self> {
        let threads = threads.get().min(most_threads(compression));
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let start = |number| {
            let queue = queue.clone();
            let work = move || work(compression, &queue);
            std::thread::Builder::new().name(format!("compress {number}")).spawn(work)
        };
        let threads = (0..threads).map(start).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { compression, jobs: Some(jobs), threads, on_their_way: Arc::default() })
    }

    /// How it compresses.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Whether no more blocks should be sent before others have come back.
    pub(super) fn is_full(&self) -> bool {
        self.on_their_way.load(Ordering::Relaxed) >= self.threads.len() + WAITING
    }

    /// Has a block compressed.
    pub(super) fn send(&self, block: Block) -> OnItsWay {
        self.on_their_way.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = sync_channel(1);
        let place = Place(self.on_their_way.clone());
        if let Some(jobs) = &self.jobs {
            // A missing receiver is noticed where the answer is awaited.
            let _ = jobs.send(Job { block, place, reply });
        }
        OnItsWay(answer)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic over there has been reported.
            let _ = thread.join();
        }
    }
}

impl OnItsWay {
    /// Waits for the block.
    pub(super) fn take(self) -> io::Result<Block> {
        let gone = |_| Err(io::Error::other("a thread that compresses has died"));
        self.0.recv().unwrap_or_else(gone).map(|returned| returned.block)
    }
}

fn work(compression: Compression, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut block, place, reply }) = job else { return };
        let result = block.encode(compression).map(|()| Returned { block, _place: place });
        // The stream may have been given up.
        let _ = reply.send(result);
    }
}

/// The number of threads for which there is memory.
fn most_threads(compression: Compression) -> usize {
    // The compressed block may be as large as the block.
    let block = 2 * compression.method().block();
    let filling = 1;
    let rest = MEMORY - (filling + WAITING) * block;
    (rest / (block + working_memory(compression))).max(1)
}

//! From one who writes a blob to one who reads it: what an HTTP library sends must be something that it can read.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use strake_image::digest::{Digest, Hasher};
use strake_image::sink::{Sink, SinkError, read_some};

/// A piece, in bytes.
const PIECE: usize = 256 * 1024;

/// So many pieces may wait.
const WAITING: usize = 4;

enum Message {
    Piece(Vec<u8>),
    End,
}

/// A pipe: what is written to the sink is read from the reader, which digests it on the way if it is told to.
pub(crate) fn pipe(digest: bool) -> (PipeSink, PipeReader) {
    let (sender, receiver) = sync_channel(WAITING);
    // Pieces come back to be used again.
    let (back, empty) = sync_channel(WAITING + 2);
    let sink = PipeSink { piece: Vec::with_capacity(PIECE), sender, empty };
    (
        sink,
        PipeReader {
            piece: Vec::new(),
            taken: 0,
            receiver,
            back,
            hasher: digest.then(Hasher::default),
            length: 0,
            ended: false,
        },
    )
}

/// Where a blob is written to.
pub(crate) struct PipeSink {
    piece: Vec<u8>,
    sender: SyncSender<Message>,
    empty: Receiver<Vec<u8>>,
}

/// Where it is read from.
pub(crate) struct PipeReader {
    piece: Vec<u8>,
    taken: usize,
    receiver: Receiver<Message>,
    back: SyncSender<Vec<u8>>,
    hasher: Option<Hasher>,
    length: u64,
    ended: bool,
}

impl PipeSink {
    /// Everything has been written. A sink that is dropped without this makes the reader fail.
    pub(crate) fn finish(mut self) -> Result<(), SinkError> {
        self.pass_on()?;
        self.sender.send(Message::End).map_err(|_| SinkError::Cancelled)
    }

    fn pass_on(&mut self) -> Result<(), SinkError> {
        let empty = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE));
        let piece = std::mem::replace(&mut self.piece, empty);
        // Whoever reads has failed, and says why.
        self.sender.send(Message::Piece(piece)).map_err(|_| SinkError::Cancelled)
    }
}

impl Sink for PipeSink {
    fn bytes(&mut self, mut data: &[u8]) -> Result<(), SinkError> {
        while !data.is_empty() {
            let room = PIECE - self.piece.len();
            let (now, later) = data.split_at(room.min(data.len()));
            self.piece.extend_from_slice(now);
            data = later;
            if self.piece.len() == PIECE {
                self.pass_on()?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut done = 0;
        while done < length {
            let start = self.piece.len();
            let room = (PIECE - start).min(usize::try_from(length - done).unwrap_or(usize::MAX));
            self.piece.resize(start + room, 0);
            let got = read_some(file, offset + done, &mut self.piece[start..], length - done)?;
            self.piece.truncate(start + got);
            done += got as u64;
            if self.piece.len() == PIECE {
                self.pass_on()?;
            }
        }
        Ok(())
    }
}

impl PipeReader {
    /// The digest and the length of all that was read. `None`: it was not to be digested.
    pub(crate) fn digest(self) -> Option<(Digest, u64)> {
        Some((self.hasher?.finish(), self.length))
    }

    /// Waits for the next piece. `false`: that was the last.
    fn next(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let old = std::mem::take(&mut self.piece);
        self.taken = 0;
        if old.capacity() > 0 {
            // If nobody wants it, it goes.
            let mut empty = old;
            empty.clear();
            let _ = self.back.try_send(empty);
        }
        match self.receiver.recv() {
            Ok(Message::Piece(piece)) => {
                self.hasher.iter_mut().for_each(|hasher| hasher.update(&piece));
                self.length += piece.len() as u64;
                self.piece = piece;
                Ok(true)
            }
            Ok(Message::End) => {
                self.ended = true;
                Ok(false)
            }
            Err(_) => Err(io::Error::other("what is to be sent cannot be read")),
        }
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.piece.len() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let got = buffer.len().min(self.piece.len() - self.taken);
        buffer[..got].copy_from_slice(&self.piece[self.taken..self.taken + got]);
        self.taken += got;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let length = file.metadata().unwrap().len().min(3 * PIECE as u64 + 17);
        let (mut sink, mut reader) = pipe(true);
        let mut got = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sink.bytes(&[7; 1000]).unwrap();
                sink.file(file.as_fd(), 0, length).unwrap();
                sink.bytes(&vec![8; PIECE * 2]).unwrap();
                sink.finish().unwrap();
            });
            reader.read_to_end(&mut got).unwrap();
        });
        let mut expected = vec![7; 1000];
        file.take(length).read_to_end(&mut expected).unwrap();
        expected.extend(vec![8; PIECE * 2]);
        assert!(got == expected);
        assert_eq!(reader.digest(), Some((Digest::of(&expected), expected.len() as u64)));
    }

    #[test]
    fn one_side_notices_that_the_other_is_gone() {
        let (mut sink, reader) = pipe(true);
        drop(reader);
        assert!(matches!(sink.bytes(&vec![0; PIECE]), Err(SinkError::Cancelled)));
        let (mut sink, mut reader) = pipe(true);
        sink.bytes(b"half").unwrap();
        drop(sink);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }
}

//! From one who writes a blob to one who reads it: what an HTTP library sends must be something that it can read.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use strake_image::Descriptor;
use strake_image::sink::{Sink, SinkError, read_some};

/// A piece, in bytes.
const PIECE: usize = 256 * 1024;

/// The maximum number of pieces that wait.
const WAITING: usize = 4;

enum Message {
    /// A buffer, and the number of bytes in it that count.
    Piece(Vec<u8>, usize),
    /// The size of all pieces together.
    End(Descriptor),
}

/// A pipe: what is written to the sink is read from the reader.
pub(crate) fn pipe() -> (PipeSink, PipeReader) {
    let (sender, receiver) = sync_channel(WAITING);
    // Buffers come back to be used again: always of one length, so that no byte is cleared only to be overwritten.
    let (back, empty) = sync_channel(WAITING + 2);
    let sink = PipeSink { piece: vec![0; PIECE], filled: 0, sender, empty };
    (sink, PipeReader { piece: Vec::new(), filled: 0, taken: 0, receiver, back, end: None })
}

/// Where a blob is written to.
pub(crate) struct PipeSink {
    piece: Vec<u8>,
    filled: usize,
    sender: SyncSender<Message>,
    empty: Receiver<Vec<u8>>,
}

/// Where it is read from.
pub(crate) struct PipeReader {
    piece: Vec<u8>,
    filled: usize,
    taken: usize,
    receiver: Receiver<Message>,
    back: SyncSender<Vec<u8>>,
    end: Option<Descriptor>,
}

impl PipeSink {
    /// Everything has been written, and was this. A sink that is dropped without this makes the reader fail.
    pub(crate) fn finish(mut self, blob: Descriptor) -> Result<(), SinkError> {
        self.pass_on()?;
        self.sender.send(Message::End(blob)).map_err(|_| SinkError::Cancelled)
    }

    fn pass_on(&mut self) -> Result<(), SinkError> {
        let empty = self.empty.try_recv().unwrap_or_else(|_| vec![0; PIECE]);
        let piece = std::mem::replace(&mut self.piece, empty);
        let filled = std::mem::take(&mut self.filled);
        // The reader has failed, and says why.
        self.sender.send(Message::Piece(piece, filled)).map_err(|_| SinkError::Cancelled)
    }

    /// So many bytes were written into the rest of the buffer.
    fn fill(&mut self, bytes: usize) -> Result<(), SinkError> {
        self.filled += bytes;
        if self.filled == PIECE { self.pass_on() } else { Ok(()) }
    }
}

impl Sink for PipeSink {
    fn bytes(&mut self, mut data: &[u8]) -> Result<(), SinkError> {
        while !data.is_empty() {
            let room = &mut self.piece[self.filled..];
            let (now, later) = data.split_at(room.len().min(data.len()));
            room[..now.len()].copy_from_slice(now);
            data = later;
            self.fill(now.len())?;
        }
        Ok(())
    }

    fn file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> Result<(), SinkError> {
        let mut done = 0;
        while done < length {
            let room = &mut self.piece[self.filled..];
            let wanted = room.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
            let got = read_some(file, offset + done, &mut room[..wanted], length - done)?;
            done += got as u64;
            self.fill(got)?;
        }
        Ok(())
    }
}

impl PipeReader {
    /// The bytes that were read, once they are complete.
    pub(crate) fn end(&self) -> Option<&Descriptor> {
        self.end.as_ref()
    }

    /// Waits for the next piece. `false`: that was the last.
    fn next(&mut self) -> io::Result<bool> {
        if self.end.is_some() {
            return Ok(false);
        }
        let old = std::mem::take(&mut self.piece);
        (self.taken, self.filled) = (0, 0);
        if !old.is_empty() {
            // It is dropped if there is no receiver.
            let _ = self.back.try_send(old);
        }
        match self.receiver.recv() {
            Ok(Message::Piece(piece, filled)) => {
                (self.piece, self.filled) = (piece, filled);
                Ok(true)
            }
            Ok(Message::End(blob)) => {
                self.end = Some(blob);
                Ok(false)
            }
            Err(_) => Err(io::Error::other("what is to be sent cannot be read")),
        }
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.filled {
            if !self.next()? {
                return Ok(0);
            }
        }
        let got = buffer.len().min(self.filled - self.taken);
        buffer[..got].copy_from_slice(&self.piece[self.taken..self.taken + got]);
        self.taken += got;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use strake_image::Digest;

    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let length = file.metadata().unwrap().len().min(3 * PIECE as u64 + 17);
        let (mut sink, mut reader) = pipe();
        let mut got = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sink.bytes(&[7; 1000]).unwrap();
                sink.file(file.as_fd(), 0, length).unwrap();
                sink.bytes(&vec![8; PIECE * 2]).unwrap();
                sink.finish(Descriptor::layer(Digest::of(b""), 3, None)).unwrap();
            });
            reader.read_to_end(&mut got).unwrap();
        });
        let mut expected = vec![7; 1000];
        file.take(length).read_to_end(&mut expected).unwrap();
        expected.extend(vec![8; PIECE * 2]);
        assert!(got == expected);
        assert_eq!(reader.end(), Some(&Descriptor::layer(Digest::of(b""), 3, None)));
    }

    #[test]
    fn one_side_notices_that_the_other_is_gone() {
        let (mut sink, reader) = pipe();
        drop(reader);
        assert!(matches!(sink.bytes(&vec![0; PIECE]), Err(SinkError::Cancelled)));
        let (mut sink, mut reader) = pipe();
        sink.bytes(b"half").unwrap();
        drop(sink);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }
}

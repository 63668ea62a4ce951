//! zstd: frames one behind the other, to the end.
//!
//! Format: RFC 8878. libzstd does the work, but for two things that it does not see, and the Go library by which skopeo, podman
//! and containerd read layers does: that a frame has the length which its header says, where its last block is empty, and that
//! the last frame is whole.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::malformed;
use crate::limits::MAX_WINDOW_LOG;

/// Bytes of the longest frame header, with the magic number.
const MAX_HEADER: usize = 18;

/// Decompresses all frames of a stream.
pub(super) struct ZstdDecoder<R> {
    compressed: R,
    frames: Decoder<'static>,
    /// How the frame begins that is being read. Empty between two frames.
    header: Vec<u8>,
    /// Bytes that the frame has given.
    length: u64,
}

impl<R: BufRead> ZstdDecoder<R> {
    /// A stream, of which nothing has been read.
    pub(super) fn new(compressed: R) -> io::Result<Self> {
        let mut frames = Decoder::new()?;
        frames.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
        Ok(Self { compressed, frames, header: Vec::with_capacity(MAX_HEADER), length: 0 })
    }

    /// Makes sure that a frame was as long as its header says, and gets ready for the next one.
    fn end_frame(&mut self) -> io::Result<()> {
        let said = zstd_safe::get_frame_content_size(&self.header);
        let said = said.map_err(|_| malformed("the zstd frame's header is malformed"))?;
        if said.is_some_and(|said| said != self.length) {
            return Err(malformed("the zstd frame's length is not the one that its header says"));
        }
        self.header.clear();
        self.length = 0;
        self.frames.reinit()
    }
}

impl<R: BufRead> Read for ZstdDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let input = self.compressed.fill_buf()?;
            let is_end = input.is_empty();
            if is_end && self.header.is_empty() {
                return Ok(0);
            }
            let done = self.frames.run_on_buffers(input, buffer)?;
            let room = MAX_HEADER - self.header.len();
            self.header.extend_from_slice(&input[..done.bytes_read.min(room)]);
            self.compressed.consume(done.bytes_read);
            self.length += done.bytes_written as u64;
            if done.remaining == 0 {
                self.end_frame()?;
            } else if is_end && done.bytes_written == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if done.bytes_written > 0 {
                return Ok(done.bytes_written);
            }
        }
    }
}

//! gzip, read as strictly as the strictest of those who read layers.
//!
//! Format: RFC 1952: members one behind the other, to the end. Docker and containerd read it with Go's `compress/gzip`, skopeo
//! and podman with `pgzip`. Streams that one of them refuses are refused here: names and comments of more than 511 bytes, a
//! header with a checksum and anything else (of which `pgzip` computes another one), and bytes behind the last member, zeros
//! included.

use std::io::{self, BufRead, Read};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::malformed;

/// Bytes of a name or a comment, with the zero byte behind it, as Go has it.
const MAX_TEXT: u64 = 512;

const CHECKSUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Decompresses all members of a stream.
pub(super) struct GzipDecoder<R: BufRead> {
    body: DeflateDecoder<R>,
    crc: Crc,
    next: Next,
}

/// The part that is read next.
enum Next {
    First,
    Body,
    /// Another member, or nothing.
    Another,
}

impl<R: BufRead> GzipDecoder<R> {
    /// A stream, of which nothing has been read.
    pub(super) fn new(compressed: R) -> Self {
        Self { body: DeflateDecoder::new(compressed), crc: Crc::new(), next: Next::First }
    }

    fn trailer(&mut self) -> io::Result<()> {
        let (mut crc, mut length) = ([0; 4], [0; 4]);
        self.body.get_mut().read_exact(&mut crc)?;
        self.body.get_mut().read_exact(&mut length)?;
        if u32::from_le_bytes(crc) != self.crc.sum() {
            return Err(malformed("the gzip stream's checksum is wrong"));
        }
        if u32::from_le_bytes(length) != self.crc.amount() {
            return Err(malformed("the gzip stream's length is not the one that it ends with"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for GzipDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.next {
                Next::Another if self.body.get_mut().fill_buf()?.is_empty() => return Ok(0),
                Next::First | Next::Another => {
                    header(self.body.get_mut())?;
                    self.body.reset_data();
                    self.crc.reset();
                    self.next = Next::Body;
                }
                Next::Body => match self.body.read(buffer)? {
                    0 => {
                        self.trailer()?;
                        self.next = Next::Another;
                    }
                    got => {
                        self.crc.update(&buffer[..got]);
                        return Ok(got);
                    }
                },
            }
        }
    }
}

/// Passes over a member's header.
fn header(compressed: &mut impl BufRead) -> io::Result<()> {
    let mut start = [0; 10];
    compressed.read_exact(&mut start)?;
    let flags = start[3];
    if start[..3] != [0x1f, 0x8b, 8] {
        return Err(malformed("bytes stand behind the end of the gzip stream"));
    }
    let is_checked = flags & CHECKSUM != 0;
    if flags & RESERVED != 0 || (is_checked && flags & (EXTRA | NAME | COMMENT) != 0) {
        return Err(malformed("the gzip header has flags that not all programs know"));
    }
    if flags & EXTRA != 0 {
        let mut length = [0; 2];
        compressed.read_exact(&mut length)?;
        compressed.read_exact(&mut vec![0; u16::from_le_bytes(length).into()])?;
    }
    for _ in [NAME, COMMENT].iter().filter(|flag| flags & **flag != 0) {
        let mut text = Vec::new();
        compressed.take(MAX_TEXT).read_until(0, &mut text)?;
        match text.last() {
            Some(0) => {}
            _ if text.len() as u64 == MAX_TEXT => {
                return Err(malformed("the gzip header has a name or a comment of more than 511 bytes"));
            }
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    if is_checked {
        let (mut said, mut crc) = ([0; 2], Crc::new());
        compressed.read_exact(&mut said)?;
        crc.update(&start);
        if u32::from(u16::from_le_bytes(said)) != crc.sum() & 0xffff {
            return Err(malformed("the gzip header's checksum is wrong"));
        }
    }
    Ok(())
}

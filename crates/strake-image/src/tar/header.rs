//! The 512-byte header block.

use super::{BLOCK, Kind, Member};
use crate::python::text;

/// Lengths of the text fields, in bytes.
pub(super) const NAME: usize = 100;
pub(super) const OWNER: usize = 32;

/// The first number that an octal field of this many bytes cannot hold: its last byte is zero.
pub(super) const fn limit(field: u32) -> u64 {
    8u64.pow(field - 1)
}

/// Appends the member's header block. A number too large for its field is written as 0: a record in front says more.
pub(super) fn append(member: &Member, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + BLOCK as usize, 0);
    let block = &mut out[start..];
    put_text(&mut block[..100], &member.name);
    put_octal(&mut block[100..108], u64::from(member.mode & 0o7777));
    put_octal(&mut block[108..116], member.uid);
    put_octal(&mut block[116..124], member.gid);
    put_octal(&mut block[124..136], member.size);
    put_octal(&mut block[136..148], u64::try_from(member.mtime).unwrap_or(0));
    block[148..156].fill(b' ');
    block[156] = member.kind.0;
    put_text(&mut block[157..257], &member.linkname);
    block[257..265].copy_from_slice(b"ustar\x0000");
    put_text(&mut block[265..297], &member.uname);
    put_text(&mut block[297..329], &member.gname);
    // Device numbers stay zero bytes, not octal zeros, since CPython 3.9. The name's prefix field is never used.
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    put_octal(&mut block[148..155], sum.into());
}

/// Fills the field with what it takes of the text, non-ASCII characters replaced by `?`.
fn put_text(field: &mut [u8], text: &[u8]) {
    if text.is_ascii() {
        let length = text.len().min(field.len());
        field[..length].copy_from_slice(&text[..length]);
    } else {
        for (byte, point) in field.iter_mut().zip(text::code_points(text)) {
            *byte = u8::try_from(point).ok().filter(u8::is_ascii).unwrap_or(b'?');
        }
    }
}

/// Octal digits over the whole field but for a zero byte at its end.
fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let mut rest = if number < limit(field.len() as u32) { number } else { 0 };
    for byte in field[..digits].iter_mut().rev() {
        *byte = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    field[digits] = 0;
}

/// The name under which an extended header goes; POSIX recommends another one.
pub(super) fn extended(size: usize) -> Member {
    Member { kind: Kind::EXTENDED, mode: 0, ..Member::file("././@PaxHeader", size as u64, 0) }
}

//! Fields of a header block, as Go's `archive/tar` reads them.

use std::io;
use std::ops::Range;

use super::records::malformed;

/// Where the checksum is.
const CHECKSUM: Range<usize> = 148..156;

/// Makes sure that the block is a header, with numbers where they should be.
pub(super) fn check(block: &[u8; 512]) -> io::Result<()> {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let negative = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte >> 7)).sum::<u32>();
    let unsigned = i64::from(sum(block) - sum(&block[CHECKSUM]) + 8 * u32::from(b' '));
    // Old programs have summed up signed bytes.
    let signed = unsigned - 256 * i64::from(negative(block) - negative(&block[CHECKSUM]));
    let said = octal(&block[CHECKSUM])?;
    if said != unsigned && said != signed {
        return Err(malformed("a header's checksum is wrong"));
    }
    let always = [100..108, 108..116, 116..124, 124..136, 136..148];
    let of_devices = [329..337, 337..345].into_iter().filter(|_| has_owners(block));
    let times = [476..488, 488..500].into_iter().filter(|_| is_star(block));
    let mut numbers = always.into_iter().chain(of_devices).chain(times);
    numbers.try_for_each(|field| number(&block[field]).map(drop))
}

/// Until the first zero byte.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

pub(super) fn is_ustar(block: &[u8; 512]) -> bool {
    block[257..263] == *b"ustar\0"
}

pub(super) fn is_gnu(block: &[u8; 512]) -> bool {
    block[257..265] == *b"ustar  \0"
}

/// Whether the block is in Schily's dialect.
fn is_star(block: &[u8; 512]) -> bool {
    is_ustar(block) && block[508..512] == *b"tar\0"
}

/// Whether there are names of the owner and numbers of a device.
pub(super) fn has_owners(block: &[u8; 512]) -> bool {
    is_ustar(block) || is_gnu(block)
}

/// The name with what stands in front of it.
pub(super) fn name(block: &[u8; 512]) -> Vec<u8> {
    let prefix = if is_star(block) {
        text(&block[345..476])
    } else if is_ustar(block) || (is_gnu(block) && has_prefix_by_mistake(block)) {
        text(&block[345..500])
    } else {
        b""
    };
    let name = text(&block[..100]);
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// Go before 1.8 could write a prefix where the GNU dialect has two times. Go still takes it for one if it is no time and is ASCII.
fn has_prefix_by_mistake(block: &[u8; 512]) -> bool {
    let is_no_time = |field: &[u8]| field[0] != 0 && number(field).is_err();
    (is_no_time(&block[345..357]) || is_no_time(&block[357..369])) && text(&block[345..500]).is_ascii()
}

/// A number in octal or, where its first bit is set, in two's complement.
pub(super) fn number(field: &[u8]) -> io::Result<i64> {
    if field[0] & 0x80 == 0 {
        return octal(field);
    }
    let is_negative = field[0] & 0x40 != 0;
    let inverted = if is_negative { 0xff } else { 0 };
    let mut number: u64 = 0;
    for (place, byte) in field.iter().enumerate() {
        let byte = (byte ^ inverted) & if place == 0 { 0x7f } else { 0xff };
        if number >> 56 > 0 {
            return Err(too_large());
        }
        number = number << 8 | u64::from(byte);
    }
    let number = i64::try_from(number).map_err(|_| too_large())?;
    Ok(if is_negative { !number } else { number })
}

/// A number that cannot be below 0.
pub(super) fn unsigned(field: &[u8]) -> io::Result<u64> {
    u64::try_from(number(field)?).map_err(|_| malformed("a header has a negative number"))
}

fn octal(field: &[u8]) -> io::Result<i64> {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|byte| !is_padding(byte)) else { return Ok(0) };
    let end = field.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
    let digits = text(&field[start..end]);
    let is_octal = !digits.is_empty() && digits.iter().all(|byte| matches!(byte, b'0'..=b'7'));
    let number = std::str::from_utf8(digits).ok().filter(|_| is_octal);
    let number = number.and_then(|digits| i64::from_str_radix(digits, 8).ok());
    number.ok_or_else(|| malformed("a header has a field that is not the number it should be"))
}

fn too_large() -> io::Error {
    malformed("a header has a number that is too large")
}

//! Extended records in front of a member of a tar archive: keywords and values, as Go's `archive/tar` reads them.
//!
//! Format: POSIX.1-2008 `pax`, "pax extended header".

use std::io;

use crate::limits::MAX_RECORDS;

/// Keywords and values, in order.
pub(crate) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Keywords whose values cannot hold a zero byte.
const TEXTS: [&[u8]; 4] = [b"path", b"linkpath", b"uname", b"gname"];

/// A part's offset in a sparse file of the format 0.0, which has as many such records as there are parts.
const OFFSET: &[u8] = b"GNU.sparse.offset";

/// Behind it, the part's length.
const LENGTH: &[u8] = b"GNU.sparse.numbytes";

/// All of them, as the format 0.1 has them: offsets and lengths with commas between them.
const MAP: &[u8] = b"GNU.sparse.map";

/// Why an archive is refused.
pub(super) fn malformed(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// The same for the map of a sparse file.
pub(super) fn malformed_map() -> io::Error {
    malformed("the map of a sparse file is malformed")
}

/// Reads an extended header's content, and adds its records; one that is there already keeps its place and gets the new
/// value.
pub(super) fn merge(records: &mut Records, mut text: &[u8]) -> io::Result<()> {
    let mut map = Vec::new();
    while !text.is_empty() {
        let (keyword, value, rest) =
            record(text).ok_or_else(|| malformed("an extended record is malformed"))?;
        text = rest;
        if keyword == OFFSET || keyword == LENGTH {
            let expected = if map.len() % 2 == 0 { OFFSET } else { LENGTH };
            if keyword != expected || value.contains(&b',') {
                return Err(malformed_map());
            }
            map.push(value);
        }
        let known = records.iter().position(|(known, _)| known == keyword);
        match known {
            Some(place) => records[place].1 = value.to_vec(),
            None if records.len() == MAX_RECORDS => {
                return Err(malformed("a member has more than 256 extended records"));
            }
            None => records.push((keyword.to_vec(), value.to_vec())),
        }
    }
    if !map.is_empty() {
        records.retain(|(keyword, _)| keyword != MAP);
        records.push((MAP.to_vec(), map.join(&b',')));
    }
    Ok(())
}

/// The first record: its keyword, its value, and what comes behind it.
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let digits = text[..space].iter().all(u8::is_ascii_digit).then_some(&text[..space])?;
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (keyword, value) = (&record[..equals], &record[equals + 1..]);
    let is_text = TEXTS.contains(&keyword);
    let broken = keyword.is_empty() || keyword.contains(&0) || (is_text && value.contains(&0));
    (!broken).then_some((keyword, value, rest))
}

/// The value of a keyword. One without a value says nothing, so that the header's field counts.
pub(super) fn value<'r>(records: &'r Records, keyword: &str) -> Option<&'r [u8]> {
    let found = records.iter().find(|(known, _)| known == keyword.as_bytes());
    found.map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
}

/// The records that count for a member, which is written with them again: one without a value where the header has a field for it
/// does not, nor those that are overruled by a header of the GNU dialect.
pub(super) fn counting(mut records: Records, overruled: &[(&str, bool)]) -> Records {
    const FIELDS: [&[u8]; 8] = [b"path", b"linkpath", b"uname", b"gname", b"uid", b"gid", b"size", b"mtime"];
    let is_overruled = |keyword: &[u8]| overruled.iter().any(|(name, is)| *is && name.as_bytes() == keyword);
    let is_field = |keyword: &[u8]| FIELDS.contains(&keyword);
    records.retain(|(keyword, value)| !(is_overruled(keyword) || value.is_empty() && is_field(keyword)));
    records
}

/// The same as a number, which it must be.
pub(super) fn number(records: &Records, keyword: &str) -> io::Result<Option<u64>> {
    let Some(value) = value(records, keyword) else { return Ok(None) };
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.map(Some).ok_or_else(|| malformed("an extended record is not the number that it should be"))
}

/// A time in seconds, rounded as Python rounds.
pub(super) fn seconds(records: &Records, keyword: &str) -> io::Result<Option<i64>> {
    let Some(value) = value(records, keyword) else { return Ok(None) };
    let seconds = std::str::from_utf8(value).ok().and_then(|text| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = whole.parse::<i64>().is_ok() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<f64>().ok())?
    });
    let seconds = seconds.map(|seconds| Some(seconds.round_ties_even() as i64));
    seconds.ok_or_else(|| malformed("an extended record is not the time that it should be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of an extended header; `None`: it is refused.
    fn check(text: &[u8], expected: Option<&[(&str, &str)]>) {
        let mut records = Records::new();
        let merged = merge(&mut records, text).ok();
        let expected: Option<Records> = expected.map(|records| {
            records
                .iter()
                .map(|(keyword, value)| (keyword.as_bytes().into(), value.as_bytes().into()))
                .collect()
        });
        assert_eq!(merged.map(|()| records), expected, "{:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn as_go_reads_them() {
        check(b"", Some(&[]));
        check(b"6 k=v\n", Some(&[("k", "v")]));
        check(b"5 k=\n6 k=w\n", Some(&[("k", "w")]));
        check(b"12 path=a=b\n", Some(&[("path", "a=b")]));
        check(b"6 a=\0\n", Some(&[("a", "\0")]));
        for refused in [
            &b"6 k=v"[..],
            b"7 k=v\n",
            b"k=v\n",
            b"5 k=v\n",
            b"6 kv \n",
            b"5 =v\n",
            b"+6 k=v\n",
            b"9 path=\0\n",
            b"1 ",
        ] {
            check(refused, None);
        }
        let many = |count: usize| {
            (0..count).map(|number| format!("9 k{number:03}=v\n")).collect::<Vec<_>>().concat()
        };
        let mut records = Records::new();
        merge(&mut records, many(256).as_bytes()).unwrap();
        merge(&mut records, many(256).as_bytes()).unwrap();
        assert!(merge(&mut records, b"6 k=v\n").is_err());
    }
}

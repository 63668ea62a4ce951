//! Times, as they stand in configs.

use crate::python::datetime::DateTime;

/// Whether this is a time as RFC 3339 has it, with a `T` and without leap seconds, as Go's `time` package reads it. The year 0
/// is none.
pub(super) fn is_time(text: &str) -> bool {
    time(text).is_some()
}

fn time(text: &str) -> Option<()> {
    let (date, time) = text.split_once('T')?;
    let [_, _, _] = numbers(date, '-', [4, 2, 2])?;
    DateTime::parse(date).ok()?;
    let (time, zone) = time.split_at(time.find(['Z', '+', '-'])?);
    let time = match time.split_once('.') {
        Some((time, fraction)) => number(fraction).map(|_| time)?,
        None => time,
    };
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let [ahead, minutes] = match zone {
        "Z" => [0, 0],
        zone => numbers(&zone[1..], ':', [2, 2])?,
    };
    (hour < 24 && minute < 60 && second < 60 && ahead < 24 && minutes < 60).then_some(())
}

/// Numbers of these lengths, with separators between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u32; N]> {
    let parts: Vec<&str> = text.split(between).collect();
    let is_right = parts.iter().map(|part| part.len()).eq(digits);
    let numbers = parts.into_iter().map(number).collect::<Option<Vec<_>>>()?;
    is_right.then(|| numbers.try_into().ok()).flatten()
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Of a fraction only the form matters.
    is_number.then(|| text.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_reads_them() {
        for text in [
            "1970-01-01T00:00:01Z",
            "1970-01-01T00:00:01+00:00",
            "0001-01-01T00:00:00Z",
            "2024-02-29T23:59:59.123456789012345678901234567890-23:59",
            "9999-12-31T00:00:00.5+05:30",
        ] {
            assert!(is_time(text), "{text}");
        }
        for text in [
            "",
            "T",
            "0000-01-01T00:00:00Z",
            "now",
            "1970-01-01",
            "1970-01-01T00:00:01",
            "1970-01-01t00:00:01Z",
            "1970-01-01T00:00:01z",
            "1970-01-01 00:00:01Z",
            "1970-01-01T0:00:01Z",
            "1970-01-01T00:00:01,5Z",
            "1970-01-01T00:00:01.Z",
            "1970-01-01T00:00:01.5",
            "1970-01-01T00:00:01Z ",
            "1970-01-01T00:00:01+0000",
            "1970-01-01T00:00:01+24:00",
            "1970-01-01T00:00:01+00:60",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:60:00Z",
            "1970-01-01T24:00:00Z",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "+970-01-01T00:00:00Z",
            "197\u{661}-01-01T00:00:00Z",
        ] {
            assert!(!is_time(text), "{text}");
        }
    }
}

//! The grammar of `datetime.fromisoformat`, oddities included: those of the C implementation in
//! `CPython` 3.11, which takes more than the documentation says.

/// The fields of a string, whether or not the date exists.
pub(super) struct Parts {
    pub(super) date: Date,
    pub(super) time: ClockTime,
    pub(super) offset: Option<Offset>,
}

/// A day, by the calendar or by the week.
pub(super) enum Date {
    Month { year: i64, month: i64, day: i64 },
    Week { year: i64, week: i64, day: i64 },
}

/// A time of day, or an amount of time.
#[derive(Default)]
pub(super) struct ClockTime {
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) microsecond: u32,
}

/// The distance from UTC.
pub(super) struct Offset {
    pub(super) west: bool,
    pub(super) time: ClockTime,
}

impl ClockTime {
    fn new([hour, minute, second]: [i64; 3], microsecond: u32) -> Self {
        Self { hour, minute, second, microsecond }
    }

    pub(super) fn seconds(&self) -> i64 {
        self.hour * 3600 + self.minute * 60 + self.second
    }
}

/// Takes `text` apart, if it has the form of a date.
pub(super) fn parse(text: &str) -> Option<Parts> {
    let end = date_length(text.as_bytes());
    let date = date(text.get(..end)?.as_bytes())?;
    let mut after = text[end..].chars();
    // Any one character may stand between the date and the time.
    let (time, offset) = match after.next() {
        Some(_) => time_and_offset(after.as_str().as_bytes())?,
        None => Default::default(),
    };
    Some(Parts { date, time, offset })
}

/// How many bytes the date takes, if the text begins with one.
fn date_length(text: &[u8]) -> usize {
    let digit_at = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    match (text.get(4), text.get(5)) {
        // After a week a hyphen and two digits or more are a separator and an hour.
        (Some(b'-'), Some(b'W')) if text.get(8) == Some(&b'-') && !digit_at(10) => "YYYY-Www-D".len(),
        (Some(b'-'), Some(b'W')) => "YYYY-Www".len(),
        (Some(b'-'), _) => "YYYY-MM-DD".len(),
        (Some(b'W'), _) => compact_week_length(text),
        _ => "YYYYMMDD".len(),
    }
}

/// The digits of a time come in pairs, so an odd one after the week, or after the separator's place if
/// that too is a digit, is the day.
fn compact_week_length(text: &[u8]) -> usize {
    let week = "YYYYWww".len();
    let digits = text.iter().skip(week).take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        0 => week,
        1 => week + 1,
        _ if digits % 2 == 1 => week,
        _ => week + 1,
    }
}

fn date(text: &[u8]) -> Option<Date> {
    let (year, rest) = text.split_at_checked(4)?;
    let year = number(year)?;
    match *rest {
        [b'W', w, x] | [b'-', b'W', w, x] => Some(Date::Week { year, week: number(&[w, x])?, day: 1 }),
        [b'W', w, x, d] | [b'-', b'W', w, x, b'-', d] => {
            Some(Date::Week { year, week: number(&[w, x])?, day: number(&[d])? })
        }
        [m, n, d, e] | [b'-', m, n, b'-', d, e] => {
            Some(Date::Month { year, month: number(&[m, n])?, day: number(&[d, e])? })
        }
        _ => None,
    }
}

fn time_and_offset(text: &[u8]) -> Option<(ClockTime, Option<Offset>)> {
    let Some(at) = text.iter().position(|byte| b"+-Z".contains(byte)) else {
        return Some((whole_time(text)?, None));
    };
    // The rest before an offset is skipped.
    let (time, _) = time(&text[..at])?;
    let (sign, after) = (text[at], &text[at + 1..]);
    let offset = match sign {
        b'Z' if is_end(after) => ClockTime::default(),
        b'Z' => return None,
        _ => whole_time(after)?,
    };
    Some((time, Some(Offset { west: sign == b'-', time: offset })))
}

fn whole_time(text: &[u8]) -> Option<ClockTime> {
    time(text).filter(|(_, rest)| is_end(rest)).map(|(time, _)| time)
}

/// The text of a C string ends where a NUL is.
fn is_end(text: &[u8]) -> bool {
    matches!(text, [] | [0, ..])
}

/// `HH`, `MM` and `SS`, as many as there are, with colons or without, then a fraction of a second, even
/// if there are no seconds; and what of the text is left over.
fn time(text: &[u8]) -> Option<(ClockTime, &[u8])> {
    let mut fields = [0; 3];
    let mut colons = false;
    let mut rest = text;
    for at in 0..fields.len() {
        let (digits, after) = rest.split_at_checked(2)?;
        fields[at] = number(digits)?;
        rest = after;
        if at == 0 {
            colons = rest.first() == Some(&b':');
        }
        match rest {
            // A last byte on its own is not looked at.
            [] | [_] => return Some((ClockTime::new(fields, 0), rest)),
            [b'.' | b',', fraction @ ..] => {
                rest = fraction;
                break;
            }
            // A colon stands before a fraction as well.
            [b':', after @ ..] if colons => rest = after,
            _ if colons => return None,
            // Without colons digits follow on digits, those of a fraction too.
            _ => {}
        }
    }
    let (digits, rest) = rest.split_at(rest.len().min(6));
    let unread = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some((ClockTime::new(fields, microseconds(digits)?), &rest[unread..]))
}

fn microseconds(digits: &[u8]) -> Option<u32> {
    let scale = 10_i64.pow(6_u32.checked_sub(u32::try_from(digits.len()).ok()?)?);
    u32::try_from(number(digits)? * scale).ok()
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

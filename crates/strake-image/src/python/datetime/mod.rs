//! `datetime.datetime`: read, written, and counted as seconds.

mod calendar;
mod iso;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// A moment between the years 1 and 9999, as a clock on some wall shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The local time, in seconds since 1970.
    seconds: i64,
    /// Less than a second.
    microsecond: u32,
    /// How far the clock is ahead of UTC, in microseconds and by less than a day, where that is known.
    offset: Option<i64>,
}

/// Why a text is no date.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    /// The text has not the form of a date.
    #[error("Invalid isoformat string: {0:?}")]
    Malformed(String),

    /// The form is right, and some part of it is too large or too small.
    #[error(transparent)]
    OutOfRange(#[from] RangeError),
}

/// A part of a date that no date has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{field} {value} is out of range")]
pub struct RangeError {
    field: &'static str,
    value: i64,
}

impl DateTime {
    /// `datetime.fromisoformat(text)`, with all that its C implementation accepts in `CPython` 3.11.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let parts = iso::parse(text).ok_or_else(|| ParseError::Malformed(text.to_owned()))?;
        Ok(Self::from_parts(&parts)?)
    }

    /// `datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=microsecond)`.
    pub fn from_unix(seconds: i64, microsecond: u32) -> Result<Self, RangeError> {
        let days = calendar::check_days(seconds.div_euclid(DAY))?;
        check("microsecond", microsecond.into(), 0..MICROS)?;
        Ok(Self { seconds: days * DAY + seconds.rem_euclid(DAY), microsecond, offset: Some(0) })
    }

    /// `self.isoformat()`.
    pub fn isoformat(&self) -> String {
        let (year, month, day) = calendar::date(self.seconds.div_euclid(DAY));
        let clock = clock(self.seconds.rem_euclid(DAY), self.microsecond.into());
        let offset = self.offset.map(isoformat_offset).unwrap_or_default();
        format!("{year:04}-{month:02}-{day:02}T{clock}{offset}")
    }

    /// `int(self.timestamp())`: whole seconds since 1970 in UTC, rounded towards 1970.
    ///
    /// A date without an offset counts as UTC. Python takes the time zone of the machine, which is the
    /// same where `TZ=UTC`; an image must not depend on where it is built.
    pub fn timestamp(&self) -> i64 {
        to_whole_seconds(self.seconds * MICROS + i64::from(self.microsecond) - self.offset.unwrap_or(0))
    }

    fn from_parts(parts: &iso::Parts) -> Result<Self, RangeError> {
        let days = match parts.date {
            iso::Date::Month { year, month, day } => calendar::days(year, month, day)?,
            iso::Date::Week { year, week, day } => calendar::days_by_week(year, week, day)?,
        };
        let time = &parts.time;
        check("hour", time.hour, 0..24)?;
        check("minute", time.minute, 0..60)?;
        check("second", time.second, 0..60)?;
        let offset = parts.offset.as_ref().map(offset_micros).transpose()?;
        Ok(Self { seconds: days * DAY + time.seconds(), microsecond: time.microsecond, offset })
    }
}

/// By way of a double, as in Python: far from 1970 the last microseconds round up to a second.
fn to_whole_seconds(micros: i64) -> i64 {
    let seconds: f64 = format!("{micros}e-6").parse().expect("an integer with an exponent is a number");
    #[expect(clippy::cast_possible_truncation, reason = "the years up to 9999 have few seconds")]
    let whole = seconds as i64;
    whole
}

/// The minutes and seconds of an offset may be any two digits. One without whole seconds is UTC, even
/// if it has microseconds.
fn offset_micros(offset: &iso::Offset) -> Result<i64, RangeError> {
    let micros = match offset.time.seconds() {
        0 => 0,
        seconds => seconds * MICROS + i64::from(offset.time.microsecond),
    };
    check("offset", micros, 0..DAY * MICROS)?;
    Ok(if offset.west { -micros } else { micros })
}

fn isoformat_offset(offset: i64) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let (seconds, microsecond) = (offset.abs() / MICROS, offset.abs() % MICROS);
    let clock = clock(seconds, microsecond);
    let shown = if seconds % 60 == 0 && microsecond == 0 { "00:00".len() } else { clock.len() };
    format!("{sign}{}", &clock[..shown])
}

fn clock(seconds: i64, microsecond: i64) -> String {
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if microsecond == 0 { String::new() } else { format!(".{microsecond:06}") };
    format!("{hour:02}:{minute:02}:{second:02}{fraction}")
}

fn check(field: &'static str, value: i64, range: std::ops::Range<i64>) -> Result<i64, RangeError> {
    if range.contains(&value) { Ok(value) } else { Err(RangeError { field, value }) }
}

//! The proleptic Gregorian calendar, in days since 1970-01-01, which was a Thursday.

use super::{RangeError, check};

/// 0001-01-01, a Monday.
const FIRST: i64 = -719_162;
/// 9999-12-31.
const LAST: i64 = 2_932_896;

/// The day itself, if its year has four digits.
pub(super) fn check_days(days: i64) -> Result<i64, RangeError> {
    check("day since 1970", days, FIRST..LAST + 1)
}

/// The day of a year, a month and a day of that month.
pub(super) fn days(year: i64, month: i64, day: i64) -> Result<i64, RangeError> {
    check_year(year)?;
    check("month", month, 1..13)?;
    check("day", day, 1..month_length(year, month) + 1)?;
    Ok(year_start(year) + (1..month).map(|month| month_length(year, month)).sum::<i64>() + day - 1)
}

/// The day of an ISO year, a week and a day of that week.
pub(super) fn days_by_week(year: i64, week: i64, day: i64) -> Result<i64, RangeError> {
    check_year(year)?;
    let start = first_monday(year);
    check("week", week, 1..(first_monday(year + 1) - start) / 7 + 1)?;
    check("weekday", day, 1..8)?;
    check_days(start + (week - 1) * 7 + day - 1)
}

/// The year, the month and the day of that month of a day that passes [`check_days`].
pub(super) fn date(days: i64) -> (i64, i64, i64) {
    // Too early by a year at most: the mean year is 146,097 / 400 days.
    let guess = (days - FIRST) * 400 / 146_097;
    let year = (guess..=guess + 2).rev().find(|&year| year_start(year) <= days).unwrap_or(guess);
    let (mut month, mut day) = (1, days - year_start(year));
    while day >= month_length(year, month) {
        day -= month_length(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

fn check_year(year: i64) -> Result<i64, RangeError> {
    check("year", year, 1..10_000)
}

fn year_start(year: i64) -> i64 {
    let before = year - 1;
    FIRST + before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400)
}

/// The Monday of the week with the year's first Thursday, that is with January 4.
fn first_monday(year: i64) -> i64 {
    let fourth = year_start(year) + 3;
    fourth - (fourth - FIRST).rem_euclid(7)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

#[cfg(test)]
mod tests {
    use super::{FIRST, LAST, date, days, first_monday};

    #[test]
    fn every_day_has_one_date() {
        let mut expected = (1, 1, 1);
        for day in FIRST..=LAST {
            let found = date(day);
            assert_eq!(found, expected);
            let (year, month, of_month) = found;
            assert_eq!(days(year, month, of_month), Ok(day));
            expected = [(year, month, of_month + 1), (year, month + 1, 1), (year + 1, 1, 1)]
                .into_iter()
                .find(|&(year, month, day)| year == 10_000 || days(year, month, day).is_ok())
                .unwrap();
        }
        assert_eq!(expected, (10_000, 1, 1));
    }

    #[test]
    fn weeks() {
        for (year, expected) in
            [(1, (1, 1, 1)), (2004, (2003, 12, 29)), (2020, (2019, 12, 30)), (2021, (2021, 1, 4))]
        {
            assert_eq!(date(first_monday(year)), expected);
        }
    }
}

//! Points in time: microseconds since 1970, always shown as RFC 3339 in UTC.
//!
//! The crate has no clock. Whoever needs a "now" hands one in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::encoding::text_serde;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A point in time, in microseconds since 1970-01-01T00:00:00Z, between the years 0 and 9999.
///
/// The text form has one spelling, `2026-11-21T10:22:31.000000Z`, so that a time inside a committed
/// record always gives the same bytes.
///
/// ```
/// use volens_privacy::Timestamp;
/// let t = Timestamp::parse("2026-11-21T11:22:31.5+01:00").unwrap();
/// assert_eq!(t.to_string(), "2026-11-21T10:22:31.500000Z");
/// assert_eq!(t.minute().to_string(), "2026-11-21T10:22:00.000000Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text is not an RFC 3339 time with an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time such as 2026-11-21T10:22:31Z")]
pub struct TimeError;

impl Timestamp {
    /// 0000-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_167_219_200 * MICROS_PER_SECOND);
    /// 9999-12-31T23:59:59.999999Z.
    pub const MAX: Self = Self(253_402_300_800 * MICROS_PER_SECOND - 1);

    /// The time `micros` microseconds after 1970; values outside the years 0 to 9999 become the
    /// nearest end of that range.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Cut to the start of its minute, the resolution of public ledger leaves.
    pub fn minute(self) -> Self {
        self.cut(60)
    }

    /// Cut to the start of its hour, the resolution of stored signals.
    pub fn hour(self) -> Self {
        self.cut(3_600)
    }

    /// Cut to the start of its day in UTC.
    pub fn day(self) -> Self {
        self.cut(SECONDS_PER_DAY)
    }

    fn cut(self, seconds: i64) -> Self {
        Self(self.0 - self.0.rem_euclid(seconds * MICROS_PER_SECOND))
    }

    /// The calendar year it is in (UTC).
    pub fn year(self) -> u16 {
        let (year, ..) = civil_from_days(self.0.div_euclid(SECONDS_PER_DAY * MICROS_PER_SECOND));
        u16::try_from(year).unwrap_or_default()
    }

    /// Later by `duration`, at most [`Timestamp::MAX`].
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(whole_micros(duration)))
    }

    /// Earlier by `duration`, at least [`Timestamp::MIN`].
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(whole_micros(duration)))
    }

    /// Later by so many months: at the same time of the day of the same number, or of the last day of a
    /// shorter month. At most [`Timestamp::MAX`].
    pub fn plus_months(self, months: u32) -> Self {
        let midnight = self.day();
        let (year, month, day) =
            civil_from_days(midnight.0 / (SECONDS_PER_DAY * MICROS_PER_SECOND));
        let month = year * 12 + month - 1 + i64::from(months);
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        let day = day.min(days_in_month(year, month));
        let days = days_from_civil(year, month, day);
        let micros = days.saturating_mul(SECONDS_PER_DAY * MICROS_PER_SECOND);
        Self::from_micros(micros.saturating_add(self.0 - midnight.0))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Reads an RFC 3339 time. An offset is required (a time without one is a guess), fractions
    /// finer than a microsecond are cut, leap seconds are refused.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        parse(text.as_bytes()).ok_or(TimeError)
    }
}

fn whole_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let separated = separators.iter().all(|&(at, byte)| date_time[at] == byte)
        && matches!(date_time[10], b'T' | b't');
    if !separated {
        return None;
    }
    let year = digits(&date_time[0..4])?;
    let month = digits(&date_time[5..7])?;
    let day = digits(&date_time[8..10])?;
    let hour = digits(&date_time[11..13])?;
    let minute = digits(&date_time[14..16])?;
    let second = digits(&date_time[17..19])?;
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let (fraction, offset) = fraction(rest)?;
    let seconds =
        days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second
            - offset_seconds(offset)?;
    let time = Timestamp(seconds * MICROS_PER_SECOND + fraction);
    (Timestamp::MIN..=Timestamp::MAX).contains(&time).then_some(time)
}

/// The microseconds of `.123456789` and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(after) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let micros = (0..6).fold(0, |value, place| {
        let digit = if place < length { after[place] - b'0' } else { 0 };
        value * 10 + i64::from(digit)
    });
    Some((micros, &after[length..]))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = hours * 3_600 + minutes * 60;
            let valid = hours < 24 && minutes < 60;
            valid.then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// Counts in eras of 400 years that begin on 1 March, so that the leap day is the last day of a
/// year (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

text_serde!(Timestamp);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, micros: i64) {
        assert_eq!(Timestamp::parse(text), Ok(Timestamp(micros)), "{text}");
    }

    #[test]
    fn known_times() {
        check("1970-01-01T00:00:00Z", 0);
        check("1969-12-31T23:59:59.999999Z", -1);
        check("1985-04-12T23:20:50.52Z", 482_196_050_520_000); // RFC 3339 §5.8
        check("1996-12-19T16:39:57-08:00", 851_042_397_000_000); // RFC 3339 §5.8
        check("1937-01-01T12:00:27.87+00:20", -1_041_337_172_130_000); // RFC 3339 §5.8
        check("2000-02-29t00:00:00z", 951_782_400_000_000);
        check("2026-11-21T10:22:31.1234567Z", 1_795_256_551_123_456);
        check("0000-01-01T00:00:00Z", Timestamp::MIN.micros());
        check("9999-12-31T23:59:59.999999Z", Timestamp::MAX.micros());
    }

    #[test]
    fn refused_texts() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T10:22:31",
            "2026-11-21 10:22:31Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "1990-12-31T23:59:60Z",
            "2026-11-21T10:22:31.Z",
            "2026-11-21T10:22:31.1234567890Z",
            "2026-11-21T10:22:31+24:00",
            "2026-11-21T10:22:31+0100",
            "2026-11-21T10:22:31ZZ",
            "+026-11-21T10:22:31Z",
            "0000-01-01T00:00:00+00:01",
            "２026-11-21T10:22:31Z",
        ] {
            assert_eq!(Timestamp::parse(text), Err(TimeError), "{text}");
        }
    }

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::from_micros(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp(5).since(Timestamp(3)), Duration::from_micros(2));
        assert_eq!(Timestamp(-1).minute(), Timestamp(-60_000_000));
        assert_eq!(Timestamp(-1).hour(), Timestamp(-3_600_000_000));
    }

    proptest! {
        #[test]
        fn text_round_trips(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let time = Timestamp(micros);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}") {
            let _parsed = Timestamp::parse(&text);
        }
    }
}

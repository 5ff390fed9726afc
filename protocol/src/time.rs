//! Times as records hold them: UTC milliseconds and calendar dates. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The zone in which every site of the first regions lives, and in which staff read the time.
pub const ZONE: &str = "Europe/London";

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Timestamp(#[n(0)] pub i64);

impl Timestamp {
    /// This moment moved by a number of milliseconds, never past the ends of the range.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment as `jiff` holds it; moments outside the years -9999 to 9999 become the nearest end.
    pub fn to_jiff(self) -> jiff::Timestamp {
        let ends = (jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        jiff::Timestamp::from_millisecond(self.0.clamp(ends.0, ends.1)).unwrap_or_default()
    }

    /// The moment in the zone that staff read ([`ZONE`]).
    pub fn in_zone(self) -> jiff::Zoned {
        // The zone's rules are compiled in, so the fallback is never taken; it is still a time, not a panic.
        self.to_jiff().in_tz(ZONE).unwrap_or_else(|_| self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC))
    }

    /// The calendar date on which staff place this moment.
    pub fn date(self) -> Date {
        Date(self.in_zone().date())
    }

    /// RFC 3339 in UTC with milliseconds: a FHIR `instant`.
    pub fn to_rfc3339(self) -> String {
        format!("{:.3}", self.to_jiff())
    }

    /// The moment that an RFC 3339 text with an offset names.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }
}

/// A point on a clock that only runs forward: milliseconds from a start that nobody else knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// This point and so many milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// A calendar date without a time, as a birth date is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub jiff::civil::Date);

impl Date {
    /// Whole years from this date to `today`; none when `today` is earlier.
    pub fn years_until(self, today: Self) -> Option<u16> {
        let span = (self <= today).then(|| self.0.until((jiff::Unit::Year, today.0)).ok()).flatten()?;
        u16::try_from(span.get_years()).ok()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        if text.len() != 10 {
            return Err(DateError);
        }
        text.parse().map(Self).map_err(|_| DateError)
    }
}

/// The text is not a calendar date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a date is written as 2026-01-31")]
pub struct DateError;

impl<C> Encode<C> for Date {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let (year, month, day) =
            (i32::from(self.0.year()), i32::from(self.0.month()), i32::from(self.0.day()));
        e.i32(year * 10_000 + month * 100 + day)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Date {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let number = d.i32()?;
        let part = |n: i32| i8::try_from(n).ok();
        let date = i16::try_from(number / 10_000)
            .ok()
            .zip(part(number / 100 % 100).zip(part(number % 100)))
            .and_then(|(year, (month, day))| jiff::civil::Date::new(year, month, day).ok());
        date.map(Self).ok_or_else(|| minicbor::decode::Error::message("a calendar date"))
    }
}

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A time of day in the site's zone, in minutes after midnight: when a dose is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TimeOfDay(#[n(0)] u16);

impl TimeOfDay {
    /// The time with this hour (0-23) and minute (0-59).
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then(|| Self(u16::from(hour) * 60 + u16::from(minute)))
    }

    /// Hour, 0 to 23. A number from outside that is no time of day counts as the day's last minute.
    pub fn hour(self) -> u8 {
        u8::try_from(self.0.min(1439) / 60).unwrap_or(23)
    }

    /// Minute, 0 to 59.
    pub fn minute(self) -> u8 {
        u8::try_from(self.0.min(1439) % 60).unwrap_or(59)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour(), self.minute())
    }
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, TimeOfDayError> {
        let (hour, minute) = text.split_once(':').ok_or(TimeOfDayError)?;
        let two = |part: &str| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
        };
        let (hour, minute) = two(hour).zip(two(minute)).ok_or(TimeOfDayError)?;
        Self::new(hour, minute).ok_or(TimeOfDayError)
    }
}

/// The text is not a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is written as 08:30")]
pub struct TimeOfDayError;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_date_reads_back(year in 1850i16..2200, month in 1i8..=12, day in 1i8..=28) {
            let date = Date(jiff::civil::Date::new(year, month, day).unwrap());
            prop_assert_eq!(date.to_string().parse::<Date>(), Ok(date));
            let bytes = minicbor::to_vec(date).unwrap();
            prop_assert_eq!(minicbor::decode::<Date>(&bytes).unwrap(), date);
        }

        #[test]
        fn any_number_is_a_date_or_an_error(number: i32) {
            let bytes = minicbor::to_vec(number).unwrap();
            if let Ok(date) = minicbor::decode::<Date>(&bytes) {
                prop_assert_eq!(minicbor::to_vec(date).unwrap(), bytes);
            }
        }

        #[test]
        fn any_moment_has_a_date_and_a_text(ms: i64) {
            let moment = Timestamp(ms);
            let _ = (moment.date(), moment.to_rfc3339(), moment.in_zone());
        }
    }

    #[test]
    fn an_age_counts_whole_years() {
        let born: Date = "1938-08-14".parse().unwrap();
        assert_eq!(born.years_until("2026-08-13".parse().unwrap()), Some(87));
        assert_eq!(born.years_until("2026-08-14".parse().unwrap()), Some(88));
        assert_eq!(born.years_until("1938-08-13".parse().unwrap()), None);
    }

    #[test]
    fn a_summer_evening_falls_on_the_date_that_staff_see() {
        let moment = Timestamp::from_rfc3339("2026-06-30T23:30:00Z").unwrap();
        assert_eq!(moment.date().to_string(), "2026-07-01");
    }
}

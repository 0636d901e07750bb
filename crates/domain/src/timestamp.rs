//! Points in time, as PostgreSQL keeps them: whole microseconds.

use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// Microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The first and the last instant of `timestamptz` that are also in the common calendar's years 0001 to 9999.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

impl Timestamp {
    /// `None` outside the years 0001 to 9999.
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        RANGE.contains(&micros).then_some(Self(micros))
    }

    /// `None` outside the years 0001 to 9999.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        Self::from_unix_micros(seconds.checked_mul(1_000_000)?)
    }

    pub fn unix_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// ISO 8601 in UTC, with microseconds and Z.
    pub fn iso_8601(self) -> String {
        // RANGE is what `time` can hold, too.
        let time = OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(self.0);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.microsecond()
        )
    }

    /// Moved into the past, at most to the first instant.
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros).max(*RANGE.start()))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let micros = Duration::from_micros(time.0.unsigned_abs());
        if time.0 < 0 { Self::UNIX_EPOCH - micros } else { Self::UNIX_EPOCH + micros }
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Self(micros.clamp(*RANGE.start(), *RANGE.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_iso_8601() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_746_508_089_500_001, "2025-05-06T05:08:09.500001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (*RANGE.start(), "0001-01-01T00:00:00.000000Z"),
            (*RANGE.end(), "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp(micros).iso_8601(), text);
        }
    }

    #[test]
    fn stays_within_what_postgres_prints() {
        assert_eq!(Timestamp::from_unix_seconds(i64::MAX), None);
        assert_eq!(Timestamp::from_unix_seconds(253_402_300_800), None);
        assert!(Timestamp::from_unix_seconds(253_402_300_799).is_some());
        let first = Timestamp::from_unix_micros(*RANGE.start()).unwrap();
        assert_eq!(first.minus(Duration::from_secs(1)), first);
        assert_eq!(Timestamp(-1).unix_seconds(), -1);
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).unix_seconds(), -1);
    }
}

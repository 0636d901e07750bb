//! Points in time, as PostgreSQL keeps them: whole microseconds.

use std::time::{Duration, SystemTime};

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

//! How often a sync looks for changes.

use std::{fmt, str::FromStr, time::Duration};

/// `continuous`, or an interval between looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frequency {
    /// As often as the settings and the rate limit allow.
    Continuous,
    Every(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a frequency")]
pub struct InvalidFrequency;

/// What to write instead, for hints.
pub const EXPECTED: &str = "Write 'continuous', or a whole number and s, m, h or d, such as '30s', '15m', '4h' or \
                            '1d'; from one second to 30 days.";

const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

impl Frequency {
    /// The time between two looks, where `continuous` means `shortest`.
    pub fn interval(self, shortest: Duration) -> Duration {
        match self {
            Self::Continuous => shortest,
            Self::Every(interval) => interval.max(shortest),
        }
    }
}

impl FromStr for Frequency {
    type Err = InvalidFrequency;

    fn from_str(text: &str) -> Result<Self, InvalidFrequency> {
        if text == "continuous" {
            return Ok(Self::Continuous);
        }
        let unit = text.chars().next_back().ok_or(InvalidFrequency)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            _ => return Err(InvalidFrequency),
        };
        let digits = &text[..text.len() - 1];
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidFrequency);
        }
        let count: u64 = digits.parse().map_err(|_| InvalidFrequency)?;
        let interval = Duration::from_secs(count.checked_mul(seconds).ok_or(InvalidFrequency)?);
        if interval.is_zero() || interval > LONGEST {
            return Err(InvalidFrequency);
        }
        Ok(Self::Every(interval))
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continuous => f.write_str("continuous"),
            Self::Every(interval) => {
                let seconds = interval.as_secs();
                let (unit, name) = [(86400, 'd'), (3600, 'h'), (60, 'm')]
                    .into_iter()
                    .find(|(unit, _)| seconds.is_multiple_of(*unit))
                    .unwrap_or((1, 's'));
                write!(f, "{}{name}", seconds / unit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_documentation_shows() {
        assert_eq!("continuous".parse(), Ok(Frequency::Continuous));
        assert_eq!("4h".parse(), Ok(Frequency::Every(Duration::from_secs(4 * 3600))));
        for bad in
            ["", "h", "4", "-1h", "+4h", "4 h", "0s", "31d", "4H", "1.5h", "99999999999999999999d", "４h"]
        {
            assert_eq!(bad.parse::<Frequency>(), Err(InvalidFrequency), "{bad:?}");
        }
    }

    #[test]
    fn an_interval_never_undercuts_the_shortest() {
        let second = Duration::from_secs(1);
        assert_eq!(Frequency::Continuous.interval(second), second);
        assert_eq!(Frequency::Every(second / 2).interval(second), second);
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(seconds in 1u64..=30 * 86400) {
            let frequency = Frequency::Every(Duration::from_secs(seconds));
            prop_assert_eq!(frequency.to_string().parse(), Ok(frequency));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = text.parse::<Frequency>();
        }
    }
}

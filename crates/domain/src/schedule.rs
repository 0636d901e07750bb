//! When something is due again, by what was written down and a clock that may have been set since.

use crate::timestamp::Timestamp;
use std::time::Duration;

/// How long until something is due that is done each `every` and was done last at `last`, if ever.
///
/// Never longer than `every`: a `last` in the future says that the clock was set back, and nothing more.
pub fn until_due(last: Option<Timestamp>, every: Duration, now: Timestamp) -> Duration {
    let Some(last) = last else { return Duration::ZERO };
    let since = u64::try_from(now.unix_micros().saturating_sub(last.unix_micros())).unwrap_or(0);
    every.saturating_sub(Duration::from_micros(since))
}

/// What is asked for seldom, and is missed by nobody, is tried again less and less often: after so many `failures` that
/// `delay` has long ceased to grow it does so again, up to `every`.
pub fn less_and_less_often(delay: Duration, failures: u32, every: Duration) -> Duration {
    const SOON: u32 = 6;
    let doubled = delay.saturating_mul(2u32.saturating_pow(failures.saturating_sub(SOON)));
    doubled.min(every).max(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_last_time() {
        let at = |second| Timestamp::from_unix_seconds(second).unwrap();
        let every = Duration::from_secs(60);
        assert_eq!(until_due(None, every, at(100)), Duration::ZERO);
        assert_eq!(until_due(Some(at(70)), every, at(100)), Duration::from_secs(30));
        assert_eq!(until_due(Some(at(10)), every, at(100)), Duration::ZERO);
        assert_eq!(until_due(Some(at(9_000)), every, at(100)), every);
    }

    #[test]
    fn what_nobody_misses_is_tried_less_and_less_often() {
        let (quarter, day) = (Duration::from_secs(900), Duration::from_secs(86_400));
        let tries = |failures| less_and_less_often(quarter, failures, day).as_secs();
        assert_eq!([0, 1, 6, 7, 8, 13, u32::MAX].map(tries), [900, 900, 900, 1800, 3600, 86_400, 86_400]);
        let asked_for = 2 * day;
        assert_eq!(less_and_less_often(asked_for, 1, day), asked_for, "what the API asks for is kept to");
    }
}
